"""A key that a person made, taken over by a deployment: whole lives, with every caller, on the fake account."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fakes.faults import ACCESS_DENIED, PROCESS_DEATH, THROTTLED
from support.key_events import events, kinds
from support.stack import INVENTED_ID, STEPS, TOKEN, Stack

from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RULES = {"GracePeriod": "3600", "RetentionPeriod": str(7 * 86_400)}


@pytest.fixture
def stack() -> Iterator[Stack]:
    """Give a user with a key that a person made."""
    with Stack.on_fake_account() as made:
        made.make_adoptable()
        yield made
        made.check_always()


def adopting(stack: Stack, serial: str = "1", **changes: str) -> dict[str, str]:
    """Declare a key that adopts the person's."""
    return stack.properties(serial, AdoptedKey=stack.adoptable, **RULES | changes)


def adopted(stack: Stack) -> Stack:
    """Deploy it."""
    stack.must(stack.create(adopting(stack)))
    return stack


def retired(stack: Stack) -> Stack:
    """Let the person's key be adopted, and deactivated a day later."""
    adopted(stack).sweep_for(DAY + HOUR)
    assert stack.keys()[stack.adoptable] == "Inactive"
    return stack


def refused(stack: Stack, properties: dict[str, str]) -> str:
    """Let a Create be refused, after which nothing is left and its Delete needs nothing."""
    before = stack.keys()
    assert stack.deliver(stack.create(properties)) == "FAILED"
    reason = str(stack.answers[-1]["Reason"])
    assert stack.keys() == before
    assert "iam:CreateAccessKey" not in [call.name for call in stack.account.log.calls()]
    stack.must(stack.event("Delete", properties, stack.last_id))
    stack.known = None
    return reason


def test_it_works_until_nobody_uses_it_and_then_goes(stack: Stack) -> None:
    """Active for a day, whatever the grace period, and for as long as it is used; then Inactive; then it is deleted."""
    adopted(stack)
    stack.check_deployed(adopting(stack))
    for _ in range(40):
        stack.account.person.use_key(stack.adoptable)
        stack.sweep(HOUR)
    assert stack.keys()[stack.adoptable] == "Active"
    assert kinds(stack.account) == ["Created", "Published", "Adopted", "Retirement Postponed"]
    stack.sweep_for(3 * DAY)
    assert stack.keys()[stack.adoptable] == "Inactive"
    stack.sweep_for(7 * DAY)
    assert stack.adoptable not in stack.keys()
    stack.check_deployed(adopting(stack))
    assert kinds(stack.account)[-2:] == ["Deactivated", "Deleted"]
    stack.must(stack.update(adopting(stack, "2")))
    stack.check_deployed(adopting(stack, "2"))


def test_the_events_say_whose_key_it_is(stack: Stack) -> None:
    """When it is taken over, and when it is given back; the answer to the Delete says so, too."""
    adopted(stack)
    stack.must(stack.delete())
    taken, given = events(stack.account, "Adopted", "Released")
    for event in (taken, given):
        assert event.detail["accessKeyId"] == stack.adoptable
        assert event.detail["userName"] == "deploy"
    assert f"{stack.adoptable}: nobody here manages it any more" in stack.answers[-1]["Reason"]


def test_a_delete_gives_it_back(stack: Stack) -> None:
    """As the rollback of a Create: it is as it was, and the secret's key is gone."""
    adopted(stack).must(stack.delete())
    assert stack.keys() == {stack.adoptable: "Active"}
    stack.check_deployed(None)


def test_a_delete_after_its_retirement_deletes_it(stack: Stack) -> None:
    """It was deactivated by us."""
    retired(stack).must(stack.delete())
    assert stack.keys() == {}


def test_a_deployment_without_it_gives_it_back_and_its_rollback_takes_it_again(stack: Stack) -> None:
    """While it is Active."""
    adopted(stack)
    update = stack.update(stack.properties("1", **RULES))
    assert stack.deliver(update) == "SUCCESS"
    assert (stack.adoption, stack.keys()[stack.adoptable]) == (None, "Active")
    assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
    stack.check_deployed(adopting(stack))


