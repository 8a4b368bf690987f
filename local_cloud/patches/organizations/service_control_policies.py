"""Service control policies bind the users, roles and root users of member accounts.

On AWS each policy that is attached to the account, to a unit above it or to the root must allow an action, and none may
deny it; the management account is not bound. ministack keeps the policies and evaluates none. Here the denials
count, and all else is allowed, as by the policy FullAWSAccess that AWS attaches to everything.
What the services do for each other is not asked.
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_evaluation.html
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_region, request_scope
from ministack.services import organizations

from local_cloud.patches.organizations import organization
from local_cloud.replacing import Function, replace_function

_KIND = "SERVICE_CONTROL_POLICY"
_EVERYTHING = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}


def apply() -> None:
    """Put the policies above an account on everybody in it."""
    replace_function(iam_evaluator, "resolve_principal", "access_key_id account_id credential", _bound)


def _bound(original: Function) -> Function:
    def resolve_principal(access_key_id: str, account_id: str, credential: Any = None) -> Any:
        principal = original(access_key_id, account_id, credential)
        if isinstance(principal, iam_evaluator.AuthError):
            return principal
        contents = _contents_above(principal.account)
        if not contents:
            return principal
        # A root user, whom nothing limits otherwise, has no policies in ministack.
        own = principal.policies
        policies = [iam_evaluator.parse_policy_document(_EVERYTHING)] if own is None else own
        limit = [iam_evaluator.parse_policy_document(content) for content in (_EVERYTHING, *contents)]
        return dataclasses.replace(principal, policies=policies, limits=[*principal.limits, limit])

    return resolve_principal


def _contents_above(account_id: str) -> list[str]:
    """Give the policies that bind an account; the organization is kept in the embedded account, whoever calls."""
    with request_scope(os.environ["MINISTACK_ACCOUNT_ID"], get_region()):
        # An organization that nobody has asked for yet has no policies.
        record = organization.member(account_id) if "self" in organizations._orgs else None
        if record is None:
            return []
        bound = {account_id, *_parents(record)}
        return [
            policy["_Content"]
            for policy_id, policy in organizations._policies.items()
            if policy["Type"] == _KIND and bound & set(organizations._attachments.get(policy_id) or ())
        ]


def _parents(record: dict[str, Any]) -> list[str]:
    found = []
    parent = record.get("_ParentId")
    while parent:
        found.append(parent)
        parent = organizations._ous.get(parent, {}).get("_ParentId")
    return found
