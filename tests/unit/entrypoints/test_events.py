"""Each transition of a key publishes its kind once, and each event is as the schema in the construct package says."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import timedelta
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from fakes.faults import PROCESS_DEATH
from support.json_schema import problems
from support.key_events import events, kinds, schema
from support.stack import STEPS, Stack

from access_key_provider.planning import maintenance
from access_key_provider.planning.key_events import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RULES = {"GracePeriod": "7200", "RetentionPeriod": "86400"}


@pytest.fixture
def stack() -> Iterator[Stack]:
    """Give a stack with one key, which is published; what follows is counted from here."""
    with Stack.on_fake_account() as made:
        made.deploy("1", **RULES)
        yield made


def since(stack: Stack, act: Callable[[], object]) -> Counter[str]:
    """Count the kinds of events that something leads to."""
    before = len(stack.account.state.events)
    act()
    return Counter(kinds(stack.account, before))


def test_a_create_publishes_created_and_published() -> None:
    """The first key replaces none."""
    with Stack.on_fake_account() as stack:
        assert since(stack, lambda: stack.deploy("1")) == {"Created": 1, "Published": 1}
        (event,) = events(stack.account, "Published")
        assert event.detail["by"] == "deployment"
        assert "replacedAccessKeyId" not in event.detail


@pytest.mark.parametrize(
    ("rotate", "by"),
    [
        (lambda stack: stack.deploy("2", **RULES), "deployment"),
        (lambda stack: stack.rotate(), "rotation"),
        (lambda stack: stack.operate("Rotate"), "operator"),
    ],
    ids=["deployment", "rotation", "operator"],
)
def test_a_rotation_publishes_created_published_and_replaced(
    stack: Stack, rotate: Callable[[Stack], object], by: str
) -> None:
    """Whoever rotates; the two events of the switch name both keys."""
    before = stack.current_key()[0]
    assert since(stack, lambda: rotate(stack)) == {"Created": 1, "Published": 1, "Replaced": 1}
    current = stack.current_key()[0]
    published, replaced = events(stack.account, "Published")[-1].detail, events(stack.account, "Replaced")[-1].detail
    assert (published["accessKeyId"], published["replacedAccessKeyId"], published["by"]) == (current, before, by)
    assert (replaced["accessKeyId"], replaced["newAccessKeyId"], replaced["by"]) == (before, current, by)
    assert published["published"] == replaced["replaced"]


def test_a_retirement_publishes_deactivated_and_deleted(stack: Stack) -> None:
    """Once each, however often the sweep comes."""
    stack.deploy("2", **RULES)
    assert since(stack, lambda: stack.sweep_for(6 * DAY, every=HOUR)) == {"Deactivated": 1, "Deleted": 1}
    deactivated, deleted = events(stack.account, "Deactivated", "Deleted")
    assert deactivated.detail["by"] == deleted.detail["by"] == "sweep"
    assert deactivated.detail["accessKeyId"] == deleted.detail["accessKeyId"]


@pytest.mark.parametrize(
    ("retire", "by"),
    [
        (lambda stack: stack.operate("Retire"), "operator"),
        (lambda stack: stack.deploy("3", **(RULES | {"OnKeyLimit": "RetirePrevious"})), "deployment"),
        (lambda stack: stack.deploy("2", GracePeriod="0"), "deployment"),
    ],
    ids=["operator", "key slot", "no grace period"],
)
def test_whoever_retires_is_named(stack: Stack, retire: Callable[[Stack], object], by: str) -> None:
    """The last use is left out where IAM was not asked."""
    stack.deploy("2", **RULES)
    assert since(stack, lambda: retire(stack))["Deactivated"] == 1
    (event,) = events(stack.account, "Deactivated")
    assert event.detail["by"] == by
    assert "lastUse" not in event.detail


def test_a_key_in_use_publishes_postponed_and_then_overdue(stack: Stack) -> None:
    """Once each time that it is asked again, which is less and less often."""
    stack.deploy("2", **RULES, OverdueAfter="172800")
    previous = events(stack.account, "Replaced")[-1].detail["accessKeyId"]

    def use() -> None:
        for _ in range(5 * 24):
            stack.account.person.use_key(previous)
            stack.sweep(HOUR)

    told = since(stack, use)
    assert 2 <= told["Retirement Postponed"] <= 6
    assert 2 <= told["Retirement Overdue"] <= 4
    assert told.keys() == {"Retirement Postponed", "Retirement Overdue"}
    assert all("s3" in event.detail["lastUse"] for event in events(stack.account, "Retirement Overdue"))


@pytest.mark.parametrize(
    ("undo", "by"),
    [
        (lambda stack: stack.operate("Undo"), "operator"),
        (lambda stack: stack.invoke(stack.alarm(), "worker"), "alarm"),
    ],
    ids=["operator", "alarm"],
)
def test_an_undo_publishes_restored_replaced_and_deactivated(
    stack: Stack, undo: Callable[[Stack], object], by: str
) -> None:
    """The restored key is not published again."""
    before = stack.current_key()[0]
    stack.deploy("2", **RULES)
    bad = stack.current_key()[0]
    stack.account.clock.sleep(60)
    assert since(stack, lambda: undo(stack)) == {"Restored": 1, "Replaced": 1, "Deactivated": 1}
    restored, replaced, deactivated = events(stack.account)[-3:]
    assert (restored.detail["accessKeyId"], restored.detail["replacedAccessKeyId"]) == (before, bad)
    assert (replaced.detail["accessKeyId"], deactivated.detail["accessKeyId"]) == (bad, bad)
    assert {event.detail["by"] for event in (restored, replaced, deactivated)} == {by}


def test_a_rollback_publishes_restored(stack: Stack) -> None:
    """CloudFormation goes back to the key that was current."""
    update = stack.update(stack.properties("2", **RULES))
    stack.deliver(update)
    told = since(stack, lambda: stack.deliver(stack.roll_back(update)))
    assert told == {"Restored": 1, "Replaced": 1}


def test_a_failed_update_publishes_what_it_took_back(stack: Stack) -> None:
    """The key that it made was never published."""
    stack.account.switches.kms_denies = True
    update = stack.update(stack.properties("2", **RULES))
    assert since(stack, lambda: stack.deliver(update)) == {"Created": 1, "Deactivated": 1, "Deleted": 1}
    assert {event.detail["by"] for event in events(stack.account, "Deactivated", "Deleted")} == {"failed request"}


def test_a_delete_publishes_deactivated_and_deleted_for_each_key(stack: Stack) -> None:
    """And nothing when it comes again."""
    stack.deploy("2", **RULES)
    delete = stack.delete()
    assert since(stack, lambda: stack.deliver(delete)) == {"Deactivated": 2, "Deleted": 2}
    assert since(stack, lambda: stack.deliver(delete)) == {}


def test_a_request_that_is_delivered_twice_publishes_once(stack: Stack) -> None:
    """Also for the rotation's steps."""
    update = stack.update(stack.properties("2", **RULES))
    assert sum(since(stack, lambda: stack.deliver(update)).values()) == 3
    assert since(stack, lambda: stack.deliver(update)) == {}
    stack.sweep_for(4 * DAY)
    event = stack.begin_rotation()

    def twice() -> None:
        for step in STEPS:
            stack.invoke(event(step), "worker")
            stack.invoke(event(step), "worker")

    assert since(stack, twice) == {"Created": 1, "Published": 1, "Replaced": 1}