def test_a_rollback_to_an_adoption_that_is_over_succeeds(stack: Stack) -> None:
    """The key is gone, and the template before still names it, also where another one was named since."""
    retired(stack).sweep_for(8 * DAY)
    other = stack.account.person.make_key("deploy")
    update = stack.update(adopting(stack) | {"AdoptedKey": other})
    assert stack.deliver(update) == "SUCCESS"
    assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
    assert stack.keys()[other] == "Active"
    assert other not in stack.entry["keys"]


def test_an_update_that_adopts_gives_it_back_when_it_is_rolled_back(stack: Stack) -> None:
    """The key that was deployed stays current; nothing is created."""
    stack.deploy("1", **RULES)
    update = stack.update(adopting(stack))
    assert stack.deliver(update) == "SUCCESS"
    stack.check_deployed(adopting(stack))
    assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
    stack.check_deployed(stack.properties("1", **RULES))
    assert kinds(stack.account) == ["Created", "Published", "Adopted", "Released"]


@pytest.mark.parametrize("call", ["iam:CreateAccessKey", "secretsmanager:PutSecretValue", "iam:TagUser"])
@pytest.mark.parametrize("fault", [PROCESS_DEATH, ACCESS_DENIED], ids=str)
def test_a_create_that_fails_or_is_cancelled_leaves_it_as_it_was(stack: Stack, call: str, fault: Any) -> None:
    """Before the proof, after it, and after the switch: its Delete comes with the id that was answered, or any."""
    stack.account.fail(fault, call, phase="after" if fault is PROCESS_DEATH else "before", times=None)
    properties = adopting(stack)
    answer = stack.deliver(stack.create(properties))
    stack.account.heal()
    physical_id = stack.last_id if answer else INVENTED_ID
    assert stack.deliver(stack.event("Delete", properties, physical_id), after=120) == "SUCCESS"
    stack.sweep()
    assert stack.keys() == {stack.adoptable: "Active"}
    stack.check_deployed(None)


@pytest.mark.parametrize("adopts", [True, False], ids=["adopted", "released"])
def test_what_is_answered_is_on_record(stack: Stack, adopts: bool) -> None:  # noqa: FBT001
    """A ledger that takes no write any more fails the request, or the key would be retired though nobody names it."""
    stack.deploy("1", **RULES)
    if not adopts:
        stack.must(stack.update(adopting(stack)))
    for before in range(1, 5):
        with stack.forked() as fork:
            fork.account.fail(THROTTLED, "dynamodb:PutItem", phase="before", nth=before, times=None)
            update = fork.update(adopting(fork) if adopts else fork.properties("1", **RULES))
            answer = fork.deliver(update)
            fork.account.heal()
            if answer == "SUCCESS":
                assert (fork.adoption is not None) is adopts
            else:
                assert fork.deliver(fork.roll_back(update)) == "SUCCESS"
                assert (fork.adoption is not None) is not adopts


def test_a_request_that_comes_twice_adopts_once(stack: Stack) -> None:
    """Its grace period does not begin again; after a death in between the redelivery goes on."""
    create = stack.create(adopting(stack))
    stack.account.fail(PROCESS_DEATH, "secretsmanager:UpdateSecretVersionStage", phase="after")
    stack.deliver(create)
    stack.account.heal()
    for _ in range(2):
        assert stack.deliver(create, after=120) == "SUCCESS"
    since = (stack.adoption or {})["replaced"]
    assert stack.deliver(create, after=120) == "SUCCESS"
    assert (stack.adoption or {})["replaced"] == since
    assert kinds(stack.account).count("Adopted") == 1


# --- refusals


def test_a_key_of_another_user_is_refused(stack: Stack) -> None:
    """The message has the keys that there are, and what tells whose it is."""
    theirs = stack.account.person.make_key("vendor")
    reason = refused(stack, adopting(stack) | {"AdoptedKey": theirs})
    assert f"access key {theirs} can't be adopted: user deploy has {stack.adoptable} (Active" in reason
    assert "get-access-key-last-used" in reason


