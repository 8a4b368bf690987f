"""Which of several requests counts, tried on entries."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from unit.planning.situation import MINUTE, NOW, OTHER, OWNER, RENAMED, SECRET, STACK, claim

from access_key_provider.model.entry import Claim, Entry, RequestStamp
from access_key_provider.model.errors import InvalidRequestError, SupersededError
from access_key_provider.planning.announcement import announce

SECOND = timedelta(seconds=1)


def request(after: timedelta = timedelta(), name: str = "later", *, dated: bool = True, present: bool = True) -> Claim:
    """Make a request so long after `NOW`."""
    return claim(request=RequestStamp(NOW + after, name, dated), present=present)


def announced(*claims: Claim) -> Entry:
    """Announce requests in the order in which they are delivered."""
    entry = Entry(SECRET)
    for one in claims:
        entry = announce(entry, OWNER, one)
    return entry


def test_a_first_request_is_written_into_its_claim() -> None:
    """Whoever holds the lease."""
    assert announced(request()).claims == {OWNER: request()}


def test_each_resource_has_its_own_requests() -> None:
    """While a construct is renamed two resources claim a secret."""
    entry = announce(announced(request(MINUTE)), OTHER, claim(RENAMED, request=RequestStamp(NOW, "earlier")))
    assert set(entry.claims) == {OWNER, OTHER}


def test_a_later_request_takes_the_place_of_an_earlier_one_and_keeps_what_is_applied() -> None:
    """Nothing in AWS has changed by it yet."""
    before = replace(request(), applied="digest", touched=True)
    after = announced(before, replace(request(SECOND), serial="2")).claims[OWNER]
    assert (after.serial, after.applied, after.touched, after.request.time) == ("2", "digest", True, NOW + SECOND)


def test_another_stacks_role_is_refused() -> None:
    """A construct defines its own role: who comes with that of another stack's key has made it up."""
    entry = announced(request())
    other = replace(claim(RENAMED, request=RequestStamp(NOW, "other")), stack_id=f"{STACK}2")
    with pytest.raises(InvalidRequestError, match=f"is the role of Key in {STACK}"):
        announce(entry, OTHER, other)
    assert OTHER in announce(entry, OTHER, replace(other, role_arn="arn:aws:iam::123456789012:role/own")).claims
    gone = announced(request(), request(SECOND, "delete", present=False))
    assert OTHER in announce(gone, OTHER, other).claims, "nobody uses it any more"


def test_a_late_request_is_refused() -> None:
    """Lambda may deliver a rotation after its rollback: carried out, it would rotate what nobody wants rotated."""
    with pytest.raises(SupersededError, match="made a later request"):
        announced(request(SECOND, "rollback"), request(timedelta(), "rotation"))


def test_a_request_older_than_the_delete_is_refused() -> None:
    """CloudFormation can send a Delete while the Create is still on its way: its tombstone stays."""
    tombstone = announced(request(SECOND, "delete", present=False))
    with pytest.raises(SupersededError, match="deleted the resource"):
        announce(tombstone, OWNER, request(timedelta(), "create"))
    assert announce(tombstone, OWNER, request(2 * SECOND, "create again")).claims[OWNER].present


def test_a_delete_older_than_a_creation_is_refused() -> None:
    """It is delivered again after the resource was created again."""
    with pytest.raises(SupersededError):
        announced(request(SECOND, "create again"), request(timedelta(), "delete", present=False))


def test_within_the_same_second_a_delete_is_the_later_request() -> None:
    """In either order; of other requests the one counts that comes last."""
    create, delete = request(name="create"), request(name="delete", present=False)
    assert not announced(create, delete).claims[OWNER].present
    with pytest.raises(SupersededError):
        announced(delete, create)
    assert announced(request(name="a"), request(name="b")).claims[OWNER].request.id == "b"


def test_the_same_request_again_changes_nothing() -> None:
    """Lambda delivers events twice."""
    entry = announced(replace(request(), applied="digest"))
    assert announce(entry, OWNER, request()) == entry
    deleted = announced(request(), request(SECOND, "delete", present=False))
    assert announce(deleted, OWNER, request(SECOND, "delete", present=False)) == deleted


@pytest.mark.parametrize("undated", ["earlier", "later", "both"])
def test_an_undated_request_is_taken_as_it_comes(undated: str) -> None:
    """Nothing says which is later."""
    first = request(SECOND, "first", dated=undated == "later")
    second = request(timedelta(), "second", dated=undated == "earlier")
    assert announced(first, second).claims[OWNER].request.id == "second"


def test_a_delete_keeps_what_was_declared() -> None:
    """It tells whose keys these are; the role that it comes with is the one that may act on them."""
    delete = replace(request(SECOND, "delete", present=False), serial="9", role_arn="arn:aws:iam::123456789012:role/n")
    after = announced(replace(request(), serial="7", description="x"), delete).claims[OWNER]
    assert (after.present, after.serial, after.description) == (False, "7", "x")
    assert after.role_arn == "arn:aws:iam::123456789012:role/n"


def test_the_claims_of_others_stay() -> None:
    """A Delete says nothing of them."""
    entry = announce(announced(request()), OTHER, claim(RENAMED, request=RequestStamp(NOW, "x"), present=False))
    assert entry.claims[OWNER] == request()
