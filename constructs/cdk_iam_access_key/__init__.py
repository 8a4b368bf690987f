"""AWS CDK v2 constructs that make IAM access keys safe to declare, rotate and delete."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cdk_iam_access_key.access_key import AccessKey
    from cdk_iam_access_key.accounts import Accounts, AccountSelection
    from cdk_iam_access_key.deny_root_access_key_creation import DenyRootAccessKeyCreation
    from cdk_iam_access_key.on_key_limit import OnKeyLimit
    from cdk_iam_access_key.organization_root_key_guard import OrganizationRootKeyGuard, RootKeyMode
    from cdk_iam_access_key.provider import AccessKeyProvider
    from cdk_iam_access_key.root_access_key_guard import RootAccessKeyGuard, RootKeyAction
    from cdk_iam_access_key.rotation_schedule import RotationSchedule

__all__ = [
    "AccessKey",
    "AccessKeyProvider",
    "AccountSelection",
    "Accounts",
    "DenyRootAccessKeyCreation",
    "OnKeyLimit",
    "OrganizationRootKeyGuard",
    "RootAccessKeyGuard",
    "RootKeyAction",
    "RootKeyMode",
    "RotationSchedule",
    "__version__",
]

__version__ = version("cdk-iam-access-key")

_MODULES = {
    "AccessKey": "access_key",
    "AccessKeyProvider": "provider",
    "AccountSelection": "accounts",
    "Accounts": "accounts",
    "DenyRootAccessKeyCreation": "deny_root_access_key_creation",
    "OnKeyLimit": "on_key_limit",
    "OrganizationRootKeyGuard": "organization_root_key_guard",
    "RootAccessKeyGuard": "root_access_key_guard",
    "RootKeyAction": "root_access_key_guard",
    "RootKeyMode": "organization_root_key_guard",
    "RotationSchedule": "rotation_schedule",
}


def __getattr__(name: str) -> Any:
    """Import a construct when it is asked for: the CDK starts a Node process, which the command line has no use for."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
