"""AWS CDK v2 constructs that make IAM access keys safe to declare, rotate and delete."""

from importlib.metadata import version

from cdk_iam_access_key.access_key import AccessKey
from cdk_iam_access_key.provider import AccessKeyProvider

__all__ = ["AccessKey", "AccessKeyProvider", "__version__"]

__version__ = version("cdk-iam-access-key")
