"""The check of one account: whether its root user has an access key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3

from lambda_shared import log
from lambda_shared.aws_calls import RetryingCaller
from lambda_shared.clock import InvocationClock
from lambda_shared.custom_resource import quieten_loggers
from lambda_shared.errors import ProviderError
from root_access_keys import checks
from root_access_keys.calls import CLIENT_CONFIG
from root_access_keys.errors import GuardError
from root_access_keys.notices import put_event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FOUND = "Root Access Key Found"
NAMESPACE = "CdkIamAccessKey"
METRIC = "RootAccessKeysPresent"
_FAIL = "Fail"


def handle(event: Mapping[str, Any], context: Any) -> None:
    """Check because CloudFormation asks."""
    checks.handle(event, context, _deployed)


def scheduled(context: Any) -> None:
    """Check because a schedule asks.

    Raises:
        GuardError: it could not be checked, or not be told.
    """
    quieten_loggers()
    try:
        check(context)
    except Exception as error:  # noqa: BLE001 - Lambda logs what is raised, so nothing else may be in it
        raise log.redacted(error, operation="Check") from None


def check(context: Any) -> bool:
    """Ask IAM, and tell the answer.

    Raises:
        ProviderError: IAM does not tell, or it can't be told. That is never "no key".
    """
    present = root_key_present(RetryingCaller(InvocationClock(context)))
    _tell(context, present=present)
    return present


def _tell(context: Any, *, present: bool) -> None:
    """Tell by a metric, and by an event if there is a key."""
    clock, account = InvocationClock(context), _account(context)
    log.info(FOUND if present else "no root access key", account=account)
    RetryingCaller(clock)(
        boto3.client("cloudwatch", config=CLIENT_CONFIG).put_metric_data,
        Namespace=NAMESPACE,
        MetricData=[{"MetricName": METRIC, "Value": float(present), "Unit": "Count"}],
    )
    if present:
        put_event(RetryingCaller(clock), FOUND, {"Account": account, "Advice": advice(account)})


def root_key_present(call: Callable[..., Any]) -> bool:
    """Tell whether the root user of the own account has an access key, which is all that a role can learn of it.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html

    Raises:
        ProviderError: IAM does not tell; that is never "no".
    """
    summary = call(boto3.client("iam", config=CLIENT_CONFIG).get_account_summary)["SummaryMap"]
    if "AccountAccessKeysPresent" not in summary:
        raise GuardError("GetAccountSummary: the answer has no AccountAccessKeysPresent")
    return bool(summary["AccountAccessKeysPresent"])


def advice(account: str) -> str:
    """Say what to do: no role can do it."""
    return (
        f"the root user of account {account} has an access key: whoever has it can do everything. Sign in as the root "
        "user, open the account menu, Security credentials, Access keys: look when it was last used, deactivate it, "
        "and delete it when nothing misses it"
    )


def _deployed(properties: Mapping[str, Any], context: Any) -> str:
    """Check at a deployment: that there is a key is the reason it fails, also if that could not be told elsewhere."""
    account = _account(context)
    present = root_key_present(RetryingCaller(InvocationClock(context)))
    fails = present and properties.get("OnFound") == _FAIL
    try:
        _tell(context, present=present)
    except ProviderError as error:
        if not fails:
            raise
        log.info("the metric or the event could not be sent", reason=str(error))
    if fails:
        raise GuardError(f"{advice(account)}. Then deploy again, or set on_found=RootKeyAction.WARN")
    return advice(account) if present else ""


def _account(context: Any) -> str:
    return str(context.invoked_function_arn.split(":")[4])
