"""Assertions for the tests of apps say what was found."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template

from cdk_iam_access_key import AccessKey
from cdk_iam_access_key.testing import assert_access_key

MONTHLY = events.Schedule.rate(Duration.days(30))


@pytest.fixture
def template(stack: Stack) -> Template:
    """Declare two keys that differ in all that can be asked for."""
    AccessKey(stack, "Plain", user=iam.User(stack, "Deploy"))
    AccessKey(
        stack,
        "Full",
        user=iam.User(stack, "Mail", user_name="mailer"),
        serial="b",
        grace_period=Duration.days(1),
        retention_period=Duration.days(3),
        max_active_age=Duration.days(60),
        rotation_schedule=MONTHLY,
        rotation_window=Duration.hours(2),
    )
    AccessKey(stack, "Off", user=iam.User.from_user_name(stack, "Far", "far"), status=iam.AccessKeyStatus.INACTIVE)
    return Template.from_stack(stack)


def test_a_key_is_found_by_each_property(template: Template) -> None:
    """Each alone tells the one from the others, and all together too."""
    full = assert_access_key(template, user="mailer")
    given: dict[str, Any] = {
        "serial": "b",
        "grace_period": Duration.days(1),
        "retention_period": Duration.days(3),
        "max_active_age": Duration.days(60),
        "rotation_schedule": MONTHLY,
        "rotation_window": Duration.hours(2),
    }
    for name in given.keys() - {"rotation_schedule", "rotation_window"}:
        assert assert_access_key(template, **{name: given[name]}) == full
    assert assert_access_key(template, rotation_schedule=MONTHLY, rotation_window=Duration.hours(2)) == full
    assert assert_access_key(template, user="Mail", status=iam.AccessKeyStatus.ACTIVE, **given) == full
    assert assert_access_key(template, status=iam.AccessKeyStatus.INACTIVE).startswith("Off")


def test_a_schedule_is_compared_as_the_key_was_given_it(stack: Stack) -> None:
    """A rate is another schedule than so many days after the last rotation."""
    AccessKey(stack, "Key", user=iam.User(stack, "User"), automatically_after=Duration.days(30))
    template = Template.from_stack(stack)
    assert_access_key(template, automatically_after=Duration.days(30))
    with pytest.raises(AssertionError, match=r"RotationSchedule is rate\(30 days\) since the last rotation"):
        assert_access_key(template, rotation_schedule=MONTHLY)


def test_a_user_is_a_construct_a_name_or_an_id(stack: Stack, template: Template) -> None:
    """An imported user has a name only."""
    user = stack.node.find_child("Deploy")
    assert isinstance(user, iam.User)
    plain = assert_access_key(template, user=user)
    assert plain == assert_access_key(template, user="Deploy", serial=1)
    assert assert_access_key(template, user="far").startswith("Off")


def test_a_user_of_level_1_is_found(stack: Stack) -> None:
    """A key takes one, too."""
    user = iam.CfnUser(stack, "Raw", user_name="raw")
    AccessKey(stack, "Key", user=user)
    assert assert_access_key(Template.from_stack(stack), user=user)


@pytest.mark.parametrize(
    "given",
    [{"rotation_window": Duration.hours(2)}, {"rotation_schedule": MONTHLY, "automatically_after": Duration.days(30)}],
    ids=["window alone", "two schedules"],
)
def test_what_would_assert_nothing_is_refused(template: Template, given: dict[str, Any]) -> None:
    """An assertion that passes whatever the template has is none."""
    with pytest.raises(ValueError, match="assert_access_key must get rotation_window with rotation_schedule only"):
        assert_access_key(template, **given)


def test_a_key_that_differs_is_shown_with_what_it_has(template: Template) -> None:
    """The reader of the failed test need not look into the template."""
    with pytest.raises(AssertionError) as failure:
        assert_access_key(template, user="mailer", serial=2, max_active_age=Duration.days(90))
    message = str(failure.value)
    assert message.startswith("no access key has UserName mailer, Serial 2, MaxActiveAge 7776000; the template has ")
    assert re.search(r"\n  Full\w+: Serial is b, MaxActiveAge is 5184000(\n|$)", message)
    assert re.search(r'\n  Plain\w+: UserName is {"Ref": "Deploy\w+"}, Serial is 1, MaxActiveAge is not set', message)


def test_several_keys_are_not_one(template: Template) -> None:
    """An assertion that fits two proves nothing of either."""
    with pytest.raises(AssertionError, match=r"one access key must have Status Active, but Plain\w+, Full\w+ have"):
        assert_access_key(template, status=iam.AccessKeyStatus.ACTIVE)


def test_a_template_without_keys_says_so(stack: Stack) -> None:
    """As after a refactoring that lost the key."""
    with pytest.raises(AssertionError, match="no access key has anything; the template has no access key at all"):
        assert_access_key(Template.from_stack(stack))


def test_the_documented_test_passes() -> None:
    """As it stands in the documentation, for an app that declares such a key."""
    documentation = Path(__file__).parents[2] / "docs" / "testing.md"
    example = re.findall(r"```python\n(.*?)```", documentation.read_text("utf-8"), flags=re.DOTALL)[0]

    def ci(app: App, name: str) -> Stack:
        stack = Stack(app, name)
        user = iam.User(stack, "DeployUser")
        AccessKey(stack, "DeployKey", user=user, grace_period=Duration.days(1), rotation_schedule=MONTHLY)
        return stack

    names: dict[str, Any] = {"Ci": ci}
    exec(compile(example, documentation.name, "exec"), names)
    names["test_the_deploy_key_rotates_monthly"]()
