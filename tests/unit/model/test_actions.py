"""What each action records before its call and after it: a death between the two leaves a trace to go on from."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest
from unit.model.entries import KEYS, OWNERS, SECRET

from access_key_provider.model import actions
from access_key_provider.model.actions import (
    Action,
    Activate,
    CreateKey,
    Deactivate,
    DeleteKey,
    EndAttempt,
    EndRotation,
    ForgetTraces,
    GiveBack,
    LedgerAction,
    Postpone,
    Promote,
    ProveKey,
    PublishEvent,
    RecordGone,
    RecordKey,
    RecordSwitch,
    RemoveLabel,
    Settle,
    StoreSecret,
    TagUser,
    UnlabelCopy,
    UntagUser,
)
from access_key_provider.model.entry import (
    Claim,
    Creating,
    Entry,
    Failing,
    KeyRecord,
    KeyState,
    RequestStamp,
    Rotation,
    Switching,
)
from access_key_provider.model.state import version_id

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
OWNER, OTHER = OWNERS
A, B = KEYS[:2]
EMPTY = Entry(SECRET)


def holding(*keys: KeyRecord, **members: object) -> Entry:
    """Make an entry with keys."""
    return replace(EMPTY, keys={key.id: key for key in keys}, **members)  # type: ignore[arg-type]


def key(key_id: str = A, state: str = "current", **changes: object) -> KeyRecord:
    """Make the record of a key, made an hour ago."""
    return replace(KeyRecord(key_id, OWNER, "deploy", KeyState(state), NOW - HOUR), **changes)  # type: ignore[arg-type]


def done(action: Action, entry: Entry) -> Entry:
    """Carry an action out in the ledger."""
    return action.end(action.begin(entry, NOW), NOW)


# --- every action


def every_action() -> list[type[Action]]:
    """List the kinds of actions."""
    kinds = [kind for kind in vars(actions).values() if isinstance(kind, type) and issubclass(kind, Action)]
    return [kind for kind in kinds if kind not in {Action, LedgerAction}]


def test_what_changes_iam_or_the_secret_renews_the_lease_first() -> None:
    """Proving a key changes nothing; what is recorded alone needs no fence."""
    without = {kind for kind in every_action() if issubclass(kind, LedgerAction)} | {ProveKey}
    for kind in every_action():
        given = {field.name: "" for field in fields(kind)}
        assert kind(**given).writes is (kind not in without), kind  # type: ignore[arg-type]


def test_only_what_nothing_depends_on_is_bookkeeping() -> None:
    """A tag, a label, an event: what fails there never fails a request."""
    found = set()
    for kind in every_action():
        given = {field.name: "" for field in fields(kind)}
        if kind(**given).bookkeeping:  # type: ignore[arg-type]
            found.add(kind)
    assert found == {RemoveLabel, TagUser, UnlabelCopy, UntagUser, PublishEvent}


def test_what_is_neither_begun_nor_ended_records_nothing() -> None:
    """The default of each."""
    assert Action().begin(EMPTY, NOW) == Action().end(EMPTY, NOW) == EMPTY


# --- creating


def test_a_creation_is_recorded_before_the_call_and_its_key_after_it() -> None:
    """A key whose answer is lost is found by the attempt; the attempt ends with the record of the key."""
    action = CreateKey(OWNER, "deploy", (B,), "7", key_id=A)
    begun = action.begin(EMPTY, NOW)
    assert begun.creating == {OWNER: Creating("deploy", NOW, NOW, (B,))}
    assert begun.keys == {}
    ended = action.end(begun, NOW)
    assert ended.creating == {}
    assert ended.keys == {A: KeyRecord(A, OWNER, "deploy", KeyState.CREATED, NOW, ("7",))}
    assert ended.history[-1].endswith(f"created {A}")


def test_an_attempt_of_a_holder_that_died_stays_covered() -> None:
    """Its key may come to light late; the baseline is that of the first attempt."""
    earlier = Creating("deploy", NOW - HOUR, NOW - HOUR, ("old",))
    action = CreateKey(OWNER, "deploy", ("old", "lost"), "7", key_id=A)
    begun = action.begin(replace(EMPTY, creating={OWNER: earlier}), NOW)
    assert begun.creating[OWNER] == replace(earlier, until=NOW)
    assert action.end(begun, NOW).creating == begun.creating
    assert EndAttempt(OWNER).end(begun, NOW).creating == {}


def test_an_attempt_of_another_resource_is_left() -> None:
    """Each ends its own."""
    other = Creating("deploy", NOW, NOW)
    ended = done(CreateKey(OWNER, "deploy", (), "7", key_id=A), replace(EMPTY, creating={OTHER: other}))
    assert ended.creating == {OTHER: other}


def test_the_key_of_a_rotation_is_recorded_with_its_token() -> None:
    """So that a repeated step finds it."""
    action = CreateKey(OWNER, "deploy", (), "7", "token", A)
    begun = action.begin(EMPTY, NOW)
    assert begun.rotation == Rotation("token", NOW)
    assert action.end(begun, NOW).rotation == Rotation("token", NOW, A)
    assert CreateKey(OWNER, "deploy", (), "7").begin(EMPTY, NOW).rotation is None


def test_a_secret_is_recorded_before_it_is_stored() -> None:
    """The version that it goes to, and that it bears a label, in case the answer is lost."""
    begun = StoreSecret("", A).begin(holding(key(state="created")), NOW)
    assert (begun.keys[A].version_id, begun.keys[A].labelled) == (version_id(OWNER, A), True)
    assert not begun.keys[A].stored
    ended = StoreSecret("", A).end(begun, NOW)
    assert (ended.keys[A].state, ended.keys[A].stored) == (KeyState.STORED, NOW)
    assert done(StoreSecret("token", A), holding(key(state="created"))).keys[A].version_id == "token"


def test_stored_and_proven_come_in_any_order() -> None:
    """A rotation by Secrets Manager proves first."""
    proven = done(ProveKey(A), holding(key(state="stored", stored=NOW - HOUR)))
    assert (proven.keys[A].state, proven.keys[A].proven) == (KeyState.PROVEN, NOW)
    stored = done(StoreSecret("token", A), done(ProveKey(A), holding(key(state="created"))))
    assert stored.keys[A].state is KeyState.PROVEN
    assert stored.keys[A].usable


# --- switching


def test_a_switch_is_recorded_as_begun_and_only_then_as_happened() -> None:
    """A death between the two leaves the question to the next holder; until it is answered A is current."""
    entry = holding(key(version_id="a"), key(B, "proven", version_id="b", postponed=3, next_check=NOW))
    action = Promote(B, "a", "operator", "7")
    begun = action.begin(entry, NOW)
    assert begun.switching == Switching(B, NOW, "operator", "a", "7")
    assert begun.current == entry.keys[A]
    ended = action.end(begun, NOW + HOUR)
    assert ended.switching is None
    assert ended.keys[A] == replace(entry.keys[A], state=KeyState.REPLACED, replaced=NOW + HOUR, by="operator")
    current = ended.keys[B]
    assert (current.state, current.published, current.serials) == (KeyState.CURRENT, NOW + HOUR, ("7",))
    assert (current.postponed, current.next_check, current.by) == (0, None, "")


def test_a_replaced_key_that_is_inactive_stays_so() -> None:
    """It was declared Inactive."""
    entry = holding(key(deactivated=NOW - HOUR), key(B, "proven"))
    assert done(Promote(B, "", "deployment"), entry).keys[A].state is KeyState.INACTIVE


def test_the_current_key_made_current_again_is_not_replaced() -> None:
    """Somebody had moved AWSCURRENT."""
    entry = done(Promote(A, "x", "deployment"), holding(key(serials=("7",))))
    assert (entry.keys[A].state, entry.keys[A].replaced, entry.keys[A].serials) == (KeyState.CURRENT, None, ("7",))


def test_a_serial_is_added_once() -> None:
    """An undo may be asked for again."""
    entry = holding(key(A, "replaced", serials=("1",)), key(B))
    for _ in range(2):
        entry = done(Promote(A, "b", "operator", "2"), entry)
    assert entry.keys[A].serials == ("1", "2")


@pytest.mark.parametrize(("pending", "ends"), [(B, True), (A, False)])
def test_a_rotation_ends_when_its_key_becomes_current(pending: str, ends: bool) -> None:  # noqa: FBT001
    """And with no other key."""
    entry = holding(key(), key(B, "proven"), rotation=Rotation("token", NOW, pending))
    assert (done(Promote(B, "", "rotation"), entry).rotation is None) is ends


def test_a_value_that_is_given_back_leaves_no_key_current() -> None:
    """It is none of ours."""
    entry = done(GiveBack("before", "a"), holding(key()))
    assert entry.current is None
    assert (entry.keys[A].state, entry.keys[A].replaced) == (KeyState.REPLACED, NOW)
    assert done(GiveBack("before", "a"), EMPTY).keys == {}


@pytest.mark.parametrize("happened", [True, False])
def test_a_begun_switch_is_recorded_as_the_next_holder_finds_it(happened: bool) -> None:  # noqa: FBT001
    """Exactly as its own holder would have."""
    begun = Promote(B, "a", "operator", "7").begin(holding(key(), key(B, "proven")), NOW)
    expected = Promote(B, "a", "operator", "7").end(begun, NOW) if happened else replace(begun, switching=None)
    assert done(RecordSwitch(happened), begun) == expected
    assert done(RecordSwitch(happened), EMPTY) == EMPTY


def test_a_switch_to_a_key_that_is_forgotten_is_forgotten() -> None:
    """There is nothing to record of it."""
    begun = replace(EMPTY, switching=Switching(B, NOW, "operator"))
    assert done(RecordSwitch(happened=True), begun) == EMPTY


# --- status


def test_a_deactivation_is_recorded_with_the_act() -> None:
    """Its retention period begins whatever comes after: before the call, so that nothing is forgotten."""
    begun = Deactivate(A, "sweep").begin(holding(key(state="replaced")), NOW)
    assert (begun.keys[A].state, begun.keys[A].deactivated) == (KeyState.INACTIVE, NOW)
    assert begun.history == ()
    assert Deactivate(A, "sweep").end(begun, NOW).history[-1].endswith(f"deactivated {A} by sweep")


def test_a_deactivation_again_neither_lengthens_the_retention_nor_fills_the_history() -> None:
    """Unless the key has worked since."""
    entry = holding(key(state="inactive", deactivated=NOW - HOUR))
    assert done(Deactivate(A, "sweep"), entry) == entry
    assert done(Deactivate(A, "sweep", anew=True), entry).keys[A].deactivated == NOW


@pytest.mark.parametrize(
    ("state", "after"),
    [("current", "current"), ("replaced", "inactive"), ("proven", "inactive"), ("orphan", "orphan")],
)
def test_the_state_of_a_deactivated_key(state: str, after: str) -> None:
    """A current key that is declared Inactive is current all the same."""
    assert done(Deactivate(A, "x"), holding(key(state=state))).keys[A].state == after


def test_a_note_says_why_a_key_must_not_be_restored_and_stays() -> None:
    """Also when it is deactivated once more, without one."""
    entry = done(Deactivate(A, "operator", "it leaked"), holding(key()))
    assert done(Deactivate(A, "sweep"), entry).keys[A].note == "it leaked"


@pytest.mark.parametrize(("state", "after"), [("inactive", "replaced"), ("current", "current"), ("proven", "proven")])
def test_an_activated_key_is_as_before_it_was_deactivated(state: str, after: str) -> None:
    """With no retention period running."""
    entry = done(Activate(A), holding(key(state=state, deactivated=NOW - HOUR)))
    assert (entry.keys[A].state, entry.keys[A].deactivated) == (after, None)


# --- going


def test_a_key_that_is_about_to_be_deleted_is_not_counted_on_any_more() -> None:
    """Whatever becomes of the call: it can't be restored."""
    begun = DeleteKey(A, "sweep").begin(holding(key(state="inactive", stored=NOW, proven=NOW)), NOW)
    assert not begun.keys[A].restorable
    noted = DeleteKey(A, "sweep").begin(holding(key(note="it leaked")), NOW)
    assert noted.keys[A].note == "it leaked"