def test_a_key_of_another_entry_is_refused_and_named(stack: Stack) -> None:
    """Two secrets of one user: neither takes the other's key, nor one that the other has adopted."""
    adopted(stack)
    ours, _ = stack.current_key()
    for key, role in ((ours, "current"), (stack.adoptable, "previous")):
        properties = stack.properties(SecretArn=stack.other_arn, AdoptedKey=key)
        assert stack.deliver(stack.event("Create", properties, None, logical_id="Other")) == "FAILED"
        reason = str(stack.answers[-1]["Reason"])
        assert f"the ledger records it already, the {role} key of Key. Remove adopt()" in reason


def test_a_key_of_another_ledger_is_refused(stack: Stack) -> None:
    """The tag of the user says so; it is not ours, so it is not removed."""
    stack.account.person.tag_user("deploy", stack.adoptable, "other/Key owner=0123456789abcdef")
    assert "managed already: 'other/Key owner=0123456789abcdef'" in refused(stack, adopting(stack))


def test_a_user_with_another_key_has_no_slot(stack: Stack) -> None:
    """The message names both keys. Neither is touched, whatever may be removed for a slot."""
    stack.add_unmanaged_key("deploy")
    for choice in ("RetirePrevious", "RemoveUnused"):
        reason = refused(stack, adopting(stack, OnKeyLimit=choice, RemoveUnusedAfter="86400"))
        assert "user deploy has 2 access keys, IAM allows 2" in reason
        assert stack.adoptable in reason


# --- the others


def test_an_operator_retires_it_at_once_and_undoes_nothing(stack: Stack) -> None:
    """`show` has it; `undo` says why not; `rotate` waits for its slot, and says so."""
    adopted(stack)
    report = stack.operate("Show")
    assert [key.get("note") for key in report["keys"]] == ["adopted", None]
    with pytest.raises(ProviderError, match="was adopted, so its secret is not known here"):
        stack.operate("Undo")
    with pytest.raises(ProviderError, match="was adopted: wait until the sweep has retired it"):
        stack.operate("Rotate")
    stack.account.clock.sleep(2 * 86_400)
    stack.operate("Retire")
    assert stack.keys()[stack.adoptable] == "Inactive"
    stack.operate("Rotate")
    assert stack.adoptable not in stack.keys()


def test_secrets_manager_rotates_once_it_is_retired(stack: Stack) -> None:
    """Before that its step fails, and comes again."""
    adopted(stack)
    event = stack.begin_rotation()
    with pytest.raises(ProviderError, match="was adopted"):
        stack.invoke(event(STEPS[0]), "worker")
    stack.sweep_for(DAY + HOUR)
    for name in STEPS:
        stack.invoke(event(name), "worker")
    assert stack.entry["keys"][stack.current_key()[0]]["state"] == "current"
    assert TOKEN in stack.account.state.secrets[stack.secret_arn].labels.value.values()
    assert stack.adoptable not in stack.keys()


def test_an_alarm_does_not_touch_it(stack: Stack) -> None:
    """There is nothing that it could make current."""
    adopted(stack)
    stack.invoke(stack.alarm(), "worker")
    stack.sweep()
    assert stack.keys()[stack.adoptable] == "Active"
    stack.check_deployed(adopting(stack))


def test_a_cut_over_does_not_touch_it(stack: Stack) -> None:
    """Its rollback would not find it as it was."""
    properties = adopting(stack, GracePeriod="0", CutOver="Deferred")
    stack.must(stack.create(properties))
    version = stack.answers[-1]["Data"]["SecretVersionId"]
    event = stack.event("Create", {"SecretArn": stack.secret_arn, "SecretVersionId": version}, None)
    assert stack.deliver(event | {"ResourceType": "Custom::IAMAccessKeyCutOver"}) == "SUCCESS"
    assert stack.keys()[stack.adoptable] == "Active"


