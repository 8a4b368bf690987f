"""The rules, tried on situations built by hand: pure values in, a list of actions or a refusal out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from access_key_provider.model import errors
from access_key_provider.model.actions import (
    NEW,
    AddLabel,
    CheckStillWanted,
    CreateKey,
    DeleteKey,
    LookAgain,
    MoveCurrent,
    ProveKey,
    RemoveLabel,
    SetStatus,
    StoreSecret,
    TagSecret,
    TagUser,
    UntagSecret,
    UntagUser,
)
from access_key_provider.model.records import Intent, Mark, SerialLabel
from access_key_provider.model.state import (
    AccessKey,
    Desired,
    Observed,
    Place,
    SecretDescription,
    SecretState,
    SecretVersion,
)
from access_key_provider.planning.deletion import plan_abandoned, plan_absent, plan_withdrawn
from access_key_provider.planning.deployment import plan_present
from access_key_provider.planning.precedence import is_still_wanted

if TYPE_CHECKING:
    from lambda_shared.errors import ProviderError

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
PLACE = Place(
    "arn:aws:cloudformation:eu-central-1:123456789012:stack/shop/1",
    "Key",
    "deploy",
    "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop/deploy-AbCdEf",
)
A, B, C, F = "AKIAAAAAAAAAAAAAAAAA", "AKIABBBBBBBBBBBBBBBB", "AKIACCCCCCCCCCCCCCCC", "AKIAFFFFFFFFFFFFFFFF"
TAG = PLACE.key_tag_value("shop/Key")


@dataclass
class Situation:
    """Builds an `Observed` step by step."""

    keys: dict[str, AccessKey] = field(default_factory=dict)
    versions: dict[str, set[str]] = field(default_factory=dict)
    user_tags: dict[str, str] = field(default_factory=dict)
    secret_tags: dict[str, str] = field(default_factory=lambda: {PLACE.request_tag("request"): str(MARK)})
    state: SecretState = SecretState.WRITABLE
    user_exists: bool = True
    used: frozenset[str] = frozenset()

    def key(self, key_id: str, status: str = "Active", created: datetime = NOW - timedelta(days=9)) -> Situation:
        """Let IAM list a key."""
        self.keys[key_id] = AccessKey(key_id, status, created)
        return self

    def owned(
        self, key_id: str, serial: str = "1", generation: int = 1, status: str = "Active", *labels: str
    ) -> Situation:
        """Let a key be one that we made, stored and proved."""
        self.key(key_id, status).stored(key_id, *labels)
        self.versions[PLACE.version_id(key_id)].add(str(SerialLabel(PLACE.serial_digest(serial), generation)))
        return self

    def stored(self, key_id: str, *labels: str) -> Situation:
        """Let a key be one that we stored."""
        self.versions[PLACE.version_id(key_id)] = {key_id, *labels}
        self.user_tags[key_id] = TAG
        return self

    def intent(self, *baseline: str, since: datetime = NOW, owner: str = PLACE.owner) -> Situation:
        """Let a creation be announced and not finished."""
        self.user_tags["cdk-iam-access-key:intent:" + owner] = str(Intent(owner, since, since, frozenset(baseline)))
        return self

    def observed(self) -> Observed:
        """Take the look."""
        return Observed(
            time=NOW,
            user_exists=self.user_exists,
            keys=tuple(self.keys.values()),
            user_tags=self.user_tags,
            secret=SecretDescription(
                self.state,
                tuple(SecretVersion(version, frozenset(labels)) for version, labels in self.versions.items()),
                self.secret_tags,
            ),
            used=self.used,
        )


MARK = Mark(NOW, "request")
MARK_TAG = PLACE.request_tag("request")
STILL_WANTED = CheckStillWanted(MARK_TAG, frozenset({(MARK_TAG, str(MARK))}), NOW)
AS_DECLARED = (SetStatus(A, "Active"), STILL_WANTED)
LEAVE_MARK = TagSecret(((MARK_TAG, str(MARK)),))


def desired(
    serial: str = "1", status: str = "Active", deployed: str | None = None, request: Mark = MARK, *, dated: bool = True
) -> Desired:
    """Want a key; its request has left its mark already unless the situation says otherwise."""
    return Desired(PLACE, serial, status, "shop/Key", deployed or serial, request, dated)


def label(serial: str, generation: int) -> str:
    """Write the label that marks a version as proven."""
    return str(SerialLabel(PLACE.serial_digest(serial), generation))


def test_a_first_key_is_announced_recorded_stored_and_proven_before_it_becomes_current() -> None:
    """The whole order of a creation, on which survival of a crash at any point rests."""
    intent = Intent(PLACE.owner, NOW, NOW, frozenset())
    assert plan_present(Situation().observed(), desired()) == [
        TagUser(PLACE.intent_tag, str(intent)),
        CreateKey(),
        TagUser(NEW, TAG),
        StoreSecret(),
        ProveKey(),
        AddLabel(NEW, label("1", 1)),
        STILL_WANTED,
        MoveCurrent(NEW, None),
        STILL_WANTED,
        LookAgain(),
    ]


def test_the_look_after_a_creation_closes_the_intent() -> None:
    """When the new key is seen to be current, nothing of the attempt is left to find."""
    seen = Situation().owned(A, "1", 1, "Active", "AWSCURRENT").intent().observed()
    assert plan_present(seen, desired("1")) == [*AS_DECLARED, UntagUser(PLACE.intent_tag)]


def test_a_key_declared_inactive_is_proven_first() -> None:
    """An Inactive key can't be proven, so it is deactivated last."""
    actions = plan_present(Situation().observed(), desired(status="Inactive"))
    assert actions.index(ProveKey()) < actions.index(SetStatus(NEW, "Inactive"))


