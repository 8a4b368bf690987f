"""The rules of an entry: what is kept, for how long, and whose it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from unit.model.entries import KEYS, OWNERS, SECRET

from access_key_provider.model.entry import (
    HISTORY_LENGTH,
    Claim,
    Creating,
    Entry,
    KeyRecord,
    KeyState,
    RequestStamp,
    promotion_order,
)
from access_key_provider.model.state import KeyResource, version_id

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DAY = timedelta(days=1)
OWNER, OTHER = OWNERS
A, B, C, D = KEYS


def claim(age: timedelta = timedelta(), **changes: object) -> Claim:
    """Make a claim whose request came so long ago."""
    made = Claim("stack", "Key", "deploy", "role", "1", "Active", "x", RequestStamp(NOW - age, "r"))
    return replace(made, **changes)  # type: ignore[arg-type]


def key(key_id: str = A, state: str = "current", **changes: object) -> KeyRecord:
    """Make the record of a key."""
    return replace(KeyRecord(key_id, OWNER, "deploy", KeyState(state), NOW), **changes)  # type: ignore[arg-type]


def entry(*keys: KeyRecord, **claims: Claim) -> Entry:
    """Make an entry, in which claims are named `owner` and `other`."""
    named = {"owner": OWNER, "other": OTHER}
    return Entry(
        SECRET, claims={named[name]: made for name, made in claims.items()}, keys={made.id: made for made in keys}
    )


# --- what is forgotten


def test_a_resource_that_is_there_is_never_forgotten() -> None:
    """However long ago its last request was."""
    kept = entry(owner=claim(999 * DAY))
    assert kept.pruned(NOW) == kept


@pytest.mark.parametrize(("age", "kept"), [(DAY - timedelta(seconds=1), True), (DAY, False)])
def test_a_tombstone_is_kept_for_a_day(age: timedelta, kept: bool) -> None:  # noqa: FBT001
    """No request is delivered later than that."""
    assert (OWNER in entry(owner=claim(age, present=False)).pruned(NOW).claims) is kept


def test_a_deleted_resource_is_kept_as_long_as_a_key_of_it_is_left() -> None:
    """It says whose the key is, and who may act on it; or as long as a key may come to light."""
    gone = claim(9 * DAY, present=False)
    assert OWNER in entry(key(), owner=gone).pruned(NOW).claims
    attempted = replace(entry(owner=gone), creating={OWNER: Creating("deploy", NOW, NOW)})
    assert OWNER in attempted.pruned(NOW).claims


def test_a_drift_that_is_over_is_forgotten() -> None:
    """What was reported two days ago has not been seen since."""
    reported = {"recent": NOW - DAY, "old": NOW - 2 * DAY}
    assert replace(entry(), reported=reported).pruned(NOW).reported == {"recent": NOW - DAY}


def test_the_traces_of_deleted_keys_do_not_grow_without_bound() -> None:
    """Where a tag or a label can't be removed; a living key is never forgotten."""
    dead = [key(f"AKIA{number:016}", "deleted", created=NOW - number * DAY, tag="x") for number in range(40)]
    pruned = entry(key(), *dead, owner=claim()).pruned(NOW)
    assert A in pruned.keys
    assert dead[0].id in pruned.keys
    assert dead[-1].id not in pruned.keys
    assert len(pruned.keys) < 20


def test_the_history_is_bounded_and_dated() -> None:
    """The last things that were done."""
    noted = entry()
    for number in range(2 * HISTORY_LENGTH):
        noted = noted.noted(NOW, f"line {number}")
    assert len(noted.history) == HISTORY_LENGTH
    assert noted.history[-1] == f"2026-01-02T03:04:05Z line {2 * HISTORY_LENGTH - 1}"


