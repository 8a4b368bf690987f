"""What an AWS service may do in the account when it acts for somebody.

A service needs somebody's leave: a statement of the function's own policy, or a role that trusts the service
and has the permission. ministack's services do what they like to each other.
https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
"""

from __future__ import annotations

from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import iam, lambda_svc

INVOKE = "lambda:InvokeFunction"


def may_invoke(service: str, function_arn: str, source_arn: str) -> bool:
    """Tell whether the function's policy lets a service invoke it on behalf of a resource of this account."""
    found = lambda_svc.function_policy_for_arn(function_arn)
    context = _context(service, INVOKE, function_arn, _source(source_arn))
    return found is not None and _allows(found[0], context, service)


def may_assume(service: str, role_arn: str, source_arn: str) -> bool:
    """Tell whether a role exists and its trust policy lets a service assume it on behalf of a resource."""
    role = iam._roles.get(role_arn.rsplit("/", 1)[-1])
    if role is None or role["Arn"] != role_arn:
        return False
    context = _context(service, "sts:AssumeRole", role_arn, _source(source_arn))
    return _allows(role["AssumeRolePolicyDocument"], context, service)


def role_may(role_arn: str, action: str, resource_arn: str) -> bool:
    """Tell whether a role's policies, and its boundary if it has one, allow an action."""
    name, account = role_arn.rsplit("/", 1)[-1], get_account_id()
    session_arn = f"arn:aws:sts::{account}:assumed-role/{name}/service"
    result = iam_evaluator.evaluate(
        _context(session_arn, action, resource_arn, {}),
        iam_evaluator._gather_role_policies(name, account),
        *iam_evaluator._permissions_boundary(iam._roles, name, account),
    )
    return bool(result.decision == "Allow")


def _source(arn: str) -> dict[str, Any]:
    return {"aws:sourcearn": arn, "aws:sourceaccount": get_account_id()}


def _context(principal: str, action: str, resource_arn: str, keys: dict[str, Any]) -> Any:
    return iam_evaluator.EvalContext(
        principal_arn=principal,
        principal_type="AssumedRole",
        principal_account=get_account_id(),
        action=action,
        resource_arn=resource_arn,
        region=get_region(),
        service_context=keys,
    )


def _allows(policy: Any, context: Any, service: str) -> bool:
    return bool(iam_evaluator.evaluate_resource_policy(policy, context, service=service).decision == "Allow")
