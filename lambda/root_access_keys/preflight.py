"""The check, at deployment, that the guard of an organization can work where it is deployed.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-enable-root-access.html
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3

from lambda_shared.aws_calls import RetryingCaller
from lambda_shared.clock import InvocationClock
from lambda_shared.errors import CallError
from root_access_keys import checks
from root_access_keys.accounts import check_exist
from root_access_keys.calls import CLIENT_CONFIG, SECONDS_FOR_A_NEW_ROLE
from root_access_keys.errors import DeniedError, GuardError
from root_access_keys.settings import Selection

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PAUSE = timedelta(seconds=5)
_FEATURES = {
    "RootCredentialsManagement": "aws iam enable-organizations-root-credentials-management",
    "RootSessions": "aws iam enable-organizations-root-sessions",
}
_MESSAGES = {
    "OrganizationNotFound": "account {account} is in no organization: use RootAccessKeyGuard for one account",
    "AccountNotManagementOrDelegatedAdministrator": (
        "account {account} is neither the management account nor a delegated administrator for IAM: deploy there, or "
        "run in the management account: aws organizations register-delegated-administrator "
        "--service-principal iam.amazonaws.com --account-id {account}"
    ),
    "OrganizationNotInAllFeaturesMode": (
        "the organization has consolidated billing only: enable all features (Organizations console, Settings)"
    ),
    "ServiceAccessNotEnabled": (
        "IAM is not trusted in the organization: run in the management account: aws organizations "
        "enable-aws-service-access --service-principal iam.amazonaws.com, or enable it in the IAM console, Root access "
        "management"
    ),
}


def handle(event: Mapping[str, Any], context: Any) -> None:
    """Check because CloudFormation asks."""
    checks.handle(event, context, check)


def check(properties: Mapping[str, Any], context: Any) -> str:
    """Refuse an account that may not enter others as root, features that are off, and accounts that don't exist.

    Raises:
        GuardError: the guard could not work; the message says which step is missing.
    """
    account = context.invoked_function_arn.split(":")[4]
    clock = InvocationClock(context)
    call = RetryingCaller(clock)
    try:
        enabled = call(boto3.client("iam", config=CLIENT_CONFIG).list_organizations_features).get("EnabledFeatures", [])
    except CallError as error:
        message = _MESSAGES.get(error.code.removesuffix("Exception"))
        if message is None:
            raise
        raise GuardError(message.format(account=account)) from None
    missing = [feature for feature in _FEATURES if feature not in enabled]
    if missing:
        raise GuardError(
            f"centralized root access is not enabled (missing: {', '.join(missing)}): run in the management "
            f"account {' and '.join(_FEATURES[feature] for feature in missing)}, or enable it in the IAM console, Root "
            "access management"
        )
    _wait_for_role(clock, lambda: check_exist(Selection.from_json(properties["Accounts"])))
    return ""


def _wait_for_role(clock: InvocationClock, check: Callable[[], None]) -> None:
    """Check, again while the function's own role is denied something and may be new."""
    until = clock.now() + SECONDS_FOR_A_NEW_ROLE
    while True:
        try:
            return check()
        except DeniedError:
            if clock.now() + _PAUSE > until:
                raise
        clock.sleep(_PAUSE.total_seconds())