def test_rotation_deactivates_the_previous_key_only_after_the_new_one_is_current() -> None:
    """The previous key works until its successor is proven and published."""
    seen = Situation().owned(A, "1", 1, "Active", "AWSCURRENT").observed()
    actions = plan_present(seen, desired("2"))
    assert actions.index(ProveKey()) < actions.index(MoveCurrent(NEW, PLACE.version_id(A)))
    assert AddLabel(NEW, label("2", 2)) in actions
    assert not any(isinstance(action, DeleteKey | SetStatus) for action in actions)
    seen = Situation().owned(A, "1", 1, "Active", "AWSPREVIOUS").owned(B, "2", 2, "Active", "AWSCURRENT").observed()
    assert plan_present(seen, desired("2")) == [SetStatus(B, "Active"), SetStatus(A, "Inactive"), STILL_WANTED]


def test_rotation_makes_room_by_deleting_the_retired_key() -> None:
    """With both slots ours the Inactive one goes, after the intent and before the new key."""
    seen = Situation().owned(A, "1", 1, "Inactive", "AWSPREVIOUS").owned(B, "2", 2, "Active", "AWSCURRENT").observed()
    actions = plan_present(seen, desired("3"))
    assert isinstance(actions[0], TagUser)
    assert actions[1:6] == [
        SetStatus(A, "Inactive"),
        DeleteKey(A),
        RemoveLabel(PLACE.version_id(A), A),
        RemoveLabel(PLACE.version_id(A), label("1", 1)),
        UntagUser(A),
    ]
    assert actions.index(CreateKey()) == 6


@pytest.mark.parametrize("status", ["Active", "Inactive"])
def test_two_foreign_keys_are_refused_untouched(status: str) -> None:
    """At the limit nothing is done to keys that are not ours, whatever their status."""
    seen = Situation().key(F, status).key(C, status).observed()
    with pytest.raises(errors.KeyLimitReachedError) as refused:
        plan_present(seen, desired())
    assert [key.id for key in refused.value.keys] == [F, C]


def test_a_foreign_key_beside_the_current_one_leaves_no_room_to_rotate() -> None:
    """Neither the current key nor the foreign one may go."""
    seen = Situation().owned(A, "1", 1, "Active", "AWSCURRENT").key(F, "Inactive").observed()
    with pytest.raises(errors.KeyLimitReachedError):
        plan_present(seen, desired("2"))


