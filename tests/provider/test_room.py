"""Full users and secrets are refused before the first write, and never stand in the way of a Delete or a rollback."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest import mock

import pytest
from fakes.faults import PROCESS_DEATH
from faults.stack import OPERATIONS, Operation, Stack
from provider.test_plan import AS_DECLARED, LEAVE_MARK, MARK, MARK_TAG, PLACE, TAG, A, B, Situation, desired

from access_key_provider.model.actions import CreateKey, LookAgain, SetStatus, TagUser, UntagSecret
from access_key_provider.model.errors import NoRoomError
from access_key_provider.model.records import Mark
from access_key_provider.planning import deployment
from access_key_provider.planning.deployment import plan_present

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BEFORE = PLACE.request_tag("before")
KEYLESS = [operation for operation in OPERATIONS if operation.name in {"restore", "deactivate", "delete"}]
OLD_MARK = str(Mark(MARK.time, "before"))


def others(number: int) -> dict[str, str]:
    """Make up tags that are none of ours."""
    return {f"Team-{index}": "shop" for index in range(number)}


def fill(situation: Situation, *, user: int = 0, secret: int = 0, labels: int = 0) -> Situation:
    """Add tags and labels of others up to so many."""
    situation.user_tags |= others(user - len(situation.user_tags)) if user else {}
    situation.secret_tags |= others(secret - len(situation.secret_tags)) if secret else {}
    held = sum(map(len, situation.versions.values()))
    if labels:
        situation.versions["11111111-2222-4333-8444-555555555555"] = {f"label-{n}" for n in range(labels - held)}
    return situation


def rotated_once() -> Situation:
    """Let a retired key be there beside the current one."""
    return Situation().owned(A, "1", 1, "Inactive", "AWSPREVIOUS").owned(B, "2", 2, "Active", "AWSCURRENT")


@pytest.mark.parametrize(
    ("seen", "serial", "message"),
    [
        pytest.param(fill(Situation(), user=50), "1", "user deploy has 50 tags, AWS allows 50: remove 2", id="user"),
        pytest.param(fill(Situation(), user=49), "1", "has 49 tags, AWS allows 50: remove 1", id="one tag of two"),
        pytest.param(fill(Situation().intent(), user=50), "1", "remove 1", id="the intent is there already"),
        pytest.param(fill(rotated_once(), user=50), "3", "remove 1", id="a retired key's tag goes too late"),
        pytest.param(fill(Situation(secret_tags={}), secret=50), "1", "shop/deploy-AbCdEf has 50 tags", id="secret"),
        pytest.param(fill(Situation(), labels=18), "1", "has 18 labels, AWS allows 20: remove 1", id="labels"),
        pytest.param(fill(Situation(), labels=20), "1", "remove 3", id="labels full"),
    ],
)
def test_what_does_not_fit_is_refused(seen: Situation, serial: str, message: str) -> None:
    """With what is full, how full, the limit and how much must go; in the words of a reason."""
    with pytest.raises(NoRoomError) as refused:
        plan_present(seen.observed(), desired(serial))
    assert message in str(refused.value)
    assert "(aws " in str(refused.value)
    assert len(str(refused.value)) <= 256


@pytest.mark.parametrize(
    ("seen", "serial"),
    [
        pytest.param(fill(Situation(), user=48), "1", id="user"),
        pytest.param(fill(Situation().intent(), user=49), "1", id="the intent is there already"),
        pytest.param(fill(rotated_once(), user=49), "3", id="a retired key's tag makes room"),
        pytest.param(fill(Situation(), secret=50), "1", id="the mark is there already"),
        pytest.param(Situation(secret_tags={MARK_TAG: str(MARK)} | {f"aws:{n}": "" for n in range(60)}), "1", id="own"),
        pytest.param(fill(Situation(), labels=17), "1", id="labels"),
        pytest.param(fill(rotated_once(), labels=20), "3", id="a retired key's labels make room"),
    ],
)
def test_what_fits_is_done(seen: Situation, serial: str) -> None:
    """To the last tag and label; those of AWS's own do not count."""
    assert CreateKey() in plan_present(seen.observed(), desired(serial))


def test_what_is_settled_needs_no_room() -> None:
    """A repeat succeeds however full everything is."""
    seen = fill(Situation().owned(A, "1", 1, "Active", "AWSCURRENT"), user=50, secret=50, labels=20)
    assert plan_present(seen.observed(), desired("1")) == list(AS_DECLARED)


def test_a_tag_that_does_not_fit_is_left_out() -> None:
    """The label still says that the key is ours; nothing else is held up."""
    seen = Situation().owned(A, "1", 1, "Inactive", "AWSCURRENT")
    seen.user_tags.clear()
    actions = plan_present(fill(seen, user=50).observed(), desired("1"))
    assert SetStatus(A, "Active") in actions
    assert TagUser(A, TAG) not in actions


def test_on_a_full_secret_the_mark_takes_the_place_of_the_one_before() -> None:
    """So that a rollback has room where its rotation had."""
    seen = Situation(secret_tags={BEFORE: OLD_MARK}).owned(A, "1", 1, "Active", "AWSCURRENT")
    assert plan_present(fill(seen, secret=49).observed(), desired("1")) == [LEAVE_MARK, LookAgain()]
    seen.secret_tags["one more"] = ""
    assert plan_present(seen.observed(), desired("1")) == [UntagSecret((BEFORE,)), LEAVE_MARK, LookAgain()]


