"""What is reported of each action, tried on situations built by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from unit.planning.situation import (
    BY_HAND,
    NEVER,
    NOW,
    OWNER,
    SECRET,
    A,
    B,
    Situation,
    rotated_once,
    version_of,
)

from access_key_provider.model.actions import (
    Activate,
    CreateKey,
    Deactivate,
    DeleteKey,
    GiveBack,
    Promote,
    ProveKey,
    RecordSwitch,
    RemoveLabel,
    StoreSecret,
    TagUser,
)
from access_key_provider.planning.key_events import KINDS, SCHEMA_VERSION, about_key, about_secret, events_of

if TYPE_CHECKING:
    from access_key_provider.model.actions import Action


def events(situation: Situation, action: Action) -> list[tuple[str, dict[str, str]]]:
    """Carry out an action in the ledger, and list what is reported of it."""
    before = action.begin(situation.entry, NOW)
    return events_of(action, before, action.end(before, NOW), situation.observed())


def kinds(situation: Situation, action: Action) -> list[str]:
    """Name the events only."""
    return [kind for kind, _ in events(situation, action)]


def test_a_first_key_is_reported_as_created_and_published() -> None:
    """Each with its time."""
    ((kind, detail),) = events(Situation(), CreateKey(OWNER, "deploy", (), "1", key_id=A))
    assert kind == "Access Key Created"
    assert detail == {
        "schemaVersion": SCHEMA_VERSION,
        "accessKeyId": A,
        "userName": "deploy",
        "secretArn": SECRET,
        "created": "2026-05-04T12:00:30.000Z",
    }
    ((kind, detail),) = events(Situation().managed(A, "proven"), Promote(A, "", "deployment"))
    assert (kind, detail["by"]) == ("Access Key Published", "deployment")
    assert "replacedAccessKeyId" not in detail


def test_a_switch_is_reported_of_both_keys() -> None:
    """So that whoever uses the previous one hears of it."""
    situation = Situation().managed(A).managed(B, "proven", "2")
    published, replaced = events(situation, Promote(B, version_of(A), "rotation"))
    assert (published[0], published[1]["accessKeyId"]) == ("Access Key Published", B)
    assert published[1]["replacedAccessKeyId"] == A
    assert (replaced[0], replaced[1]["accessKeyId"]) == ("Access Key Replaced", A)
    assert replaced[1]["newAccessKeyId"] == B
    assert {"by": "rotation", "replaced": "2026-05-04T12:00:30.000Z"}.items() <= replaced[1].items()


def test_going_back_is_reported_as_restored() -> None:
    """The key was current before."""
    found = events(rotated_once("Active"), Promote(A, version_of(B), "alarm"))
    assert [kind for kind, _ in found] == ["Access Key Restored", "Access Key Replaced"]
    assert found[0][1]["by"] == "alarm"


def test_the_current_key_made_current_again_replaces_none() -> None:
    """Somebody had moved AWSCURRENT."""
    found = events(Situation().managed(A).current_is(BY_HAND), Promote(A, BY_HAND, "deployment"))
    assert [kind for kind, _ in found] == ["Access Key Published"]


def test_a_switch_that_a_dead_holder_made_is_reported_when_it_is_found() -> None:
    """By whoever comes next, with who asked for it."""
    situation = Situation().managed(A).managed(B, "proven", "2").switching(B, "operator")
    found = events(situation, RecordSwitch(happened=True))
    assert [(kind, detail["by"]) for kind, detail in found] == [
        ("Access Key Published", "operator"),
        ("Access Key Replaced", "operator"),
    ]
    assert events(situation, RecordSwitch(happened=False)) == []
    assert events(Situation().managed(A).switching(B), RecordSwitch(happened=True)) == []


def test_a_deactivation_is_reported_once() -> None:
    """Of a key that was seen to work; deactivating it again to be sure is no news."""
    assert kinds(rotated_once("Active"), Deactivate(A, "sweep")) == ["Access Key Deactivated"]
    assert kinds(rotated_once(), Deactivate(A, "sweep")) == []
    assert kinds(Situation().managed(A).missing(A), Deactivate(A, "x")) == ["Access Key Deactivated"], "made just now"


def test_a_deletion_is_reported_although_nothing_is_left_of_the_key() -> None:
    """Neither in IAM nor in the ledger."""
    situation = rotated_once().managed(A, "inactive", tag="", labelled=False)
    ((kind, detail),) = events(situation, DeleteKey(A, "sweep"))
    assert (kind, detail["accessKeyId"], detail["by"]) == ("Access Key Deleted", A, "sweep")


@pytest.mark.parametrize("asked", [True, False])
def test_a_last_use_is_told_only_where_iam_was_asked(asked: bool) -> None:  # noqa: FBT001
    """The word "unknown" would be taken for an error."""
    situation = rotated_once("Active")
    if asked:
        situation.used(A, NEVER)
    for action in (Deactivate(A, "sweep"), DeleteKey(A, "sweep")):
        ((_, detail),) = events(situation, action)
        assert detail.get("lastUse") == ("never used as far as IAM knows" if asked else None)


@pytest.mark.parametrize(
    "action",
    [
        StoreSecret("", A),
        ProveKey(A),
        Activate(A),
        GiveBack(BY_HAND, version_of(A)),
        RemoveLabel(version_of(A), A),
        TagUser(A, "x"),
    ],
)
def test_other_actions_are_no_news(action: Action) -> None:
    """Each is a part of something that is reported."""
    assert events(Situation().managed(A), action) == []


def test_what_is_not_known_is_left_out() -> None:
    """A consumer need not tell an empty text from a missing one."""
    entry = Situation().managed(A, "proven").entry
    told = about_key(entry, entry.keys[A], why="", by="x")
    assert {"why", "published", "replaced", "deactivated", "lastUse"} & told.keys() == set()
    assert all(about_secret(entry, why="", userName="deploy").values())


def test_every_kind_has_a_name_of_its_own() -> None:
    """The same name is the metric's, without the blanks."""
    assert len({kind.replace(" ", "") for kind in KINDS}) == len(KINDS)
    assert all(kind.startswith("Access Key ") for kind in KINDS)