def test_a_retired_key_made_active_by_hand_is_not_deleted_for_room() -> None:
    """Somebody needed it: the next rotation asks instead of cutting them off."""
    seen = Situation().owned(A, "1", 1, "Active", "AWSPREVIOUS").owned(B, "2", 2, "Active", "AWSCURRENT").observed()
    with pytest.raises(errors.KeyLimitReachedError):
        plan_present(seen, desired("3"))


def test_rollback_restores_the_previous_key_and_retires_the_new_one() -> None:
    """The very key that was current before is Active and current again before the new one is touched."""
    seen = Situation().owned(A, "1", 1, "Inactive", "AWSPREVIOUS").owned(B, "2", 2, "Active", "AWSCURRENT").observed()
    assert plan_present(seen, desired("1")) == [
        SetStatus(A, "Active"),
        STILL_WANTED,
        MoveCurrent(PLACE.version_id(A), PLACE.version_id(B)),
        STILL_WANTED,
        LookAgain(),
    ]
    seen = Situation().owned(A, "1", 1, "Active", "AWSCURRENT").owned(B, "2", 2, "Active", "AWSPREVIOUS").observed()
    assert plan_present(seen, desired("1")) == [SetStatus(A, "Active"), SetStatus(B, "Inactive"), STILL_WANTED]


@pytest.mark.parametrize("wanted", ["Active", "Inactive"])
@pytest.mark.parametrize("seen", ["Active", "Inactive"])
def test_the_declared_status_is_set_whatever_is_seen(seen: str, wanted: str) -> None:
    """No rotation, one call: what an earlier request set a moment ago may not be seen yet."""
    situation = Situation().owned(A, "1", 1, seen, "AWSCURRENT").observed()
    assert plan_present(situation, desired("1", wanted)) == [SetStatus(A, wanted), STILL_WANTED]


def test_a_key_that_seems_inactive_is_deactivated_before_it_is_deleted() -> None:
    """It may have been activated a moment ago."""
    seen = Situation().owned(A, "1", 1, "Inactive", "AWSCURRENT").observed()
    assert plan_absent(seen, PLACE)[:2] == [SetStatus(A, "Inactive"), DeleteKey(A)]


def test_a_new_description_only_tags() -> None:
    """The description is the value of the user's tag."""
    seen = Situation().owned(A, "1", 1, "Active", "AWSCURRENT").observed()
    wanted = replace(desired(), description="for the vendor")
    assert plan_present(seen, wanted) == [*AS_DECLARED, TagUser(A, PLACE.key_tag_value("for the vendor"))]


@pytest.mark.parametrize("status", ["Active", "Inactive"])
def test_an_interrupted_rotation_is_finished(status: str) -> None:
    """The new key was published, the previous one not yet deactivated, whatever its status seems to be."""
    seen = (
        Situation()
        .owned(A, "1", 1, status, "AWSPREVIOUS")
        .owned(B, "2", 2, "Active", "AWSCURRENT")
        .intent(A)
        .observed()
    )
    assert plan_present(seen, desired("2")) == [
        SetStatus(B, "Active"),
        SetStatus(A, "Inactive"),
        STILL_WANTED,
        UntagUser(PLACE.intent_tag),
    ]


def test_a_proven_key_that_was_not_published_is_published() -> None:
    """The proof is on record, so the key is used."""
    seen = Situation().owned(A, "1", 1, "Active", "AWSCURRENT").owned(B, "2", 2).intent(A).observed()
    assert plan_present(seen, desired("2")) == [
        SetStatus(B, "Active"),
        STILL_WANTED,
        MoveCurrent(PLACE.version_id(B), PLACE.version_id(A)),
        STILL_WANTED,
        LookAgain(),
    ]


def test_an_unproven_key_is_replaced() -> None:
    """Its secret can't be read back, so it can't be proven any more."""
    seen = Situation().key(B).stored(B, "AWSCURRENT").intent().observed()
    actions = plan_present(seen, desired("1"))
    assert actions[:3] == [SetStatus(B, "Inactive"), DeleteKey(B), RemoveLabel(PLACE.version_id(B), B)]
    assert MoveCurrent(NEW, PLACE.version_id(B)) in actions


