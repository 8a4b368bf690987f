"""What a request found otherwise than the ledger has it, in words."""

from __future__ import annotations

import pytest
from unit.planning.situation import (
    BY_HAND,
    DAY,
    HOUR,
    NOW,
    OTHER,
    OWNER,
    A,
    B,
    C,
    F,
    Situation,
    rotated_once,
    version_of,
)

from access_key_provider.planning.drift import MAX_SHOWN, findings, shown


def found(situation: Situation, owner: str = OWNER) -> tuple[str, ...]:
    """Say what was found."""
    return findings(situation.entry, situation.observed(), owner)


@pytest.mark.parametrize(
    ("situation", "sentence"),
    [
        pytest.param(rotated_once().missing(B), f"key {B} was deleted by somebody else", id="the current key"),
        pytest.param(rotated_once().missing(A), f"key {A} was deleted by somebody else", id="the previous key"),
        pytest.param(rotated_once().unmanaged(B, "Inactive"), f"current key {B} was Inactive", id="deactivated"),
        pytest.param(rotated_once().unmanaged(A, "Active"), f"previous key {A} was Active", id="activated"),
        pytest.param(rotated_once().unmanaged(B, "Expired"), f"current key {B} was Expired", id="an unknown status"),
        pytest.param(
            Situation().declared(status="Inactive").managed(A, deactivated=NOW - HOUR).unmanaged(A, "Active"),
            f"current key {A} was Active",
            id="activated though declared Inactive",
        ),
        pytest.param(
            rotated_once().current_is(BY_HAND),
            f"AWSCURRENT was not on key {B}, which the ledger has as current",
            id="a value put by hand",
        ),
        pytest.param(
            rotated_once().current_is(version_of(A)),
            f"AWSCURRENT was not on key {B}, which the ledger has as current",
            id="readers sent back by hand",
        ),
    ],
)
def test_what_a_person_changed_is_found(situation: Situation, sentence: str) -> None:
    """Exactly that, and nothing besides."""
    assert found(situation) == (sentence,)


def test_a_label_that_the_ledger_does_not_know_is_found() -> None:
    """Somebody forged it, or the entry was lost."""
    situation = rotated_once().unmanaged(F, created=NOW)
    situation.versions["x"] = {F}
    assert found(situation) == (f"key {F} bears the label of this secret, and the ledger did not know it",)


def test_the_gravest_comes_first() -> None:
    """A key that is gone, then where AWSCURRENT is, then what status a key has."""
    situation = rotated_once().managed(C, "replaced").missing(C).current_is(BY_HAND).unmanaged(A, "Active")
    kinds = [sentence.split(" ")[0] for sentence in found(situation)]
    assert kinds == ["key", "AWSCURRENT", "previous"]


@pytest.mark.parametrize(
    "situation",
    [
        pytest.param(Situation(), id="nothing was made yet"),
        pytest.param(Situation().unmanaged(F), id="an unmanaged key"),
        pytest.param(Situation().current_is(BY_HAND), id="the value of an existing secret"),
        pytest.param(rotated_once(), id="as it was left"),
        pytest.param(rotated_once("Active"), id="within a grace period"),
        pytest.param(Situation().managed(A).rotating(B), id="a rotation is under way"),
        pytest.param(Situation().managed(A).begun(B), id="a key whose holder died"),
        pytest.param(rotated_once().missing(B).attempt(), id="an attempt that was interrupted"),
        pytest.param(rotated_once().current_is(version_of(A)).switching(A), id="a switch that was interrupted"),
    ],
)
def test_an_ordinary_life_has_nothing_to_say(situation: Situation) -> None:
    """What an interrupted attempt explains is no finding."""
    assert found(situation) == ()


def test_a_change_of_user_that_is_rolled_back_is_no_drift() -> None:
    """The Update back comes before the Delete of the new place: the other resource's key is current, as it should."""
    situation = Situation().declared(owner=OTHER).managed(A, "replaced").managed(B, owner=OTHER)
    assert found(situation) == ()
    assert found(situation, OTHER) == ()


def test_an_old_label_is_no_finding() -> None:
    """Its key is older than what was agreed on: it was never ours."""
    situation = rotated_once().unmanaged(F).changed(settled=NOW - DAY)
    situation.versions["x"] = {F}
    assert found(situation) == ()


def test_a_reason_holds_whole_sentences() -> None:
    """What does not fit is counted, and stands in the log."""
    many = tuple(f"key {number} {'x' * 90}" for number in range(5))
    assert shown(many) == f"{many[0]}; {many[1]}; 3 more in the log"
    assert shown(()) == ""
    assert len(shown(("y" * 240, "z" * 240))) <= MAX_SHOWN
    assert shown(("y" * 300,)) == ""