@pytest.mark.parametrize("phase", ["before", "after"])
def test_a_switch_that_was_interrupted_is_published_when_it_is_known(stack: Stack, phase: Any) -> None:
    """The process dies at the switch; the redelivery publishes it, once."""
    update = stack.update(stack.properties("2", **RULES))
    stack.account.fail(PROCESS_DEATH, "secretsmanager:UpdateSecretVersionStage", phase=phase)
    stack.deliver(update)
    stack.account.heal()
    stack.account.clock.sleep(120)
    told = since(stack, lambda: stack.deliver(update))
    assert (told["Published"], told["Replaced"]) == (1, 1)


def test_what_fails_publishes_failed_once_and_then_daily_and_recovered_once(stack: Stack) -> None:
    """The sweep comes every hour."""
    stack.deploy("2", **RULES)
    stack.account.deny("iam:UpdateAccessKey")
    told = since(stack, lambda: stack.sweep_for(6 * HOUR, every=HOUR))
    assert told == {"Upkeep Failed": 1}
    told = since(stack, lambda: stack.sweep_for(5 * DAY, every=HOUR))
    assert told == {"Upkeep Failed": 5}
    assert all("iam:UpdateAccessKey on user deploy" in event.detail["why"] for event in events(stack.account)[-5:])
    stack.account.allow_again()
    told = since(stack, lambda: stack.sweep_for(2 * DAY, every=HOUR))
    assert (told["Upkeep Recovered"], told["Upkeep Failed"]) == (1, 0)


