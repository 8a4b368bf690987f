"""AWS CDK v2 constructs that make IAM access keys safe to declare, rotate and delete."""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cdk_iam_access_key.access_key import AccessKey
    from cdk_iam_access_key.on_key_limit import OnKeyLimit
    from cdk_iam_access_key.provider import AccessKeyProvider
    from cdk_iam_access_key.rotation_schedule import RotationSchedule

__all__ = ["AccessKey", "AccessKeyProvider", "OnKeyLimit", "RotationSchedule", "__version__"]

__version__ = version("cdk-iam-access-key")

_MODULES = {
    "AccessKey": "access_key",
    "AccessKeyProvider": "provider",
    "OnKeyLimit": "on_key_limit",
    "RotationSchedule": "rotation_schedule",
}


def __getattr__(name: str) -> Any:
    """Import a construct when it is asked for: the CDK starts a Node process, which the command line has no use for."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