@pytest.mark.parametrize(
    ("by_hand", "left"),
    [
        (lambda stack: stack.account.person.delete_key(stack.adoptable), None),
        (lambda stack: stack.account.person.deactivate_key(stack.adoptable), "Inactive"),
    ],
    ids=["deleted", "deactivated"],
)
def test_what_a_person_does_to_it_meanwhile_is_theirs_to_do(
    stack: Stack, by_hand: Callable[[Stack], None], left: str | None
) -> None:
    """Nothing fails; a Delete leaves it as the person did, and a sweep goes on from there."""
    adopted(stack).account.clock.sleep(2 * 86_400)
    by_hand(stack)
    with stack.forked() as fork:
        fork.must(fork.delete())
        assert fork.keys() == ({fork.adoptable: left} if left else {})
    stack.sweep_for(9 * DAY)
    assert stack.adoptable not in stack.keys()
    stack.must(stack.update(adopting(stack, "2")))
    stack.check_deployed(adopting(stack, "2"))


def test_a_person_brings_it_back_by_activating_it(stack: Stack) -> None:
    """It has a grace period once more; without `adopt` it is theirs again."""
    retired(stack).account.person.set_key_status(stack.adoptable, "Active")
    with stack.forked() as fork:
        fork.must(fork.update(fork.properties(**RULES)))
        fork.sweep_for(9 * DAY)
        assert fork.keys()[fork.adoptable] == "Active"
        assert fork.adoption is None
    stack.sweep_for(DAY)
    assert (stack.adoption or {})["state"] == "replaced"
    assert stack.keys()[stack.adoptable] == "Active"


def test_a_deactivation_that_was_interrupted_is_done_by_the_sweep(stack: Stack) -> None:
    """The ledger has it as begun: nobody has activated the key, so it has no grace period once more."""
    adopted(stack).account.clock.sleep(DAY.total_seconds())
    stack.account.fail(PROCESS_DEATH, "iam:UpdateAccessKey")
    stack.operate("Retire")
    assert (stack.keys()[stack.adoptable], stack.adoption["state"]) == ("Active", "inactive")  # type: ignore[index]
    stack.sweep()
    assert stack.keys()[stack.adoptable] == "Inactive"


def test_a_user_that_was_renamed_keeps_it(stack: Stack) -> None:
    """The Delete gives it back without a call; our own key is named as left behind."""
    adopted(stack)
    ours, _ = stack.current_key()
    stack.account.person.rename_user("deploy", "renamed")
    assert stack.deliver(stack.delete()) == "SUCCESS"
    assert stack.keys("renamed") == {stack.adoptable: "Active", ours: "Active"}
    left = [event.detail["accessKeyId"] for event in events(stack.account, "Left Behind")]
    assert left == [ours]
    # Its user is gone, and with it what is checked at the end.
    stack.untouched_since = None


def test_after_the_entry_is_lost_it_is_unmanaged_until_it_is_adopted_again(stack: Stack) -> None:
    """Nothing of ours is on it. The next deployment names it still, and finds it or not."""
    adopted(stack)
    stack.account.person.delete_entry(stack.secret_arn)
    stack.sweep_for(3 * DAY)
    assert stack.keys()[stack.adoptable] == "Active"
    with stack.forked() as fork:
        fork.account.person.delete_key(fork.adoptable)
        fork.must(fork.update(adopting(fork, "2")))
        fork.check_deployed(adopting(fork, "2"))
    stack.must(stack.update(adopting(stack, Description="changed")))
    assert (stack.adoption or {})["adopted"] is True
    stack.check_deployed(adopting(stack, Description="changed"))


def test_a_change_of_the_secret_gives_it_back(stack: Stack) -> None:
    """The new place names the same key; the Delete of the old one gives it back, or deletes it if it was retired."""
    adopted(stack).sweep_for(DAY - HOUR)
    stack.account.person.delete_key(stack.our_keys()[0])
    properties = replace(stack).properties(AdoptedKey=stack.adoptable, SecretArn=stack.other_arn, **RULES)
    old = stack.known
    stack.must(stack.update(properties))
    assert old
    assert stack.deliver(stack.event("Delete", old[1], old[0])) == "SUCCESS"
    assert stack.keys()[stack.adoptable] == "Active"
    assert stack.adoption is None


def test_a_key_that_adopts_costs_a_plain_key_nothing(stack: Stack) -> None:
    """Without `AdoptedKey` no call is made that was not made before: tags and other entries are not read."""
    stack.deploy("1", **RULES)
    plain = [call.name for call in stack.account.log.calls()]
    assert "iam:ListUserTags" not in plain
    assert "dynamodb:Query" not in plain
