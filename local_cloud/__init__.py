"""An AWS account on this machine: ministack with IAM enforced, and the CDK command line against it.

Tests, the demo and people at a shell use it the same way: nothing in an app changes, only the environment
that names the endpoint, the certificate and the credentials.
"""

from local_cloud.calls import ApiCall
from local_cloud.cdk import CdkCli, CdkError, CdkResult
from local_cloud.cloud import LocalCloud
from local_cloud.organization import Account, Organization, OrganizationalUnit, RootFaults, RootKey
from local_cloud.process import LocalCloudError

__all__ = [
    "Account",
    "ApiCall",
    "CdkCli",
    "CdkError",
    "CdkResult",
    "LocalCloud",
    "LocalCloudError",
    "Organization",
    "OrganizationalUnit",
    "RootFaults",
    "RootKey",
]