def add_user_tags(stack: Stack, up_to: int) -> None:
    """Let a person tag the user."""
    tags = stack.account.state.users["deploy"].tags
    for number in range(up_to - len(tags.value)):
        stack.account.person.tag_user("deploy", f"Team-{number}", "shop")


def add_secret_tags(stack: Stack, up_to: int) -> None:
    """Let a person tag the secret."""
    tags = stack.account.state.secrets[stack.secret_arn].tags
    for number in range(up_to - len(tags.value)):
        stack.account.person.tag_secret(stack.secret_arn, f"Team-{number}", "shop")


def add_labels(stack: Stack, up_to: int) -> None:
    """Let a person put labels on a value of their own, which is not current."""
    labels = stack.account.state.secrets[stack.secret_arn].labels.value
    count = up_to - len(labels)
    if count > 0:
        stack.account.person.put_value(stack.secret_arn, "by hand", *(f"label-{n}" for n in range(count)))


FILLERS: dict[str, tuple[Callable[[Stack, int], None], int]] = {
    "user tags": (add_user_tags, 50),
    "secret tags": (add_secret_tags, 50),
    "labels": (add_labels, 20),
}


@pytest.fixture
def stack() -> Iterator[Stack]:
    """Give a stack on the fake account, which enforces the quotas."""
    with Stack.on_fake_account("the value before") as made:
        yield made


@pytest.mark.parametrize("below", range(5))
@pytest.mark.parametrize("what", FILLERS)
@pytest.mark.parametrize("serials", [(), ("1",), ("1", "2")], ids=["create", "rotate", "rotate and make room"])
def test_a_key_is_made_or_refused_before_any_write(
    stack: Stack, serials: tuple[str, ...], what: str, below: int
) -> None:
    """At every fill the rule and the account agree; what is refused would have failed in the middle."""
    for serial in serials:
        properties = stack.properties(serial)
        stack.must(stack.update(properties) if stack.known else stack.create(properties))
    add, limit = FILLERS[what]
    add(stack, limit - below)
    stack.account.log.clear()
    wanted = stack.properties("next")
    event = stack.update(wanted) if stack.known else stack.create(wanted)
    if stack.deliver(event) == "SUCCESS":
        assert stack.current_key()[1] == "Active"
    else:
        assert stack.account.log.writes() == []
        assert f"AWS allows {limit}" in stack.answers[-1]["Reason"]
        with mock.patch.object(deployment, "require_room"):
            assert stack.deliver(event) == "FAILED", "there was room"
    stack.check_always()


@pytest.mark.parametrize("what", FILLERS)
def test_a_full_account_refuses_a_first_key(stack: Stack, what: str) -> None:
    """The rule does refuse, and what CloudFormation sends then, a Delete, finds nothing to do."""
    add, limit = FILLERS[what]
    add(stack, limit)
    assert stack.deliver(stack.create(stack.properties())) == "FAILED"
    assert stack.account.log.writes() == []
    assert stack.deliver(stack.event("Delete", stack.properties(), stack.last_id)) == "SUCCESS"
    stack.check_nothing_of_ours()


@pytest.mark.parametrize("what", FILLERS)
@pytest.mark.parametrize(
    "operation", [op for op in OPERATIONS if op.name in {"restore", "deactivate", "delete"}], ids=str
)
def test_nothing_that_makes_no_key_is_refused(stack: Stack, operation: Operation, what: str) -> None:
    """A rollback, a change of status and a Delete succeed on a user and a secret that are full."""
    operation.prepare(stack)
    add, limit = FILLERS[what]
    add(stack, limit)
    event = operation.request(stack)
    assert stack.deliver(event) == "SUCCESS", stack.answers[-1]["Reason"]
    assert stack.deliver(event) == "SUCCESS", "delivered again"
    stack.check_deployed(event["ResourceProperties"] if event["RequestType"] == "Update" else None)


def test_a_delete_on_a_full_secret_stops_an_older_request(stack: Stack) -> None:
    """Its tombstone has taken the place of the mark."""
    create = stack.create(stack.properties())
    stack.must(create)
    add_secret_tags(stack, 50)
    assert stack.deliver(stack.event("Delete", stack.properties(), stack.last_id)) == "SUCCESS"
    assert stack.deliver(create) == "FAILED"
    assert "CloudFormation deleted the resource" in stack.answers[-1]["Reason"]
    stack.check_nothing_of_ours()


def test_a_delete_without_room_for_a_tombstone_succeeds(stack: Stack) -> None:
    """Somebody removed our marks and filled the secret; no creation could have left one there either."""
    stack.must(stack.create(stack.properties()))
    stack.account.person.untag_secret(stack.secret_arn)
    add_secret_tags(stack, 50)
    assert stack.deliver(stack.event("Delete", stack.properties(), stack.last_id)) == "SUCCESS"
    stack.check_nothing_of_ours()


def test_a_rotation_that_filled_the_secret_and_died_is_rolled_back(stack: Stack) -> None:
    """Both marks are there, and a third would be one too many."""
    stack.must(stack.create(stack.properties("1")))
    add_secret_tags(stack, 49)
    deployed = stack.properties("1")
    rotate = stack.update(stack.properties("2"))
    stack.account.fail(PROCESS_DEATH, "secretsmanager:UntagResource")
    assert stack.deliver(rotate) is None
    stack.account.heal()
    assert len(stack.account.state.secrets[stack.secret_arn].tags.value) == 50
    back = stack.event("Update", deployed, stack.last_id, stack.properties("2"))
    assert stack.deliver(back) == "SUCCESS", stack.answers[-1]["Reason"]
    assert stack.deliver(rotate) == "FAILED", "it comes too late"
    stack.check_deployed(deployed)