def test_a_deployment_that_mends_publishes_recovered(stack: Stack) -> None:
    """The sweep has nothing to recover from afterwards."""
    stack.deploy("2", **RULES)
    stack.account.deny("iam:UpdateAccessKey")
    stack.sweep_for(DAY)
    stack.account.allow_again()
    told = since(stack, lambda: stack.deploy("2", Description="changed", **RULES))
    assert told["Upkeep Recovered"] == 1
    assert since(stack, lambda: stack.sweep_for(3 * DAY))["Upkeep Recovered"] == 0


def label_a_new_key(stack: Stack) -> None:
    """Label a version with a key that came to be after the entry and AWS last agreed."""
    stack.account.clock.sleep(60)
    theirs = stack.account.person.make_key("deploy")
    version = stack.account.person.put_value(stack.secret_arn, "{}", "mine")
    stack.account.person.move_label(stack.secret_arn, theirs, version)


DRIFTS: dict[str, Callable[[Stack], object]] = {
    "user-missing": lambda stack: stack.account.person.rename_user("deploy", "renamed"),
    "secret-unavailable": lambda stack: stack.account.person.schedule_deletion(stack.secret_arn),
    "current-key-gone": lambda stack: stack.account.person.delete_key(stack.current_key()[0]),
    "current-key-status": lambda stack: stack.account.person.deactivate_key(stack.current_key()[0]),
    "current-version-moved": lambda stack: stack.account.person.put_value(stack.secret_arn, "{}"),
    "unknown-key": label_a_new_key,
}


@pytest.mark.parametrize("drift", DRIFTS)
def test_each_drift_is_published_once_a_day(stack: Stack, drift: str) -> None:
    """However often the sweep comes."""
    DRIFTS[drift](stack)
    told = since(stack, lambda: stack.sweep_for(DAY + HOUR, every=HOUR))
    assert told == {"Drift": 1}
    if drift == "unknown-key":
        # A day later the entry and AWS agree again, and the key is somebody's who likes labels.
        assert events(stack.account, "Drift")[0].detail["accessKeyId"] not in stack.entry["keys"]
        return
    told = since(stack, lambda: stack.sweep_for(3 * DAY, every=HOUR))
    assert told in ({"Drift": 2}, {"Drift": 3})
    assert {event.detail["drift"] for event in events(stack.account, "Drift")} == {drift}


def test_a_previous_key_that_is_gone_is_published_once(stack: Stack) -> None:
    """There is nothing to mend."""
    previous = stack.current_key()[0]
    stack.deploy("2", **RULES)
    stack.account.person.delete_key(previous)
    assert since(stack, lambda: stack.sweep_for(4 * DAY, every=HOUR)) == {"Drift": 1}
    assert events(stack.account, "Drift")[0].detail["drift"] == "previous-key-gone"


def test_a_rotation_that_is_off_is_published_once_a_day(stack: Stack) -> None:
    """The template declares a schedule, and Secrets Manager has none."""
    stack.deploy("1", RotationSchedule="rate(30 days)", **RULES)
    assert since(stack, lambda: stack.sweep_for(3 * DAY, every=HOUR)) in ({"Rotation Off": 2}, {"Rotation Off": 3})
    stack.account.person.set_rotation(stack.secret_arn, enabled=True)
    assert since(stack, lambda: stack.sweep_for(3 * DAY, every=HOUR)) == {}