def test_a_key_whose_secret_was_lost_is_deleted_before_another_is_made() -> None:
    """CreateAccessKey was carried out and its answer lost: the key was not there before and bears no record."""
    seen = Situation().key(F, created=NOW - timedelta(days=400)).key(B, created=NOW).intent(F).observed()
    actions = plan_present(seen, desired("1"))
    assert actions[:2] == [SetStatus(B, "Inactive"), DeleteKey(B)]
    assert not any(F in (getattr(action, "key_id", ""), getattr(action, "key", "")) for action in actions)


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(Situation().key(B, created=NOW), id="no creation was announced"),
        pytest.param(Situation().key(B, created=NOW).intent(B), id="it was there before"),
        pytest.param(Situation().key(B, created=NOW - timedelta(hours=2)).intent(), id="it is older than the attempt"),
        pytest.param(Situation().key(B, created=NOW).intent(since=NOW - timedelta(hours=2)), id="it is younger"),
        pytest.param(Situation(user_tags={B: "by hand"}).key(B, created=NOW).intent(), id="somebody tagged it"),
        pytest.param(Situation(used=frozenset({B})).key(B, created=NOW).intent(), id="it was used"),
        pytest.param(
            Situation().key(B, created=NOW).intent().intent(owner="0123456789abcdef"), id="another stack makes one too"
        ),
        pytest.param(Situation().key(B, created=NOW).intent(owner="0123456789abcdef"), id="another stack's intent"),
    ],
)
def test_a_key_that_may_be_somebody_elses_is_never_taken_for_an_orphan(seen: Situation) -> None:
    """Each single reason for doubt is enough."""
    touched = [*plan_absent(seen.observed(), PLACE), *plan_abandoned(seen.observed(), PLACE)]
    assert DeleteKey(B) not in touched
    assert SetStatus(B, "Inactive") not in touched


def test_records_whose_key_was_deleted_by_hand_are_removed() -> None:
    """A label without its key would claim a key that is not there."""
    seen = Situation().owned(A, "1", 1, "Active", "AWSCURRENT")
    del seen.keys[A]
    actions = plan_present(seen.observed(), desired("1"))
    assert actions[:3] == [
        RemoveLabel(PLACE.version_id(A), A),
        RemoveLabel(PLACE.version_id(A), label("1", 1)),
        UntagUser(A),
    ]
    assert CreateKey() in actions
    assert MoveCurrent(NEW, PLACE.version_id(A)) in actions


def test_a_value_put_by_hand_is_replaced_by_the_key_declared() -> None:
    """AWSCURRENT must name the declared key again."""
    seen = Situation().owned(A, "1", 1, "Active", "AWSPREVIOUS")
    seen.versions["11111111-2222-4333-8444-555555555555"] = {"AWSCURRENT"}
    assert plan_present(seen.observed(), desired("1")) == [
        SetStatus(A, "Active"),
        STILL_WANTED,
        MoveCurrent(PLACE.version_id(A), "11111111-2222-4333-8444-555555555555"),
        STILL_WANTED,
        LookAgain(),
    ]


def test_delete_removes_every_owned_key_and_no_other() -> None:
    """Deactivated first, then deleted, then forgotten."""
    seen = (
        Situation()
        .key(F)
        .owned(A, "1", 1, "Inactive", "AWSPREVIOUS")
        .owned(B, "2", 2, "Active", "AWSCURRENT")
        .intent(F)
        .observed()
    )
    actions = plan_absent(seen, PLACE)
    deleted = [action.key_id for action in actions if isinstance(action, DeleteKey)]
    assert deleted == [B, A]
    assert actions.index(SetStatus(B, "Inactive")) < actions.index(DeleteKey(B))
    assert actions[-1] == UntagUser(PLACE.intent_tag)


def test_delete_gives_an_existing_secret_its_own_value_back() -> None:
    """A rolled-back deployment must not leave the secret's users with a dead key."""
    seen = Situation().owned(A, "1", 1, "Active", "AWSCURRENT")
    seen.versions["11111111-2222-4333-8444-555555555555"] = {"AWSPREVIOUS"}
    first = plan_absent(seen.observed(), PLACE)[0]
    assert first == MoveCurrent("11111111-2222-4333-8444-555555555555", PLACE.version_id(A))


