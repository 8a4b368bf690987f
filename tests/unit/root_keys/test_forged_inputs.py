"""Who may invoke the functions of a run makes up their inputs: none reaches another account, another key, or a text.

The settings are those that are deployed, the accounts those of the settings, the plan the one in the bucket.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from unit.root_keys.account import ROOT, Account, Unit
from unit.root_keys.guard_settings import deployed, digest, settings
from unit.root_keys.organization import MANAGEMENT, AwsError, Key, Member, denied, throttled
from unit.root_keys.state_machine import StepError, run, step

from root_access_keys import audit, deletion, finish, start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = datetime.now(UTC).replace(microsecond=0)
LONG_AGO = NOW - timedelta(days=400)
OUTER, INNER, OTHER = (f"ou-ab12-{number}1111111" for number in range(1, 4))
IN_OUTER, IN_INNER, IN_OTHER, AT_ROOT = (f"{number}00000000000" for number in range(2, 6))
IN_THE_UNIT, MEMBERS = (IN_OUTER, IN_INNER), (IN_OUTER, IN_INNER, IN_OTHER, AT_ROOT)
HANDLERS = [pytest.param(audit.handler, id="audit"), pytest.param(deletion.handler, id="delete")]


def key_of(account_id: str) -> str:
    """Name the one key of an account."""
    return f"AKIAOFTHEROOT{account_id}"


def organization() -> Account:
    """Give accounts in a unit, in one below it, in another, and in none; each has a key that nobody uses."""
    units = {
        ROOT: Unit([MANAGEMENT, AT_ROOT], [OUTER, OTHER]),
        OUTER: Unit([IN_OUTER], [INNER]),
        INNER: Unit([IN_INNER]),
        OTHER: Unit([IN_OTHER]),
    }
    return Account({one: Member([Key(key_of(one), LONG_AGO)]) for one in MEMBERS}, units=units)


@contextmanager
def planned(guard: dict[str, Any]) -> Iterator[Account]:
    """Give an account with a deployed guard whose plan is published; the log begins anew."""
    with organization().installed() as account, deployed(guard):
        assert isinstance(account, Account)
        run(account, "plan", guard)
        account.log.clear()
        yield account


def forged(guard: dict[str, Any], account_id: str, **changes: Any) -> dict[str, Any]:
    """Make up the input of a step, as generous as can be."""
    key = {"AccessKeyId": key_of(account_id), "Status": "Active", "Created": LONG_AGO.isoformat()}
    event = {
        "Account": {"Id": account_id, "Name": "x", "Management": False, "Due": [key["AccessKeyId"]]},
        "Run": {"Id": "made-up", "Deletes": True, "Began": NOW.isoformat(), "Settings": digest(guard)},
        "Plan": [key],
        "Found": [key | {"LastUse": None}],
    }
    return {name: value | changes.get(name, {}) if isinstance(value, dict) else value for name, value in event.items()}


UNITS = settings(OrganizationalUnits=[OUTER])


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize(
    ("guard", "chosen"),
    [
        (settings(), MEMBERS),
        (UNITS, IN_THE_UNIT),
        (settings(OrganizationalUnits=[INNER, OTHER]), (IN_INNER, IN_OTHER)),
        (settings(OrganizationalUnits=[ROOT]), MEMBERS),
        (settings(OrganizationalUnits=[OUTER], Excluding=[IN_INNER]), (IN_OUTER,)),
        (settings(Excluding=[AT_ROOT]), (IN_OUTER, IN_INNER, IN_OTHER)),
        (settings(Only=[IN_OTHER]), (IN_OTHER,)),
    ],
    ids=["all", "unit", "two units", "root", "unit but one", "all but one", "only"],
)
def test_no_account_is_entered_that_is_not_chosen(handler: Any, guard: dict[str, Any], chosen: tuple[str, ...]) -> None:
    """Nor is anything written for it."""
    for account_id in MEMBERS:
        with planned(guard) as account:
            before = dict(account.objects)
            if account_id in chosen:
                step(handler, forged(guard, account_id))
                assert "sts:AssumeRoot" in account.log
            else:
                with pytest.raises(
                    StepError, match=f"account {account_id} is none of those that the guard is deployed"
                ):
                    step(handler, forged(guard, account_id))
                assert not {"sts:AssumeRoot", "s3:PutObject"} & set(account.log)
                assert account.objects == before
                assert key_of(account_id) not in account.deleted


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize("moved", [True, False])
def test_an_account_that_has_left_the_unit_is_not_entered(handler: Any, *, moved: bool) -> None:
    """During the run, into another unit or out of the organization."""
    with planned(UNITS) as account:
        account.units[INNER].accounts.clear()
        if moved:
            account.units[OTHER].accounts.append(IN_INNER)
        with pytest.raises(StepError, match="none of those"):
            step(handler, forged(UNITS, IN_INNER))
        assert "sts:AssumeRoot" not in account.log
        summary = run(account, "run", UNITS)
        assert summary["Accounts"]["Seen"] == 1


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize(("fault", "why"), [(denied, "ListParents: AccessDenied"), (throttled, "ListParents: Thrott")])
def test_what_can_not_be_told_is_not_entered(handler: Any, fault: Callable[[], BaseException], why: str) -> None:
    """Whether it is chosen, that is."""
    with planned(UNITS) as account:
        account.lasting["organizations:ListParents", None] = fault
        with pytest.raises(StepError, match=why):
            step(handler, forged(UNITS, IN_OUTER))
        assert "sts:AssumeRoot" not in account.log


def test_units_that_go_round_in_circles_are_no_way_in() -> None:
    """AWS has none; the search ends all the same."""
    with planned(UNITS) as account:
        account.units |= {OTHER: Unit([IN_OTHER], [INNER]), INNER: Unit([], [OTHER])}
        account.units[OUTER].units.clear()
        with pytest.raises(StepError, match="none of those"):
            step(audit.handler, forged(UNITS, IN_OTHER))


def test_only_what_is_in_the_bucket_is_a_plan() -> None:
    """An input names keys, and is not believed: those that were not published stay, and are told as planned."""
    guard = settings(OrganizationalUnits=[OUTER])
    with planned(guard) as account:
        account.members[IN_OUTER].keys.append(Key("AKIAOFTHEROOTCAME", LONG_AGO))
        event = forged(guard, IN_OUTER)
        event["Plan"].append(event["Plan"][0] | {"AccessKeyId": "AKIAOFTHEROOTCAME"})
        step(deletion.handler, event)
        assert account.deleted == [key_of(IN_OUTER)]
        result = json.loads(account.objects[f"runs/made-up/results/{IN_OUTER}.json"])
        assert {key["AccessKeyId"]: key["Outcome"] for key in result["Keys"]} == {
            key_of(IN_OUTER): "deleted",
            "AKIAOFTHEROOTCAME": "planned",
        }


@pytest.mark.parametrize(
    "plan",
    [
        None,
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"Settings": "x", "Keys": {}}',
        *(f'{{"Settings": "{{digest}}", "Keys": {keys}}}'.encode() for keys in ("[]", "7", "null", '{"2": 7}')),
        b'{"Settings": "{digest}", "Keys": {"{account}": {"{key}": "yesterday"}}}',
        b'{"Settings": "{digest}", "Keys": {"{account}": {"{key}": 0}}}',
        b'{"Settings": "{digest}", "Keys": {"{account}": {"{key}": "2026-01-01T00:00:00"}}}',
        b'{"Settings": "{digest}", "Keys": {"{account}": {"{key}": "99999-01-01T00:00:00Z"}}}',
        b'{"Settings": "{digest}", "Keys": {"{account}": {"{key}": "9999-12-31T23:59:59+00:00"}}}',
        b'{"Settings": "{digest}", "Keys": {"{account}": {"AKIAANOTHERKEY": "2026-01-01T00:00:00+00:00"}}}',
        b'{"Settings": "{digest}", "Keys": {"222222222222": {"{key}": "2026-01-01T00:00:00+00:00"}}}',
    ],
    ids=str,
)
def test_without_a_plan_nothing_goes_and_a_new_one_is_published(plan: bytes | None) -> None:
    """Whatever somebody has put in its place: the next run publishes, and the one after it deletes."""
    guard = settings(Only=[IN_OUTER])
    with planned(guard) as account:
        del account.objects["plan.json"]
        if plan is not None:
            for name, value in (("digest", digest(guard)), ("account", IN_OUTER), ("key", key_of(IN_OUTER))):
                plan = plan.replace(f"{{{name}}}".encode(), value.encode())
            account.objects["plan.json"] = plan
        step(deletion.handler, forged(guard, IN_OUTER))
        assert run(account, "one", guard)["Keys"]["planned"] == 1
        assert account.deleted == []
        assert run(account, "two", guard)["Keys"]["deleted"] == 1


def test_a_plan_that_is_as_it_should_be_is_gone_by() -> None:
    """Or else the test above would prove nothing."""
    guard = settings(Only=[IN_OUTER])
    with planned(guard) as account:
        keys = {IN_OUTER: {key_of(IN_OUTER): "2026-01-01T00:00:00+00:00"}}
        account.objects["plan.json"] = json.dumps({"Settings": digest(guard), "Keys": keys}).encode()
        step(deletion.handler, forged(guard, IN_OUTER))
        assert account.deleted == [key_of(IN_OUTER)]


@pytest.mark.parametrize(
    ("guard", "changes"),
    [
        (settings("Audit"), {}),
        (settings(), {"Run": {"Deletes": False}}),
        (settings(), {"Run": {"Deletes": "yes"}}),
        (settings(), {"Run": {"Settings": digest(settings(days=30))}}),
        (settings(), {"Run": {"Began": (NOW - timedelta(hours=12.1)).isoformat()}}),
        (settings(), {"Account": {"Management": True}}),
    ],
    ids=["audit", "dry run", "no dry run", "settings", "over", "management"],
)
def test_a_step_that_must_not_delete_does_not_enter(guard: dict[str, Any], changes: dict[str, Any]) -> None:
    """Whatever plan it is given."""
    with planned(guard) as account:
        with pytest.raises(StepError):
            step(deletion.handler, forged(guard, IN_OUTER, **changes))
        assert (account.log, account.deleted) == ([], [])


@pytest.mark.parametrize("told", [{"UnusedForSeconds": 0}, {"Mode": "DeleteUnused", "AtOnce": True}])
def test_an_input_has_no_rules(told: dict[str, Any]) -> None:
    """Not how long a key must be unused, and not that nothing needs to be published."""
    guard = settings()
    with planned(guard) as account:
        account.members[IN_OUTER].keys[0].used = NOW - timedelta(days=60)
        account.members[IN_OTHER].keys.append(Key("AKIAOFTHEROOTCAME", LONG_AGO))
        for account_id, key in ((IN_OUTER, key_of(IN_OUTER)), (IN_OTHER, "AKIAOFTHEROOTCAME")):
            event = forged(guard, account_id, Run=told, Account={"Due": [key], "Announced": [key]})
            step(deletion.handler, event | {"Plan": [event["Plan"][0] | {"AccessKeyId": key}]})
        assert account.deleted == []


BAD_ACCOUNTS: list[Any] = [
    None,
    [],
    "200000000000",
    {},
    *(
        {"Name": "x", "Management": False, "Due": [], "Id": wrong}
        for wrong in (2, "2" * 11, "2" * 13, f"arn:aws:iam::{IN_OTHER}:root", f"{IN_OTHER}\n", "\uff12" * 12, "../" * 4)
    ),
    *({"Id": IN_OUTER, "Management": False, "Due": [], "Name": wrong} for wrong in (None, "a\nb", "x" * 501)),
    *({"Id": IN_OUTER, "Name": "x", "Due": wrong} for wrong in (None, "AKIA", ["AKIA KEY"], ["A" * 129], ["A"] * 51)),
]
BAD_RUNS: list[Any] = [
    None,
    {},
    *(
        {"Deletes": True, "Began": NOW.isoformat(), "Settings": digest(settings()), "Id": wrong}
        for wrong in (None, 7, "", "x" * 81, "a/b", "../plan", "a\n", "a b")
    ),
    *(
        {"Deletes": True, "Id": "x", "Settings": digest(settings()), "Began": wrong}
        for wrong in (None, 0, "now", "2026-01-01", "10000-01-01T00:00:00Z", "2026-01-01T00:00:00")
    ),
    {"Id": "x", "Deletes": True, "Began": NOW.isoformat(), "Settings": None},
]


@pytest.mark.parametrize("handler", HANDLERS)
def test_members_out_of_bounds_are_refused(handler: Any) -> None:
    """Without a call, and without their values in the message; names of accounts and runs are parts of paths."""
    guard = settings()
    with planned(guard) as account:
        good = forged(guard, IN_OUTER)
        events: list[Any] = [None, [], "x", {}]
        events += [good | {"Account": wrong} for wrong in BAD_ACCOUNTS] + [good | {"Run": wrong} for wrong in BAD_RUNS]
        for event in events:
            with pytest.raises(StepError) as refused:
                step(handler, event)
            assert "in the input of the step is none" in str(refused.value), event
        assert account.log == []


@pytest.mark.parametrize("name", ["Plan", "Found"])
@pytest.mark.parametrize(
    "wrong",
    [
        None,
        {},
        [7],
        [{}],
        [{"AccessKeyId": "AKIA", "Status": "Active", "Created": "never"}],
        [{"AccessKeyId": "AKIA", "Status": "Active", "Created": "2026-01-01T00:00:00+00:00"}] * 51,
    ],
    ids=["none", "no list", "a number", "empty", "no time", "too many"],
)
def test_lists_out_of_bounds_are_refused(name: str, wrong: Any) -> None:
    """As above."""
    with planned(settings()) as account:
        with pytest.raises(StepError, match="in the input of the step is none"):
            step(deletion.handler, forged(settings(), IN_OUTER) | {name: wrong})
        assert account.log == []


@pytest.mark.parametrize(
    "use",
    [7, {}, {"Unknown": "a\nb"}, {"At": "never", "Service": "", "Region": ""}, {"At": None, "Service": "x" * 501}],
)
def test_last_uses_out_of_bounds_are_refused(use: Any) -> None:
    """They are told, so they have bounds."""
    with planned(settings()) as account:
        event = forged(settings(), IN_OUTER)
        with pytest.raises(StepError, match="in the input of the step is none"):
            step(deletion.handler, event | {"Found": [event["Found"][0] | {"LastUse": use}]})
        assert account.log == []


@pytest.mark.parametrize("run_id", [None, 7, "", "x" * 81, "a/b", "../plan"])
def test_no_step_writes_beside_its_run(run_id: Any) -> None:
    """The first and the last one neither."""
    with planned(settings()) as account:
        for handler, event in (
            (start.handler, {"RunId": run_id, "Input": {}}),
            (
                finish.handler,
                {"Start": {"Run": {"Id": run_id, "Deletes": True, "Began": NOW.isoformat(), "Settings": ""}}},
            ),
            (finish.handler, {"RunId": run_id, "Failure": {"Error": "x"}}),
        ):
            with pytest.raises(StepError, match="the id of the run in the input of the step is none"):
                step(handler, event)
        assert account.log == []


def test_the_first_step_goes_by_what_is_deployed() -> None:
    """Settings in its input are nobody's."""
    guard = settings(OrganizationalUnits=[OUTER])
    with planned(guard) as account:
        told = {"Settings": settings(at_once=True), "RunId": "made-up", "Input": {}}
        begun = step(start.handler, told)
        assert {one["Id"] for one in json.loads(account.objects[begun["Accounts"]])} == set(IN_THE_UNIT)
        assert begun["Run"]["Settings"] == digest(guard)


