"""Which ARN an IAM or STS call is about.

AWS evaluates policies against the whole ARN, path included (`user/team/name`), and knows the user of the key
that GetAccessKeyLastUsed names; ministack leaves out the path, and takes such a call to be about everything.
AWS assumes a role only by its whole ARN; ministack looks at the last part alone.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
"""

from __future__ import annotations

from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.services import iam, sts

from local_cloud.replacing import Function, replace_function


def apply() -> None:
    """Name the resource of IAM actions as AWS does, and compare a role's whole ARN when it is assumed."""
    parameters = "service method path headers body query_params region account_id"
    replace_function(iam_actions, "extract_resource_arn", parameters, _as_stored)
    replace_function(sts, "_assumed_role_arn", "role_arn session_name", _only_by_its_arn)


def _as_stored(original: Function) -> Function:
    def extract_resource_arn(service: str, *arguments: Any) -> str:
        arn: str = original(service, *arguments)
        if service != "iam":
            return arn
        _, _, _, _, parameters, *_ = arguments
        key = iam._access_keys.get(iam._p(parameters, "AccessKeyId")) if arn == "*" else None
        return _stored_arn("user", key["UserName"], arn) if key else _with_path(arn, iam._p(parameters, "Path"))

    return extract_resource_arn


def _only_by_its_arn(original: Function) -> Function:
    def assumed_role_arn(role_arn: str, session_name: str) -> Any:
        if _stored_arn("role", role_arn.rsplit("/", 1)[-1], role_arn) != role_arn:
            caller = iam_evaluator.caller_arn()
            message = f"User: {caller} is not authorized to perform: sts:AssumeRole on resource: {role_arn}"
            return None, iam._error(403, "AccessDenied", message, ns="sts")
        return original(role_arn, session_name)

    return assumed_role_arn


def _with_path(arn: str, path_of_a_new_one: str) -> str:
    account, _, resource = arn.rpartition(":")
    kind, _, name = resource.partition("/")
    return _stored_arn(kind, name, f"{account}:{kind}{path_of_a_new_one}{name}" if path_of_a_new_one else arn)


def _stored_arn(kind: str, name: str, otherwise: str) -> str:
    records = {"user": iam._users, "role": iam._roles, "group": iam._groups}.get(kind, {})
    record = records.get(name)
    return str(record["Arn"]) if record else otherwise
