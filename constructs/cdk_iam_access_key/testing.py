"""Assertions for the tests of apps that declare access keys.

They read templates, as `aws_cdk.assertions` does, and say what a template has when it has not what is meant.
https://docs.aws.amazon.com/cdk/v2/guide/testing.html
"""

import json
import re
from typing import Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template

from cdk_iam_access_key._access_key.rotation_rules import checked_automatic, checked_rules

_KEY = "Custom::IAMAccessKey"
# What the CDK adds to the ids of a construct's path.
_HASH = re.compile(r"[0-9A-F]{8}")


def assert_access_key(
    template: Template,
    *,
    user: iam.IUser | iam.CfnUser | str | None = None,
    serial: int | str | None = None,
    status: iam.AccessKeyStatus | None = None,
    grace_period: Duration | None = None,
    retention_period: Duration | None = None,
    max_active_age: Duration | None = None,
    rotation_schedule: events.Schedule | None = None,
    rotation_window: Duration | None = None,
    automatically_after: Duration | None = None,
) -> str:
    """Assert that exactly one `AccessKey` of a template has all that is given, and return its logical id.

    Args:
        template: The template of the key's stack.
        user: Its user: a construct of the key's stack, or the name or construct id of one.
        serial: Its serial; `1` and `"1"` are the same.
        status: Its status.
        grace_period: How long the previous key stays Active.
        retention_period: How long it then stays Inactive.
        max_active_age: How old an Active key may become.
        rotation_schedule: When Secrets Manager rotates it.
        rotation_window: How long after that it may take to begin; only with the schedule.
        automatically_after: After how many days it rotates, instead of the schedule.

    Raises:
        AssertionError: None has, or several have. The message lists the keys of the template and where they differ.
        ValueError: What is given says nothing together: a window without a schedule, or two schedules.
    """
    expected: dict[str, Any] = {
        "Serial": None if serial is None else str(serial),
        "Status": None if status is None else status.name.capitalize(),
        "GracePeriod": _seconds(grace_period),
        "RetentionPeriod": _seconds(retention_period),
        "MaxActiveAge": _seconds(max_active_age),
        "RotationSchedule": _rotation(rotation_schedule, rotation_window, automatically_after),
    }
    declared: dict[str, dict[str, Any]] = template.to_json().get("Resources", {})
    keys = {name: one["Properties"] for name, one in declared.items() if one["Type"] == _KEY}
    differences = {name: _differences(properties, expected) for name, properties in keys.items()}
    if user is not None:
        for name, properties in keys.items():
            if not _is_user(properties["UserName"], user, declared):
                differences[name].insert(0, f"UserName is {_shown(properties['UserName'])}")
    found = [name for name, differing in differences.items() if not differing]
    if len(found) == 1:
        return found[0]
    wanted = {"UserName": _wanted_user(user), **expected}
    meant = ", ".join(f"{name} {value}" for name, value in wanted.items() if value is not None) or "anything"
    if found:
        raise AssertionError(f"one access key must have {meant}, but {', '.join(found)} have: say more of the one")
    listed = [f"\n  {name}: {', '.join(differing)}" for name, differing in differences.items()]
    raise AssertionError(f"no access key has {meant}; the template has {''.join(listed) or 'no access key at all'}")


def _differences(properties: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    return [
        f"{name} is {_shown(properties.get(name))}"
        for name, value in expected.items()
        if value is not None and value != properties.get(name)
    ]


def _rotation(
    schedule: events.Schedule | None, window: Duration | None, automatically_after: Duration | None
) -> str | None:
    if (schedule is None and window is not None) or (schedule is not None and automatically_after is not None):
        raise ValueError(
            "assert_access_key must get rotation_window with rotation_schedule only, and rotation_schedule without "
            "automatically_after; pass what the AccessKey has"
        )
    if automatically_after is not None:
        return checked_automatic(automatically_after).text
    return None if schedule is None else checked_rules(schedule, window).text


def _is_user(given: Any, user: iam.IUser | iam.CfnUser | str, declared: dict[str, Any]) -> bool:
    if not isinstance(user, str):
        name = user.ref if isinstance(user, iam.CfnUser) else user.user_name
        return bool(given == Stack.of(user).resolve(name))
    if not isinstance(given, dict):
        return bool(given == user)
    logical_id = given.get("Ref", "")
    named = declared.get(logical_id, {}).get("Properties", {}).get("UserName")
    return user in (named, logical_id) or _HASH.fullmatch(logical_id.removeprefix(user)) is not None


def _wanted_user(user: iam.IUser | iam.CfnUser | str | None) -> str | None:
    return user if user is None or isinstance(user, str) else user.node.path


def _seconds(duration: Duration | None) -> str | None:
    return None if duration is None else str(int(duration.to_seconds()))


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    return str(value) if isinstance(value, str) else json.dumps(value)