def test_the_last_step_publishes_for_what_is_deployed() -> None:
    """A run of other settings that is told again announces nothing for those of now."""
    loose = settings(days=1)
    with organization().installed() as account:
        run(account, "loose", loose)
        with deployed(settings(days=30)):
            account.objects.pop("plan.json")
            event = {"Id": "loose", "Deletes": True, "Began": NOW.isoformat(), "Settings": digest(loose)}
            step(finish.handler, {"Start": {"Run": event, "Settings": digest(settings(days=30))}})
            assert "plan.json" not in account.objects


@pytest.mark.parametrize(
    "failure",
    [
        7,
        ["x"],
        {"Error": "x\x1b[2J\r\ny"},
        {"Cause": json.dumps({"errorMessage": "look here:\n\nhttps://evil.invalid\u202e"})},
        {"Cause": json.dumps({"errorMessage": ["x"] * 1000})},
    ],
    ids=["a number", "a list", "control characters", "lines and a direction", "long"],
)
def test_the_text_of_a_failure_is_one_short_line(failure: Any) -> None:
    """Whoever may invoke the last step can say anything in a notice, but not much."""
    with planned(settings()) as account:
        step(finish.handler, {"RunId": "made-up", "Failure": failure})
        text = account.notices[-1]["Message"].split("\n\n")
        assert text[0] == "Root access keys, run made-up: it failed as a whole."
        assert len(text) == 2
        assert text[1].isprintable()
        assert 0 < len(text[1]) <= 500


def test_an_account_that_denies_is_no_secret_way() -> None:
    """The refusal of AWS is what the step fails with, and nothing is written in its name."""
    with planned(settings()) as account:
        account.lasting["sts:AssumeRoot", None] = lambda: AwsError("AccessDenied", 403)
        with pytest.raises(StepError, match="AssumeRoot with IAMDeleteRootUserCredentials was denied"):
            step(deletion.handler, forged(settings(), IN_OUTER))
        assert "s3:PutObject" not in account.log