def test_delete_does_not_make_a_key_of_ours_current() -> None:
    """The previous version is ours and its key goes as well."""
    seen = Situation().owned(A, "1", 1, "Inactive", "AWSPREVIOUS").owned(B, "2", 2, "Active", "AWSCURRENT")
    assert not any(isinstance(action, MoveCurrent) for action in plan_absent(seen.observed(), PLACE))


@pytest.mark.parametrize("state", [SecretState.MISSING, SecretState.SCHEDULED_FOR_DELETION])
def test_delete_finds_its_keys_without_the_secret(state: SecretState) -> None:
    """The tags on the user remember them; what can't be written to is left alone."""
    seen = Situation(state=state).key(A)
    seen.user_tags[A] = TAG
    assert plan_absent(seen.observed(), PLACE) == [SetStatus(A, "Inactive"), DeleteKey(A), UntagUser(A)]


def test_delete_without_the_user_only_takes_the_labels_off() -> None:
    """The keys went with the user."""
    seen = Situation(user_exists=False).stored(A, "AWSCURRENT")
    seen.user_tags.clear()
    assert plan_absent(seen.observed(), PLACE) == [RemoveLabel(PLACE.version_id(A), A)]


def test_another_resource_with_the_same_user_and_secret_is_somebody_else() -> None:
    """When a construct is renamed, CloudFormation creates the new resource before it deletes the old one."""
    other = replace(PLACE, logical_id="RenamedKey")
    seen = Situation().owned(A, "1", 1, "Active", "AWSCURRENT").observed()
    assert plan_absent(seen, other) == []
    tags = {other.request_tag("request"): str(MARK)}
    actions = plan_present(replace(seen, secret=replace(seen.secret, tags=tags)), replace(desired(), place=other))
    assert MoveCurrent(NEW, PLACE.version_id(A)) in actions
    assert not any(getattr(action, "key_id", "") == A for action in actions)


def test_abandoning_keeps_every_proven_key() -> None:
    """Only what the failed attempt left goes."""
    seen = Situation().owned(A, "1", 1, "Active", "AWSCURRENT").key(B).stored(B).intent(A).observed()
    assert plan_abandoned(seen, PLACE) == [
        SetStatus(B, "Inactive"),
        DeleteKey(B),
        RemoveLabel(PLACE.version_id(B), B),
        UntagUser(B),
        UntagUser(PLACE.intent_tag),
    ]


def creates(seen: Situation, wanted: Desired) -> bool:
    """Tell whether a key is made, once the request has left its mark."""
    seen.secret_tags[PLACE.request_tag(wanted.request.request_id)] = str(wanted.request)
    return CreateKey() in plan_present(seen.observed(), wanted)


def test_a_request_older_than_the_delete_is_refused() -> None:
    """CloudFormation can send a Delete while the Create is still on its way."""
    seen = Situation(secret_tags={PLACE.tombstone_tag: str(Mark(NOW, "delete"))})
    with pytest.raises(errors.SupersededError):
        plan_present(seen.observed(), desired())
    assert creates(seen, desired(request=Mark(NOW + timedelta(seconds=1), "later")))
    assert creates(seen, desired(dated=False))


def test_a_request_older_than_another_is_refused() -> None:
    """Lambda may deliver a rotation after its rollback: carried out, it would rotate what nobody wants rotated."""
    late = Mark(NOW - timedelta(seconds=1), "late")

    def seen() -> Situation:
        return Situation().owned(A, "1", 1, "Active", "AWSCURRENT")

    with pytest.raises(errors.SupersededError):
        plan_present(seen().observed(), desired("2", request=late))
    assert creates(seen(), desired("2", request=Mark(NOW, "same second")))
    assert creates(seen(), desired("2", request=late, dated=False))


@pytest.mark.parametrize("tag", [PLACE.request_tag("other"), PLACE.tombstone_tag])
def test_a_mark_of_the_future_outdates_nobody(tag: str) -> None:
    """Whoever can tag the secret or invoke the function could lock the resource for good."""
    seen = Situation(secret_tags={tag: str(Mark(NOW + timedelta(days=3000), "forged"))})
    assert creates(seen, desired())


