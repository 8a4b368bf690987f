"""Every action of every role is needed.

The actions come from the synthesized template, so a new one is tried without being listed here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cloud.access import DENIED
from cloud.least_privilege.deployed import role_name, synthesized_actions, without
from cloud.least_privilege.life import LifeError, live

if TYPE_CHECKING:
    from cloud.least_privilege.deployed import Deployed, Target
    from cloud.least_privilege.handling import Handler
    from cloud.stacks import Account

    from local_cloud.calls import ApiCall

ACTIONS = synthesized_actions()

# No calls of their own: which call is denied without them.
_ASKED_FOR_BY = {
    "kms:Decrypt": "secretsmanager:PutSecretValue",
    "kms:GenerateDataKey": "secretsmanager:PutSecretValue",
}


def called(account: Account, shop: Deployed, *, denied: bool = False) -> set[tuple[str, str]]:
    """Name the calls of the functions' and the key's role, with whose role it was."""
    names = {role_name(shop.role_of(owner, shop.targets["deploy"])): owner for owner in ("function", "key")}
    made = [call for call in account.cloud.calls() if not denied or call.error in DENIED]
    return {(names[role], call.name) for call in made if (role := _role(call)) in names}


def _role(call: ApiCall) -> str:
    """Give the name of the role in whose session a call was made."""
    _, _, session = (call.principal or "").partition(":assumed-role/")
    return session.partition("/")[0]


def may_not_log(account: Account, shop: Deployed) -> set[str]:
    """Name what IAM would refuse Lambda, which writes the functions' log with their role.

    IAM is asked what it would say: the account judges the calls themselves by the log group's ARN, AWS by the stream's.
    It finds the role by an ARN without the path, AWS by the whole one.
    """
    simulation = account.iam.simulate_principal_policy(
        PolicySourceArn=f"arn:aws:iam::{account.cloud.account}:role/{role_name(shop.role)}",
        ActionNames=["logs:CreateLogStream", "logs:PutLogEvents"],
        ResourceArns=[f"{shop.log_group}:log-stream:2026/11/23/[$LATEST]0"],
    )
    results = simulation["EvaluationResults"]
    return {result["EvalActionName"] for result in results if result["EvalDecision"] != "allowed"}


def test_the_roles_as_synthesized_are_enough(account: Account, shop: Deployed, handler: Handler) -> None:
    """In a whole life nothing is denied, and every action of the roles is used."""
    live(account, handler, shop.targets["deploy"])
    assert called(account, shop, denied=True) == set()
    assert may_not_log(account, shop) == set()
    calls = {(owner, _ASKED_FOR_BY.get(action, action)) for owner, action in ACTIONS if not action.startswith("logs:")}
    assert called(account, shop) == calls


def remove_unrecorded(account: Account, target: Target) -> None:
    """Remove the keys that no entry records: one whose entry was lost while tags could not be read is a person's to."""
    recorded = account.entries()[target.secret_arn]["keys"]
    versions = account.secrets.describe_secret(**target.secret)["VersionIdsToStages"]
    for key in account.keys(target.user_name).keys() - recorded.keys():
        account.iam.delete_access_key(UserName=target.user_name, AccessKeyId=key)
        account.iam.untag_user(UserName=target.user_name, TagKeys=[key])
        (version,) = (version for version, labels in versions.items() if key in labels)
        account.secrets.update_secret_version_stage(**target.secret, VersionStage=key, RemoveFromVersionId=version)


@pytest.mark.thorough
@pytest.mark.parametrize(("owner", "action"), ACTIONS, ids=[" ".join(one) for one in ACTIONS])
def test_every_action_is_needed(account: Account, shop: Deployed, handler: Handler, owner: str, action: str) -> None:
    """Without it something fails that works with it, and it is that very action that was denied."""
    target = shop.targets["deploy"]
    with without(account, shop.role_of(owner, target), action):
        if action.startswith("logs:"):
            assert may_not_log(account, shop) == {action}
            return
        with pytest.raises(LifeError):
            live(account, handler, target)
        if action == "iam:ListUserTags":
            remove_unrecorded(account, target)
    assert called(account, shop, denied=True) == {(owner, _ASKED_FOR_BY.get(action, action))}
