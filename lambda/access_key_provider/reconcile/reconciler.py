"""Observe, plan, apply: the operations that every entry point runs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from access_key_provider.model.actions import LookAgain, TagSecret, TagUser
from access_key_provider.model.errors import ConflictError, KeyLimitReachedError, SupersededError
from access_key_provider.model.ownership import owned_keys, with_announcement
from access_key_provider.model.records import Intent
from access_key_provider.model.state import SETTLING_TIME, SecretState
from access_key_provider.planning.deletion import plan_abandoned, plan_absent, plan_withdrawn
from access_key_provider.planning.deployment import matching_key, plan_present
from access_key_provider.planning.drift import findings
from access_key_provider.planning.precedence import is_buried, is_superseded, marks_in_the_way, marks_of, tombstone
from access_key_provider.reconcile.executor import Executor
from access_key_provider.reconcile.observer import look_at_secret, observe
from lambda_shared.errors import OutcomeUnknownError, ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable

    from access_key_provider.model.actions import Action
    from access_key_provider.model.records import Mark
    from access_key_provider.model.retirement_rules import Policy
    from access_key_provider.model.state import AccessKey, Desired, Observed, Place
    from access_key_provider.reconcile.ports import Ports

# Seconds kept back while acting, for undoing and answering, and while undoing, for answering.
_RESERVE_TO_UNDO = 45.0
_RESERVE_TO_ANSWER = 15.0

# How often to begin again when something changed in between or an answer was lost, and how often to look at all.
_ATTEMPTS = 3
_LOOKS = 8


@dataclass(frozen=True, slots=True)
class Outcome:
    """The key that is current now, whether it was made or found, and what was not as it had been left."""

    access_key_id: str
    version_id: str
    status: str
    created: bool
    found: tuple[str, ...] = ()


def make_present(ports: Ports, desired: Desired, *, new_place: bool) -> Outcome:
    """Make the desired key current. When that fails, nothing that this call made is left.

    Args:
        ports: AWS and time.
        desired: the key.
        new_place: whether the resource comes to this place with this request. If it fails, and no key was current
            there before, everything goes; at an old place the keys that were proven before stay.

    Raises:
        ProviderError: why it can't be done; the message says what to change.
    """
    return _Creation(ports, desired, new_place=new_place).run()


def make_absent(ports: Ports, place: Place, request: Mark, *, dated: bool) -> tuple[str, ...] | None:
    """Delete every key of the place and return their ids; None if the resource was created again since.

    The tombstone is left before the first look: a creation that is still running finds it, whichever comes first.
    """
    secret = look_at_secret(ports)
    if dated and is_superseded(secret.tags, place, request, ports.clock.now()):
        return None
    # A creation for a secret that can't be written to has failed or will.
    if secret.state is SecretState.WRITABLE:
        in_the_way = marks_in_the_way(secret.tags, place)
        if in_the_way:
            ports.secret.untag(in_the_way)
        if in_the_way is not None and not is_buried(secret.tags, place, request, ports.clock.now()):
            ports.secret.tag({place.tombstone_tag: str(request)})
    removed: list[str] = []

    def plan(observed: Observed) -> list[Action]:
        removed.extend(key.id for key in owned_keys(observed, place) if key.key and key.id not in removed)
        return plan_absent(observed, place)

    carry_out(ports, place, plan)
    return tuple(removed)


class _Creation:
    """One call of `make_present`: what it found at first, what it made, and how it takes that back."""

    def __init__(self, ports: Ports, desired: Desired, *, new_place: bool) -> None:
        self._ports = ports
        self._desired = desired
        self._place = desired.place
        self._new_place = new_place
        self._first: Observed | None = None
        self._done: list[Action] = []
        self._made: str | None = None
        self._acted = False
        self._lost = False
        self._published = False

    def run(self) -> Outcome:
        """Do it, or undo it."""
        try:
            observed = _repeat(self._ports, self._pass, _RESERVE_TO_UNDO)
        except ProviderError as error:
            raise self._undone(explained(self._ports, error)) from error
        found = matching_key(observed, self._desired)
        key_id = self._made if self._made and self._published else found.id if found else ""
        version = found.version.id if found and found.version and found.id == key_id else self._place.version_id(key_id)
        return Outcome(
            key_id,
            version,
            self._desired.status,
            created=key_id == self._made,
            found=findings(self._first or observed, self._desired, self._done),
        )

    def _pass(self) -> tuple[Observed, float | None]:
        observed = self._with_announcement(observe(self._ports, self._place, self._desired.policy))
        executor = Executor(self._ports, self._place, reserve=_RESERVE_TO_UNDO)
        plan = self._plan(observed)
        self._acted = True
        try:
            executor.run(plan)
        except OutcomeUnknownError:
            self._lost = True
            raise
        finally:
            self._done += executor.done
            self._made = executor.new_key_id or self._made
        self._published = self._published or executor.new_key_id is not None
        return observed, executor.look_again_in

    def _plan(self, observed: Observed) -> list[Action]:
        self._first = self._first or observed
        if tombstone(observed, self._place) != tombstone(self._first, self._place):
            raise SupersededError("CloudFormation deleted the resource while this request was carried out")
        return (
            plan_present(observed, self._desired, self._made)
            if self._shows_what_was_done(observed)
            else [LookAgain(SETTLING_TIME)]
        )

    def _with_announcement(self, observed: Observed) -> Observed:
        tags = [action for action in self._done if isinstance(action, TagUser) and action.key == self._place.intent_tag]
        announced = Intent.parse(tags[-1].key, tags[-1].value) if tags and (self._made or self._lost) else None
        return with_announcement(observed, self._place, announced, ended=self._published) if announced else observed

    def _shows_what_was_done(self, observed: Observed) -> bool:
        """Tell whether the mark and the key that were made can be seen: nothing else that is seen may be acted on."""
        marks = marks_of(observed.secret.tags, self._place)
        own = self._place.request_tag(self._desired.request.request_id)
        marked = any(isinstance(action, TagSecret) and own in dict(action.tags) for action in self._done)
        if marked and own not in marks:
            return False
        owned = owned_keys(observed, self._place)
        return not self._published or any(key.id == self._made and key.proven and key.current for key in owned)

    def _undone(self, error: ProviderError) -> ProviderError:
        """Remove what was made, if anything, and return the error, which says so if that fails too."""
        if not self._acted:
            return error
        try:
            carry_out(self._ports, self._place, self._plan_to_undo(error))
        except ProviderError as failure:
            return ProviderError(f"{error}; cleaning up failed as well: {failure}")
        return error

    def _plan_to_undo(self, error: ProviderError) -> Callable[[Observed], list[Action]]:
        place, first = self._place, self._first
        established = first is None or any(key.proven and key.current for key in owned_keys(first, place))
        lost = isinstance(error, OutcomeUnknownError)

        def may_appear(observed: Observed) -> bool:
            return lost or (self._made is not None and self._made not in {key.id for key in observed.keys})

        looks = count()

        def take_back(observed: Observed) -> list[Action]:
            if lost and next(looks) == 0:
                # What was done, and whether at all, may be seen late.
                return [LookAgain(SETTLING_TIME)]
            if self._new_place and not established:
                # CloudFormation sends no Delete for the new place of a replacement that failed.
                return plan_absent(observed, place, key_may_appear=may_appear(observed))
            if first and is_superseded(observed.secret.tags, place, self._desired.request, observed.time):
                return plan_withdrawn(observed, place, first, self._done, self._made)
            return plan_abandoned(observed, place, key_may_appear=may_appear(observed))

        return take_back


def carry_out(
    ports: Ports,
    place: Place,
    plan: Callable[[Observed], list[Action]],
    policy: Policy | None = None,
    made: set[str] | None = None,
) -> Observed:
    """Look, plan and act until nothing calls for another look, and return the last look.

    Args:
        ports: AWS and time.
        place: where.
        plan: what to do, given what is seen.
        policy: which keys' last use the plan needs to know.
        made: takes the ids of the keys that were made, also if it fails then.

    Raises:
        ProviderError: an action failed, or the plan refuses.
    """

    def one_pass() -> tuple[Observed, float | None]:
        observed = observe(ports, place, policy)
        executor = Executor(ports, place, reserve=_RESERVE_TO_ANSWER)
        try:
            executor.run(plan(observed))
        finally:
            if made is not None and executor.new_key_id:
                made.add(executor.new_key_id)
        return observed, executor.look_again_in

    return _repeat(ports, one_pass, _RESERVE_TO_ANSWER)


def _repeat(ports: Ports, one_pass: Callable[[], tuple[Observed, float | None]], reserve: float) -> Observed:
    """Look, plan and act, until nothing calls for another look."""
    failures = 0
    for _ in range(_LOOKS):
        try:
            observed, wait = one_pass()
        except (ConflictError, OutcomeUnknownError, KeyLimitReachedError):
            # A key that was just deleted may be listed still, and one that was just retired seem Active.
            failures += 1
            if failures == _ATTEMPTS or ports.clock.remaining() < reserve + SETTLING_TIME:
                raise
            wait = SETTLING_TIME
        if wait is None:
            return observed
        ports.clock.sleep(wait)
    raise ConflictError("AWS does not show what was done, or somebody else keeps changing it: deploy again")


def explained(ports: Ports, error: ProviderError) -> ProviderError:
    """Complete the message of a reached limit with what the user must know to choose a key to remove."""
    if not isinstance(error, KeyLimitReachedError):
        return error
    described = "; ".join(_described(ports, key) for key in error.keys)
    return ProviderError(
        f"{error}, and {error.advice or 'none is ours to remove'}: {described}. Delete one that is not needed "
        "(aws iam update-access-key --status Inactive, wait, aws iam delete-access-key, each with --user-name "
        f"{error.user_name}), then deploy"
    )


def _described(ports: Ports, key: AccessKey) -> str:
    try:
        use = str(ports.keys.last_use(key.id))
    except ProviderError:
        use = "last use unknown"
    return f"{key.id} {key.status}, created {key.created:%Y-%m-%d}, {use}"