def test_a_key_that_is_too_old_is_published_once_a_day(stack: Stack) -> None:
    """With its age and its limit."""
    stack.deploy("1", MaxActiveAge="172800", **RULES)
    assert since(stack, lambda: stack.sweep_for(DAY, every=HOUR)) == {}
    assert since(stack, lambda: stack.sweep_for(4 * DAY, every=HOUR))["Too Old"] in {3, 4}
    assert int(events(stack.account, "Too Old")[-1].detail["ageInDays"]) >= 4


def test_a_key_that_is_left_behind_is_published_once(stack: Stack) -> None:
    """The user is gone when the resource is deleted."""
    stack.account.person.rename_user("deploy", "renamed")
    assert since(stack, lambda: stack.must(stack.delete())) == {"Left Behind": 1}
    assert since(stack, lambda: stack.sweep_for(3 * DAY)) == {}


def test_events_that_can_not_be_sent_fail_nothing_and_are_in_the_log(
    stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    """Best effort; the line of the log counts as a metric all the same."""
    stack.account.deny("events:PutEvents")
    capsys.readouterr()
    assert since(stack, lambda: stack.deploy("2", **RULES)) == {}
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    counted = {metric["Name"] for line in lines for metric in _metrics(line)}
    assert counted == {"AccessKeyCreated", "AccessKeyPublished", "AccessKeyReplaced"}
    assert any(line["message"] == "events could not be sent" for line in lines)


def test_a_metric_has_only_dimensions_that_its_line_has(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    """CloudWatch drops a metric whose dimension is missing, as the user's name is where no key is meant."""
    stack.deploy("2", **RULES)
    stack.account.deny("iam:UpdateAccessKey")
    capsys.readouterr()
    stack.sweep_for(DAY)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    failed = [line for line in lines if "AccessKeyUpkeepFailed" in line]
    assert failed
    for line in failed:
        dimensions = line["_aws"]["CloudWatchMetrics"][0]["Dimensions"]
        assert all(name in line for names in dimensions for name in names)


def _metrics(line: dict[str, Any]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = line.get("_aws", {}).get("CloudWatchMetrics", [{}])[0].get("Metrics", [])
    return found


def test_the_schema_is_in_the_package_and_names_every_kind_and_drift() -> None:
    """What the function publishes, and nothing else."""
    shipped = json.loads((files("cdk_iam_access_key") / "events.schema.json").read_text())
    assert shipped == schema()
    assert shipped["properties"]["detail-type"]["enum"] == list(KINDS)
    source = (files("access_key_provider.planning") / "maintenance.py").read_text()
    assert maintenance.DAILY == DAY
    drifts = set(re.findall(r'_report_drift\(\s*draft, "([a-z-]+)"', source))
    assert drifts == set(shipped["properties"]["detail"]["properties"]["drift"]["enum"])
    assert drifts == {*DRIFTS, "previous-key-gone"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda event: event.update(source="aws.iam"),
        lambda event: event.update({"detail-type": "Access Key Lost"}),
        lambda event: event["detail"].pop("schemaVersion"),
        lambda event: event["detail"].pop("accessKeyId"),
        lambda event: event["detail"].pop("by"),
        lambda event: event["detail"].update(secretAccessKey="x"),
        lambda event: event["detail"].update(published="yesterday"),
        lambda event: event["detail"].update(by="nobody"),
        lambda event: event["resources"].append("x"),
        lambda event: event.update(detail=[]),
    ],
)
def test_the_schema_refuses_what_is_none_of_ours(stack: Stack, spoil: Callable[[dict[str, Any]], object]) -> None:
    """A schema that takes everything would prove nothing."""
    entry = stack.account.state.events[-1]
    event = {
        "source": entry["Source"],
        "detail-type": entry["DetailType"],
        "resources": list(entry["Resources"]),
        "detail": json.loads(entry["Detail"]),
    }
    assert problems(schema(), event) == []
    spoil(event)
    assert problems(schema(), event) != []