def test_the_record_of_a_deleted_key_stays_as_long_as_its_label_or_its_tag() -> None:
    """The last of the two takes it along, in either order."""
    full = holding(key(labelled=True, tag="x", version_id="a"))
    deleted = done(DeleteKey(A, "sweep"), full)
    assert (deleted.keys[A].state, deleted.keys[A].exists) == (KeyState.DELETED, False)
    label, tag = RemoveLabel("a", A), UntagUser(A)
    assert A in done(label, deleted).keys
    assert A not in done(tag, done(label, deleted)).keys
    assert A in done(tag, deleted).keys
    assert A not in done(label, done(tag, deleted)).keys
    assert A not in done(ForgetTraces(A), deleted).keys
    assert A not in done(DeleteKey(A, "sweep"), holding(key())).keys


def test_a_label_or_a_tag_that_goes_from_a_living_key_is_recorded() -> None:
    """The key stays; a label that is no key's, AWSPENDING say, is no matter of the ledger."""
    full = holding(key(labelled=True, tag="x", version_id="a"))
    assert not done(RemoveLabel("a", A), full).keys[A].labelled
    assert done(UntagUser(A), full).keys[A].tag == ""
    assert done(RemoveLabel("a", "AWSPENDING"), full) == full
    assert done(UntagUser(B), full) == full


