"""One-time schedules in a group: what comes back to a key that was replaced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError
from contract.subjects import not_sent, refused

if TYPE_CHECKING:
    from contract.implementations import Implementation

_AT = "at(2031-01-02T03:04:05)"
_QUEUE = "arn:aws:sqs:eu-central-1:123456789012:shop-DeadLetters"
_FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:shop"


@dataclass(frozen=True)
class Group:
    """A schedule group, and the role that its schedules run with."""

    client: Any
    name: str
    role_arn: str

    def create(self, name: str, *, at: str = _AT, group: str | None = None, **target: Any) -> str:
        """Make a schedule as the provider does, and return its ARN."""
        retry = {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 185}
        complete = {
            "Arn": _FUNCTION,
            "RoleArn": self.role_arn,
            "Input": '{"Operation": "Look"}',
            "RetryPolicy": retry,
            "DeadLetterConfig": {"Arn": _QUEUE},
        }
        answer = self.client.create_schedule(
            Name=name,
            GroupName=group or self.name,
            Description="Lets the access key provider look at a key that was replaced",
            ScheduleExpression=at,
            FlexibleTimeWindow={"Mode": "OFF"},
            ActionAfterCompletion="DELETE",
            Target={key: value for key, value in (complete | target).items() if value is not None},
        )
        return str(answer["ScheduleArn"])

    def delete(self, name: str, *, group: str | None = None) -> None:
        """Delete a schedule."""
        self.client.delete_schedule(Name=name, GroupName=group or self.name)


@pytest.fixture
def group(aws: Implementation) -> Group:
    """Make a schedule group."""
    return Group(aws.client("scheduler"), *aws.add_schedule_group())


def test_a_schedule_has_its_group_in_its_arn(aws: Implementation, group: Group) -> None:
    """That is what the key's role is allowed by."""
    arn = group.create("shop-Key-1")
    assert arn == f"arn:aws:scheduler:{aws.region}:{aws.account_id}:schedule/{group.name}/shop-Key-1"


def test_a_name_is_taken_while_its_schedule_is_there(group: Group) -> None:
    """Made twice it is refused, at another time too; deleted, it is free again."""
    group.create("shop-Key-1")
    with refused("ConflictException"):
        group.create("shop-Key-1")
    with refused("ConflictException"):
        group.create("shop-Key-1", at="at(2032-01-02T03:04:05)")
    group.delete("shop-Key-1")
    group.create("shop-Key-1")


def test_a_schedule_that_is_not_there_is_not_deleted(group: Group) -> None:
    """Neither one that never was, nor one for the second time, nor one that has another's name in front."""
    group.create("shop-Key-1")
    group.create("shop-Key-2")
    group.delete("shop-Key-1")
    for name in ("shop-Key-1", "shop-Key-3", "shop-Key"):
        with refused("ResourceNotFoundException", status=404):
            group.delete(name)
    group.delete("shop-Key-2")


def test_a_group_must_be_there(group: Group) -> None:
    """To make a schedule in it, and to delete one."""
    with refused("ResourceNotFoundException", status=404):
        group.create("shop-Key-1", group="missing")
    with refused("ResourceNotFoundException", status=404):
        group.delete("shop-Key-1", group="missing")


@pytest.mark.parametrize("at", ["at(tomorrow)", "at(2031-01-02T03:04:05Z)", "at(2031-13-02T03:04:05)", "2031-01-02"])
def test_a_time_has_its_form(group: Group, at: str) -> None:
    """To the second, and without a zone; nothing is made."""
    with refused("ValidationException", status=400):
        group.create("shop-Key-1", at=at)
    group.create("shop-Key-1")


@pytest.mark.parametrize("name", ["a" * 65, "no spaces", "no/slash"])
def test_a_name_has_its_characters_and_length(group: Group, name: str) -> None:
    """64 letters, digits and `-_.` at most."""
    with refused("ValidationException", "ResourceNotFoundException"):
        group.create(name)


def test_a_name_may_be_as_long_as_that(group: Group) -> None:
    """64 characters, as many as the longest that the provider makes may have."""
    name = f"{'shop-Key':-<39}ABCDEFGH-20310102T030405Z"
    assert len(name) == 64
    group.create(name)
    with refused("ConflictException"):
        group.create(name)


@pytest.mark.parametrize("missing", ["Arn", "RoleArn"])
def test_a_target_says_what_is_called_and_with_which_role(group: Group, missing: str) -> None:
    """The SDK does not send it without."""
    with not_sent():
        group.create("shop-Key-1", **{missing: None})


@pytest.mark.parametrize(
    "retry",
    [
        {"MaximumEventAgeInSeconds": 59, "MaximumRetryAttempts": 185},
        {"MaximumEventAgeInSeconds": 86_401, "MaximumRetryAttempts": 185},
        {"MaximumEventAgeInSeconds": 86_400, "MaximumRetryAttempts": 186},
    ],
    ids=["too young", "too old", "too often"],
)
def test_a_retry_policy_has_its_bounds(group: Group, retry: dict[str, int]) -> None:
    """A minute to a day, and 185 times at most: what the provider asks for is the most there is."""
    with pytest.raises((ClientError, ParamValidationError)):
        group.create("shop-Key-1", RetryPolicy=retry)
    group.create("shop-Key-1")
