"""Any situation, likely or not: no rule fails otherwise than in its own words, and none cuts anybody off."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.planning.situation import (
    BY_HAND,
    DAY,
    HOUR,
    NEVER,
    NOW,
    OTHER,
    OWNER,
    TAG,
    TOKEN,
    A,
    B,
    C,
    F,
    Situation,
    version_of,
)

from access_key_provider.model.actions import NEW, Activate, CreateKey, Deactivate, DeleteKey, Promote
from access_key_provider.model.entry import KeyState, Rotation
from access_key_provider.model.retirement_rules import FAIL, REMOVE_UNUSED, RETIRE_PREVIOUS, RetirementRules
from access_key_provider.model.state import PENDING, PREVIOUS, LastUse, SecretState, key_tag
from access_key_provider.planning.deletion import plan_deletion
from access_key_provider.planning.deployment import plan_deployment, plan_failed_cleanup
from access_key_provider.planning.late_call import plan_take_back
from access_key_provider.planning.maintenance import next_due, plan_cut_over, plan_maintenance, plan_retire_now
from access_key_provider.planning.rotation import (
    plan_create_secret,
    plan_failed_step,
    plan_finish_secret,
    plan_rotation_by_operator,
    plan_test_secret,
)
from access_key_provider.planning.status_report import status_report
from access_key_provider.planning.undo import plan_undo
from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable

    from access_key_provider.planning.draft import Draft

MANAGED = (A, B, C)
_ages = st.sampled_from([timedelta(), HOUR / 2, HOUR, 2 * HOUR, DAY, 8 * DAY, 400 * DAY])
_rules = st.builds(
    RetirementRules,
    grace=st.sampled_from([timedelta(), HOUR]),
    retention=st.sampled_from([None, 7 * DAY]),
    on_key_limit=st.sampled_from([FAIL, RETIRE_PREVIOUS, REMOVE_UNUSED]),
    unused_since=st.just(90 * DAY),
    deferred=st.booleans(),
    rotation=st.sampled_from(["", "rate(30 days)"]),
)
_uses = st.none() | st.sampled_from([NEVER, LastUse(NOW - HOUR / 2, "s3"), LastUse(NOW - 9 * DAY, "sts")])


def rarely(draw: st.DrawFn) -> bool:
    """Let something be so now and then."""
    return draw(st.integers(0, 7)) == 7


def claim_secret(draw: st.DrawFn, situation: Situation, owner: str) -> None:
    """Let a resource declare a key, or have been deleted."""
    serial, status = draw(st.sampled_from("123")), "Inactive" if rarely(draw) else "Active"
    situation.declared(serial, status, owner=owner, rules=draw(_rules), present=not rarely(draw))
    if draw(st.booleans()):
        situation.applied(owner)


def record_key(draw: st.DrawFn, situation: Situation, key_id: str) -> None:
    """Let the ledger know of a key, which IAM may show otherwise."""
    states = ["created", "stored", "proven", "replaced", "inactive", "orphan", "deleted"]
    if situation.entry.current is None:
        states = ["current"] * 4 + states
    how, age = draw(st.sampled_from(states)), draw(_ages)
    members: dict[str, Any] = {"owner": draw(st.sampled_from(list(situation.entry.claims)))}
    if how in {"created", "stored"}:
        members |= {"stored": NOW if how == "stored" else None, "proven": None}
    if how in {"replaced", "inactive"}:
        members |= {"replaced": NOW - age, "by": draw(st.sampled_from(["deployment", "rotation", "operator"]))}
    if how == "inactive" or (how == "current" and rarely(draw)):
        members["deactivated"] = NOW - age
    if rarely(draw):
        members["note"] = "it leaked"
    situation.managed(key_id, how, draw(st.sampled_from("123")), **members)
    if how == "deleted" or rarely(draw):
        situation.missing(key_id)
    elif rarely(draw):
        situation.unmanaged(key_id, draw(st.sampled_from(["Active", "Inactive", "Expired"])))


def leave_unfinished(draw: st.DrawFn, situation: Situation) -> None:
    """Let a holder have died, and a rotation of Secrets Manager be under way."""
    recorded = list(situation.entry.keys)
    if rarely(draw):
        baseline = draw(st.lists(st.sampled_from([A, F]), unique=True))
        situation.attempt(*baseline, since=NOW - draw(_ages), until=NOW - draw(_ages))
    if rarely(draw):
        situation.switching(draw(st.sampled_from([*recorded, C])))
    if draw(st.booleans()):
        situation.versions[TOKEN] = {PENDING}
        pending = [key.id for key in situation.entry.keys.values() if key.state in {"proven", "created"}]
        if pending:
            situation.changed(rotation=Rotation(TOKEN, NOW - draw(_ages), pending[0]))
            situation.managed(pending[0], situation.entry.keys[pending[0]].state, version=TOKEN)


def change_by_hand(draw: st.DrawFn, situation: Situation) -> None:
    """Let a person have moved AWSCURRENT, labelled a version, tagged the user, or put the table back."""
    if rarely(draw):
        situation.current_is(draw(st.sampled_from([BY_HAND, *map(version_of, situation.entry.keys)])))
    elif draw(st.booleans()):
        situation.versions.setdefault(BY_HAND, set()).add(PREVIOUS)
    if rarely(draw):
        situation.versions.setdefault("f", set()).add(F)
    situation.user_tags = draw(st.none() | st.just({}) | st.just({F: key_tag("x", OWNER), A: TAG}))
    if draw(st.booleans()):
        situation.changed(settled=NOW - draw(_ages))


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    """Build one."""
    situation = Situation(
        state=draw(st.sampled_from(SecretState)) if rarely(draw) else SecretState.WRITABLE,
        user_exists=not rarely(draw),
        creating_elsewhere=draw(st.booleans()),
        recorded_elsewhere=draw(st.none() | st.just(frozenset()) | st.just(frozenset({F}))),
    )
    claim_secret(draw, situation, OWNER)
    if rarely(draw):
        claim_secret(draw, situation, OTHER)
    for key_id in draw(st.lists(st.sampled_from(MANAGED), unique=True)):
        record_key(draw, situation, key_id)
    if rarely(draw):
        situation.unmanaged(F, draw(st.sampled_from(["Active", "Inactive"])), created=NOW - draw(_ages))
    for key_id in situation.keys:
        use = draw(_uses)
        if use:
            situation.used(key_id, use)
    leave_unfinished(draw, situation)
    change_by_hand(draw, situation)
    return situation


PLANS: dict[str, Callable[..., object]] = {
    "deployment": plan_deployment,
    "deletion": plan_deletion,
    "maintenance": plan_maintenance,
    "undo": plan_undo,
    "undo by an alarm": lambda draft, owner: plan_undo(draft, owner, alarm=NOW),
    "rotate": plan_rotation_by_operator,
    "retire": plan_retire_now,
    "cut-over": lambda draft, owner: plan_cut_over(draft, owner, version_of(B)),
    "create": lambda draft, owner: plan_create_secret(draft, owner, TOKEN),
    "test": lambda draft, owner: plan_test_secret(draft, owner, TOKEN),
    "finish": lambda draft, owner: plan_finish_secret(draft, owner, TOKEN),
    "failed step": lambda draft, owner: plan_failed_step(draft, owner, (B,)),
    "failed update": lambda draft, owner: plan_failed_cleanup(draft, owner, (B,), new_resource=False, go_back=True),
    "failed create": lambda draft, owner: plan_failed_cleanup(draft, owner, (B,), new_resource=True, go_back=True),
    "late switch": lambda draft, owner: plan_take_back(draft, owner, Promote(B, version_of(A), "x")),
    "late deactivation": lambda draft, owner: plan_take_back(draft, owner, Deactivate(B, "x")),
    "late creation": lambda draft, owner: plan_take_back(draft, owner, CreateKey(owner, "deploy", (), "1", key_id=F)),
    "report": status_report,
}
MAY_TAKE_AWAY = {"deletion", "failed create", "failed update", "undo", "undo by an alarm"}


def check_order(name: str, situation: Situation, draft: Draft) -> None:
    """Check what no order of actions may do."""
    deactivated = set[str]()
    allowed = set(situation.entry.keys) | {NEW}
    before = situation.draft()
    for action in draft.actions:
        if isinstance(action, Deactivate | Activate | DeleteKey | Promote) and F not in draft.entry.keys:
            assert action.key_id in allowed or action.key_id == F, f"{action} touches what is not recorded"
        if isinstance(action, Deactivate):
            deactivated.add(action.key_id)
        if isinstance(action, DeleteKey):
            assert action.key_id in deactivated, f"{action} deletes what was not deactivated"
        if isinstance(action, Deactivate | DeleteKey) and name not in MAY_TAKE_AWAY:
            key = before.entry.keys.get(action.key_id)
            claim = before.entry.claims.get(key.owner) if key else None
            is_served = key is not None and key.usable and before.current == key.version_id
            if is_served and claim and claim.present and claim.status == "Active":
                assert key is not None
                assert key.state is not KeyState.CURRENT, f"{action} cuts off who uses the current key"
        before.add(action)
    assert sum(key.state is KeyState.CURRENT for key in draft.entry.keys.values()) <= 1


@given(situation=situations(), name=st.sampled_from(sorted(PLANS)))
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_rule_fails_otherwise_than_in_its_own_words(situation: Situation, name: str) -> None:
    """And what is planned until then harms nobody; the entry can be swept afterwards."""
    for owner in situation.entry.claims:
        draft = situation.draft("1")
        with suppress(ProviderError):
            PLANS[name](draft, owner)
        check_order(name, situation, draft)
        due = next_due(draft.entry, NOW)
        assert due is None or due > NOW
        assert draft.entry.pruned(NOW).pruned(NOW) == draft.entry.pruned(NOW)


@given(situation=situations())
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_deployment_that_is_planned_ends_with_the_declared_key(situation: Situation) -> None:
    """Current, of the declared serial, with the declared status; and the same again has nothing to do in AWS."""
    draft = situation.draft("1")
    try:
        plan_deployment(draft, OWNER)
    except ProviderError:
        return
    current, declared = draft.entry.current, draft.claim(OWNER)
    assert current is not None
    assert (current.owner, declared.serial in current.serials) == (OWNER, True)
    assert draft.statuses[current.id] == declared.status
    assert draft.current == current.version_id
    assert declared.applied
    assert len([key for key in draft.statuses if key != F]) <= max(2, len([k for k in situation.keys if k != F]))


@given(situation=situations())
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_deletion_that_is_planned_leaves_no_key(situation: Situation) -> None:
    """Of the resource; every other one is as it was."""
    draft = situation.draft()
    plan_deletion(draft, OWNER)
    assert [key.id for key in draft.entry.keys_of(OWNER) if key.state is not KeyState.ORPHAN] == []
    for key in situation.entry.keys.values():
        if key.owner == OTHER and key.exists and key.id in situation.keys:
            assert draft.entry.keys[key.id].exists