def test_a_tag_is_recorded_before_it_is_set() -> None:
    """There may be one, if the answer is lost."""
    assert TagUser(A, "x").begin(holding(key()), NOW).keys[A].tag == "x"


def test_a_key_that_somebody_else_deleted_is_recorded_with_its_rotation() -> None:
    """The rotation can't go on."""
    entry = holding(key(state="proven"), rotation=Rotation("token", NOW, A))
    gone = done(RecordGone(A), entry)
    assert (gone.keys, gone.rotation) == ({}, None)
    assert "somebody else deleted it" in gone.history[-1]
    other = replace(entry, rotation=Rotation("token", NOW, B))
    assert done(RecordGone(A, "why"), other).rotation == other.rotation


# --- what is recorded alone


def test_a_key_that_is_found_is_recorded_with_why() -> None:
    """As it is given."""
    entry = done(RecordKey(key(), "found"), EMPTY)
    assert entry.keys == {A: key()}
    assert entry.history[-1].endswith(f"found: {A}")


def test_a_rotation_that_is_given_up_is_forgotten() -> None:
    """Where none was begun nothing is noted."""
    ended = done(EndRotation(), replace(EMPTY, rotation=Rotation("token", NOW, A)))
    assert ended.rotation is None
    assert "token" in ended.history[-1]
    assert done(EndRotation(), EMPTY) == EMPTY


def test_a_postponed_key_is_counted_and_asked_about_again() -> None:
    """With what IAM said."""
    entry = done(Postpone(A, NOW + HOUR, "by s3"), holding(key(postponed=2)))
    assert entry.keys[A] == key(postponed=3, next_check=NOW + HOUR, last_use="by s3")


def test_a_daily_report_is_recorded() -> None:
    """Any other leaves nothing."""
    assert done(PublishEvent("Kind", (), "x"), EMPTY).reported == {"x": NOW}
    assert done(PublishEvent("Kind", ()), EMPTY) == EMPTY


def test_what_is_settled_is_applied_and_fails_no_more() -> None:
    """AWS and the ledger agree."""
    claim = Claim("stack", "Key", "deploy", "role", "1", "Active", "x", RequestStamp(NOW, "r"), touched=True)
    entry = replace(EMPTY, claims={OWNER: claim, OTHER: claim}, failing=Failing(NOW, 1, "x"))
    settled = done(Settle(OWNER, "digest"), entry)
    assert settled.claims[OWNER] == replace(claim, applied="digest", touched=False)
    assert settled.claims[OTHER] == claim
    assert (settled.settled, settled.failing) == (NOW, None)
