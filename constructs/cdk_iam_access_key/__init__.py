"""AWS CDK v2 constructs that make IAM access keys safe to declare, rotate and delete."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cdk_iam_access_key.access_key import AccessKey
    from cdk_iam_access_key.access_key_provider import AccessKeyProvider
    from cdk_iam_access_key.access_key_rules import AccessKeyRules
    from cdk_iam_access_key.consumers import DeliveryPhase, OnOverdue
    from cdk_iam_access_key.copy import Copy
    from cdk_iam_access_key.deny_unmanaged_access_keys import DenyUnmanagedAccessKeys
    from cdk_iam_access_key.function_options import FunctionOptions
    from cdk_iam_access_key.no_unmanaged_access_keys import NoUnmanagedAccessKeys
    from cdk_iam_access_key.on_key_limit import OnKeyLimit
    from cdk_iam_access_key.root_keys.account_guard import RootAccessKeyGuard, RootKeyAction
    from cdk_iam_access_key.root_keys.accounts import Accounts, AccountSelection
    from cdk_iam_access_key.root_keys.deny_creation import DenyRootAccessKeyCreation
    from cdk_iam_access_key.root_keys.organization_guard import OrganizationRootKeyGuard, RootKeyMode
    from cdk_iam_access_key.secret_format import Escape, Field, SecretFormat

__all__ = [
    "AccessKey",
    "AccessKeyProvider",
    "AccessKeyRules",
    "AccountSelection",
    "Accounts",
    "Copy",
    "DeliveryPhase",
    "DenyRootAccessKeyCreation",
    "DenyUnmanagedAccessKeys",
    "Escape",
    "Field",
    "FunctionOptions",
    "NoUnmanagedAccessKeys",
    "OnKeyLimit",
    "OnOverdue",
    "OrganizationRootKeyGuard",
    "RootAccessKeyGuard",
    "RootKeyAction",
    "RootKeyMode",
    "SecretFormat",
    "__version__",
]

__version__ = version("cdk-iam-access-key")

_MODULES = {
    "AccessKey": "access_key",
    "AccessKeyProvider": "access_key_provider",
    "AccessKeyRules": "access_key_rules",
    "AccountSelection": "root_keys.accounts",
    "Accounts": "root_keys.accounts",
    "Copy": "copy",
    "DeliveryPhase": "consumers",
    "DenyRootAccessKeyCreation": "root_keys.deny_creation",
    "DenyUnmanagedAccessKeys": "deny_unmanaged_access_keys",
    "Escape": "secret_format",
    "Field": "secret_format",
    "FunctionOptions": "function_options",
    "NoUnmanagedAccessKeys": "no_unmanaged_access_keys",
    "OnKeyLimit": "on_key_limit",
    "OnOverdue": "consumers",
    "OrganizationRootKeyGuard": "root_keys.organization_guard",
    "RootAccessKeyGuard": "root_keys.account_guard",
    "RootKeyAction": "root_keys.account_guard",
    "RootKeyMode": "root_keys.organization_guard",
    "SecretFormat": "secret_format",
}


def __getattr__(name: str) -> Any:
    """Import a construct when it is asked for: the CDK starts a Node process, which the command line has no use for."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