def test_every_request_leaves_its_mark_once_and_looks_again() -> None:
    """Also one that has nothing else to do, because an older one may still be on its way."""
    seen = Situation(secret_tags={}).owned(A, "1", 1, "Active", "AWSCURRENT")
    assert plan_present(seen.observed(), desired()) == [LEAVE_MARK, LookAgain()]
    undated = desired(request=Mark(NOW + timedelta(hours=1), MARK.request_id), dated=False)
    assert plan_present(Situation().owned(A, "1", 1, "Active", "AWSCURRENT").observed(), undated) == [
        SetStatus(A, "Active"),
        replace(STILL_WANTED, since=None),
    ]


@pytest.mark.parametrize("newer", ["proven", "not proven yet, as it seems"])
def test_going_back_waits_before_it_looks_again(newer: str) -> None:
    """That the newer key was made current may be seen late, and it is about to be deleted."""
    seen = Situation(secret_tags={}).owned(A, "1", 1, "Active", "AWSCURRENT")
    seen = seen.owned(B, "2", 2) if newer == "proven" else seen.key(B).stored(B)
    assert plan_present(seen.observed(), desired("1")) == [LEAVE_MARK, LookAgain(5.0)]


@pytest.mark.parametrize(
    ("left", "wanted"),
    [
        pytest.param({PLACE.request_tag("earlier"): Mark(NOW - timedelta(seconds=1), "earlier")}, True, id="earlier"),
        pytest.param({PLACE.request_tag("other"): Mark(NOW, "other")}, False, id="same second"),
        pytest.param({PLACE.request_tag("later"): Mark(NOW + timedelta(seconds=1), "later")}, False, id="later"),
        pytest.param({PLACE.tombstone_tag: Mark(NOW - timedelta(seconds=1), "delete")}, False, id="tombstone"),
    ],
)
def test_only_the_mark_of_an_earlier_request_may_come_in_between(left: dict[str, Mark], *, wanted: bool) -> None:
    """The earlier one finds the later one's mark and stops; both must not stop."""
    tags = {MARK_TAG: str(MARK)} | {tag: str(mark) for tag, mark in left.items()}
    assert is_still_wanted(tags, PLACE, STILL_WANTED) is wanted
    assert not is_still_wanted(tags, PLACE, replace(STILL_WANTED, since=None))
    assert not is_still_wanted({}, PLACE, STILL_WANTED)


def test_what_can_not_be_done_leaves_no_mark() -> None:
    """A refusal comes before any write."""
    with pytest.raises(errors.KeyLimitReachedError):
        plan_present(Situation(secret_tags={}).key(F).key(C).observed(), desired())


def test_the_tombstone_seen_is_the_one_checked_later() -> None:
    """A tombstone of an earlier life must not stop a new one, a later one must."""
    left = str(Mark(NOW - timedelta(days=1), "delete"))
    seen = Situation(secret_tags={MARK_TAG: str(MARK), PLACE.tombstone_tag: left}).observed()
    checks = [action for action in plan_present(seen, desired()) if isinstance(action, CheckStillWanted)]
    expected = CheckStillWanted(MARK_TAG, frozenset({(MARK_TAG, str(MARK)), (PLACE.tombstone_tag, left)}), NOW)
    assert checks == [expected, expected]


def test_marks_that_nobody_needs_are_removed() -> None:
    """Those that this request supersedes, and those of resources that were deleted long ago."""
    old, new = str(Mark(NOW - timedelta(days=2), "x")), str(Mark(NOW - timedelta(hours=1), "x"))
    request, deleted = "cdk-iam-access-key:request:", "cdk-iam-access-key:tombstone:"
    tags = {
        request + "a" * 16 + ":1": old,
        deleted + "a" * 16: old,
        request + "b" * 16 + ":1": new,
        deleted + "b" * 16: old,
        deleted + "c" * 16: new,
        deleted + "d" * 16: "by hand",
        request + "e" * 16 + ":1": old,
        "team": old,
        MARK_TAG: str(MARK),
        PLACE.request_tag("before"): new,
        PLACE.tombstone_tag: old,
    }
    mine = (MARK_TAG, PLACE.request_tag("before"), PLACE.tombstone_tag)
    seen = Situation(secret_tags=tags).owned(A, "1", 1, "Active", "AWSCURRENT").observed()
    assert plan_present(seen, desired()) == [
        UntagSecret((PLACE.request_tag("before"), deleted + "a" * 16, request + "a" * 16 + ":1")),
        SetStatus(A, "Active"),
        CheckStillWanted(MARK_TAG, frozenset((tag, tags[tag]) for tag in mine), NOW),
    ]