@pytest.mark.parametrize(
    ("made", "over"),
    [
        (entry(), True),
        (entry(owner=claim(present=False)), True),
        (entry(owner=claim()), False),
        (entry(owner=claim(present=False), other=claim()), False),
        (entry(key("A" * 20, "deleted"), owner=claim(present=False)), False),
        (replace(entry(), creating={OWNER: Creating("deploy", NOW, NOW)}), False),
    ],
)
def test_an_entry_is_over_when_nothing_is_left_to_keep_or_to_do(made: Entry, over: bool) -> None:  # noqa: FBT001
    """A trace of a deleted key is something to do."""
    assert made.is_over is over


# --- whose keys there are


def test_a_key_was_made_for_a_resource_if_one_exists_or_may_exist() -> None:
    """The record of a key that is deleted counts for nothing."""
    assert entry(key()).made_for(OWNER)
    assert not entry(key()).made_for(OTHER)
    assert not entry(key(state="deleted")).made_for(OWNER)
    assert replace(entry(), creating={OWNER: Creating("deploy", NOW, NOW)}).made_for(OWNER)


def test_the_keys_of_a_resource_come_in_the_order_in_which_they_were_published() -> None:
    """One that never was comes where it was created; deleted ones and others' are left out."""
    made = entry(
        key(A, published=NOW),
        key(B, "replaced", published=NOW - DAY, created=NOW + DAY),
        key(C, "proven", created=NOW - DAY / 2),
        key(D, owner=OTHER),
    )
    assert [one.id for one in made.keys_of(OWNER)] == [B, C, A]
    assert [one.id for one in replace(made, keys={A: key(state="deleted")}).keys_of(OWNER)] == []


def test_of_keys_that_were_published_at_once_the_order_is_the_same_in_every_run() -> None:
    """By when they were created, then by their ids."""
    order = [key(A), key(B), key(C, created=NOW + DAY, published=NOW)]
    assert sorted([order[1], order[2], order[0]], key=promotion_order) == order


def test_keys_are_found_by_their_state_and_their_version() -> None:
    """There is one current key at most."""
    made = entry(key(A, "replaced", version_id="a"), key(B, version_id="b"))
    assert made.current == made.keys[B]
    assert made.key_of_version("a") == made.keys[A]
    assert made.key_of_version("c") is None
    assert made.without_key(B).current is None


# --- a key


@pytest.mark.parametrize(
    ("changes", "usable", "restorable"),
    [
        ({"stored": NOW, "proven": NOW}, True, True),
        ({"stored": NOW, "proven": NOW, "note": "it leaked"}, True, False),
        ({"stored": NOW}, False, False),
        ({"proven": NOW}, False, False),
        ({"stored": NOW, "proven": NOW, "state": KeyState.DELETED}, False, False),
    ],
)
def test_a_key_is_usable_once_it_is_stored_and_proven(
    changes: dict[str, object],
    usable: bool,  # noqa: FBT001
    restorable: bool,  # noqa: FBT001
) -> None:
    """In whatever order; and it may become current unless something speaks against it."""
    assert (key(**changes).usable, key(**changes).restorable) == (usable, restorable)


def test_a_version_is_named_before_it_is_stored() -> None:
    """The same at every attempt, so that a repeated write is the same write."""
    assert version_id(OWNER, A) != version_id(OWNER, B)
    assert [len(part) for part in version_id(OWNER, A).split("-")] == [8, 4, 4, 4, 12]


# --- a resource


@pytest.mark.parametrize("change", ["stack_id", "logical_id", "user_name", "secret_arn"])
def test_two_resources_never_take_each_others_keys_for_their_own(change: str) -> None:
    """Each of the four tells them apart."""
    resource = KeyResource("stack", "Key", "deploy", SECRET)
    assert replace(resource, **{change: "another"}).owner_id != resource.owner_id


def test_the_id_changes_with_the_user_and_the_secret_only() -> None:
    """A new id makes CloudFormation replace the resource, and delete the old one later."""
    resource = KeyResource("stack", "Key", "deploy", SECRET)
    assert replace(resource, stack_id="x", logical_id="y").physical_id == resource.physical_id == f"deploy@{SECRET}"
