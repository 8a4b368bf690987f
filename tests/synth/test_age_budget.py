"""How old an Active key may become is checked at synth: what its schedule and its retirement take together."""

import re
from typing import Any

import pytest
from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk.aws_events import Schedule
from synth.templates import KEY, only

from cdk_iam_access_key import AccessKey, AccessKeyProvider


def needed(stack: Stack, **given: Any) -> str:
    """Say how old a key may become, from the message that refuses a day."""
    user = iam.User(stack, "NeededUser")
    with pytest.raises(ValueError, match="max_active_age must be at least ") as refused:
        AccessKey(stack, "Needed", user=user, max_active_age=Duration.days(1), **given)
    return str(refused.value).removeprefix("max_active_age must be at least ").partition(", got 1 day,")[0]


@pytest.mark.parametrize(
    ("given", "longest"),
    [
        ({"automatically_after": Duration.days(90)}, "91 days 6 hours"),
        ({"rotation_schedule": Schedule.rate(Duration.days(60))}, "61 days 6 hours"),
        (
            {"rotation_schedule": Schedule.rate(Duration.days(60)), "rotation_window": Duration.hours(2)},
            "60 days 8 hours",
        ),
        ({"rotation_schedule": Schedule.rate(Duration.hours(24 * 7 + 4))}, "7 days 11 hours"),
        ({"rotation_schedule": Schedule.cron(minute="0", hour="4", day="1")}, "32 days 2 hours"),
        ({"rotation_schedule": Schedule.cron(minute="0", hour="0", day="1", month="1/3")}, "93 days 6 hours"),
        ({"automatically_after": Duration.days(60), "grace_period": Duration.seconds(0)}, "61 days 1 hour"),
        ({"automatically_after": Duration.days(60), "grace_period": Duration.days(14)}, "90 days 2 hours"),
        (
            {
                "automatically_after": Duration.days(60),
                "grace_period": Duration.days(14),
                "retire_when_unused_for": Duration.days(3),
            },
            "79 days 2 hours",
        ),
    ],
    ids=["after", "rate", "window", "hours", "monthly", "quarterly", "no grace", "grace", "gate"],
)
def test_a_key_that_may_become_too_old_is_refused(stack: Stack, given: dict[str, Any], longest: str) -> None:
    """By the longest time between two rotations, the window, grace period, gate, pause and sweep."""
    assert needed(stack, **given) == longest


def test_the_message_names_each_part_and_what_to_change(stack: Stack, user: iam.User) -> None:
    """So that a reader sees which of them to shorten, and by how much."""
    message = (
        "max_active_age must be at least 91 days 6 hours, got 90 days, because a key can be Active that long: "
        "90 days between two rotations by automatically_after; "
        "1 day until a window closes, within which Secrets Manager rotates; 1 hour for the rotation itself; "
        "1 hour of grace_period; "
        "1 hour in which it must be unused after that (retire_when_unused_for, which is left out); "
        "2 hours until it is checked again; 5 minutes until the next sweep (sweep_every); "
        "shorten these by 1 day 6 hours together, most simply by rotating more often"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        AccessKey(stack, "Key", user=user, automatically_after=Duration.days(90), max_active_age=Duration.days(90))


def test_the_sweep_of_the_provider_counts(stack: Stack) -> None:
    """A sweep a day may retire the key a day later."""
    AccessKeyProvider(stack, "AccessKeyProvider", sweep_every=Duration.days(1))
    assert needed(stack, automatically_after=Duration.days(60)) == "62 days 5 hours"


def test_a_key_that_keeps_its_age_is_accepted(stack: Stack, user: iam.User) -> None:
    """The provider gets the bound, for what no schedule bounds."""
    AccessKey(stack, "Key", user=user, automatically_after=Duration.days(88), max_active_age=Duration.days(90))
    assert only(stack, KEY)["MaxActiveAge"] == str(90 * 86400)


def test_a_key_without_a_schedule_is_refused(stack: Stack, user: iam.User) -> None:
    """Nobody knows when somebody changes a serial."""
    with pytest.raises(ValueError, match=r"max_active_age must come with rotation_schedule or .*, got 90 days alone: "):
        AccessKey(stack, "Key", user=user, max_active_age=Duration.days(90))


def test_an_inactive_key_has_no_age(stack: Stack, user: iam.User) -> None:
    """It takes no schedule, and keeps its bound for the day on which it is Active again."""
    AccessKey(stack, "Key", user=user, status=iam.AccessKeyStatus.INACTIVE, max_active_age=Duration.days(90))
    assert only(stack, KEY)["MaxActiveAge"] == str(90 * 86400)


def test_consumers_that_decide_when_the_key_is_retired_are_counted(stack: Stack, user: iam.User) -> None:
    """Secrets Manager waits for no consumer, so a day passes before the key is looked at; then it must be unused."""
    key = AccessKey(
        stack,
        "Key",
        user=user,
        grace_period=Duration.seconds(0),
        automatically_after=Duration.days(88),
        max_active_age=Duration.days(90),
    )
    message = "at least 92 days 2 hours, got 90 days, .*1 day until a deployment that has not come to cut_over_after"
    with pytest.raises(ValueError, match=message):
        key.cut_over_after(sns.Topic(stack, "Consumer"))
