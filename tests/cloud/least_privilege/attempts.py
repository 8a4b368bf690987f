"""How the actions of a key's role are tried, on its own key and on others."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloud.least_privilege.deployed import Target
    from cloud.stacks import Session

    from local_cloud import LocalCloud

_DENIED = {"AccessDenied", "AccessDeniedException"}

# In an order that works on one's own.
ATTEMPTS: dict[str, Callable[[Session, Target], Any]] = {
    "iam:ListAccessKeys": lambda by, of: by.client("iam").list_access_keys(UserName=of.user_name),
    "iam:ListUserTags": lambda by, of: by.client("iam").list_user_tags(UserName=of.user_name),
    "iam:GetAccessKeyLastUsed": lambda by, of: by.client("iam").get_access_key_last_used(AccessKeyId=of.key_id),
    "iam:TagUser": lambda by, of: by.client("iam").tag_user(UserName=of.user_name, Tags=[_record("x")]),
    "iam:UntagUser": lambda by, of: by.client("iam").untag_user(UserName=of.user_name, TagKeys=[_record()["Key"]]),
    "iam:UpdateAccessKey": lambda by, of: by.client("iam").update_access_key(**of.key, Status="Inactive"),
    "iam:DeleteAccessKey": lambda by, of: by.client("iam").delete_access_key(**of.key),
    "iam:CreateAccessKey": lambda by, of: by.client("iam").create_access_key(UserName=of.user_name),
    "secretsmanager:DescribeSecret": lambda by, of: by.client("secretsmanager").describe_secret(**of.secret),
    "secretsmanager:TagResource": lambda by, of: by.client("secretsmanager").tag_resource(
        **of.secret, Tags=[_record("x")]
    ),
    "secretsmanager:UntagResource": lambda by, of: by.client("secretsmanager").untag_resource(
        **of.secret, TagKeys=[_record()["Key"]]
    ),
    "secretsmanager:PutSecretValue": lambda by, of: by.client("secretsmanager").put_secret_value(
        **of.secret, SecretString="x", ClientRequestToken="0" * 32, VersionStages=["tried"]
    ),
    "secretsmanager:UpdateSecretVersionStage": lambda by, of: by.client("secretsmanager").update_secret_version_stage(
        **of.secret, VersionStage="tried", RemoveFromVersionId="0" * 32
    ),
    "scheduler:CreateSchedule": lambda by, of: Schedule.of(of).create(by),
    "scheduler:DeleteSchedule": lambda by, of: Schedule.of(of).delete(by),
}


@dataclass(frozen=True)
class Schedule:
    """A schedule that somebody tries to make: by default far away, and as the handler makes it."""

    group: str
    name: str
    role_arn: str
    function: str
    event: str
    at: str = "2099-01-01T00:00:00"
    dead_letters: str = ""

    @classmethod
    def of(cls, target: Target) -> Schedule:
        """Give a schedule of a key."""
        event = json.dumps({"Operation": "Look", **target.secret})
        return cls(target.group, f"{target.schedule}-tried", target.scheduler_role, target.function, event)

    def create(self, by: Session | LocalCloud) -> None:
        """Make it."""
        dead_letters = {"DeadLetterConfig": {"Arn": self.dead_letters}} if self.dead_letters else {}
        by.client("scheduler").create_schedule(
            Name=self.name,
            GroupName=self.group,
            ScheduleExpression=f"at({self.at})",
            FlexibleTimeWindow={"Mode": "OFF"},
            ActionAfterCompletion="DELETE",
            Target={"Arn": self.function, "RoleArn": self.role_arn, "Input": self.event, **dead_letters},
        )

    def delete(self, by: Session | LocalCloud) -> None:
        """Remove it."""
        by.client("scheduler").delete_schedule(Name=self.name, GroupName=self.group)


def _record(value: str = "") -> dict[str, str]:
    return {"Key": "cdk-iam-access-key:tried", "Value": value}


def refused(by: Session, of: Target) -> set[str]:
    """Name the actions that somebody is denied on a key, having tried all of them."""
    return {action for action, attempt in ATTEMPTS.items() if denied(lambda: attempt(by, of))}  # noqa: B023


def denied(attempt: Callable[[], Any]) -> str:
    """Try something, and name the action that it was denied, with nothing for a success or another failure."""
    try:
        attempt()
    except ClientError as error:
        if error.response["Error"]["Code"] in _DENIED:
            named = re.search(r"perform: (\S+)", error.response["Error"]["Message"])
            return named[1] if named else error.operation_name
    return ""