def test_an_earlier_attempt_calls_for_another_look_before_the_intent_is_closed() -> None:
    """A key of that attempt may come to light late."""
    actions = plan_present(Situation().intent().observed(), desired())
    assert actions[-1] == LookAgain(5.0)
    assert UntagUser(PLACE.intent_tag) not in actions


@pytest.mark.parametrize("removed", ["serial", "key", "both"])
def test_labels_removed_by_hand_are_put_back_before_anything_else(removed: str) -> None:
    """A current key without an unfinished attempt was proven, whatever its labels say now."""
    seen = Situation().owned(A, "1", 1, "Active", "AWSCURRENT")
    labels = seen.versions[PLACE.version_id(A)]
    labels -= {label("1", 1)} if removed != "key" else set()
    labels -= {A} if removed != "serial" else set()
    put_back = [AddLabel(PLACE.version_id(A), label("1", 1))] if removed != "key" else []
    put_back += [AddLabel(PLACE.version_id(A), A)] if removed != "serial" else []
    assert plan_present(seen.observed(), desired("2", deployed="1")) == [*put_back, LookAgain()]


def test_a_tag_removed_by_hand_is_put_back() -> None:
    """The label still says that the key is ours."""
    seen = Situation().owned(A, "1", 1, "Active", "AWSCURRENT")
    seen.user_tags.clear()
    assert plan_present(seen.observed(), desired("1")) == [*AS_DECLARED, TagUser(A, TAG)]


def test_a_superseded_rotation_takes_its_key_back() -> None:
    """The key before is current again, and was never deactivated."""
    seen = Situation().owned(A, "1", 1, "Active", "AWSPREVIOUS").owned(B, "2", 2, "Active", "AWSCURRENT").intent(A)
    before = Situation().owned(A, "1", 1, "Active", "AWSCURRENT").observed()
    assert plan_withdrawn(seen.observed(), PLACE, before, [], B)[:3] == [
        MoveCurrent(PLACE.version_id(A), PLACE.version_id(B)),
        SetStatus(B, "Inactive"),
        DeleteKey(B),
    ]


def test_an_intent_stays_open_while_a_key_may_appear() -> None:
    """The next request finds it."""
    seen = Situation().intent().observed()
    assert plan_abandoned(seen, PLACE, key_may_appear=True) == []
    assert plan_abandoned(seen, PLACE) == [UntagUser(PLACE.intent_tag)]


@pytest.mark.parametrize(
    ("seen", "error", "advice"),
    [
        (Situation(user_exists=False), errors.UserNotFoundError, "create it first"),
        (Situation(state=SecretState.MISSING), errors.SecretUnavailableError, "create it first"),
        (Situation(state=SecretState.SCHEDULED_FOR_DELETION), errors.SecretUnavailableError, "restore-secret"),
        (Situation(state=SecretState.REPLICA), errors.SecretUnavailableError, "primary secret"),
    ],
)
def test_what_can_not_work_is_refused_with_advice(seen: Situation, error: type[ProviderError], advice: str) -> None:
    """Before any write."""
    with pytest.raises(error, match=advice):
        plan_present(seen.observed(), desired())


def test_more_keys_than_the_quota_are_tolerated() -> None:
    """The quota is known to overshoot: with three keys of ours, two Inactive, room is made for one."""
    seen = (
        Situation()
        .owned(A, "1", 1, "Inactive")
        .owned(B, "2", 2, "Inactive", "AWSPREVIOUS")
        .owned(C, "3", 3, "Active", "AWSCURRENT")
        .observed()
    )
    actions = plan_present(seen, desired("4"))
    assert [action.key_id for action in actions if isinstance(action, DeleteKey)] == [A, B]
