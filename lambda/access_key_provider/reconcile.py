"""Observe, plan, apply: the operations that every entry point runs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from access_key_provider.apply import Executor
from access_key_provider.errors import (
    ConflictError,
    KeyLimitReachedError,
    OutcomeUnknownError,
    ProviderError,
    SecretUnavailableError,
)
from access_key_provider.observe import observe
from access_key_provider.ownership import owned_keys
from access_key_provider.plan import matching_key, plan_abandoned, plan_absent, plan_present

if TYPE_CHECKING:
    from collections.abc import Callable

    from access_key_provider.actions import Action
    from access_key_provider.model import AccessKey, Desired, Observed, Place
    from access_key_provider.ports import Ports

# Seconds kept back while acting, for undoing and answering, and while undoing, for answering.
_RESERVE_TO_UNDO = 45.0
_RESERVE_TO_ANSWER = 15.0

# How often to look again when something changed in between or an answer was lost, and how long to wait before:
# IAM may list a key some seconds after it made it.
_ATTEMPTS = 3
_SETTLING_TIME = 5.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The key that is current now, and whether it was made or found."""

    access_key_id: str
    version_id: str
    status: str
    created: bool


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
    established: list[bool] = []

    def plan(observed: Observed) -> list[Action]:
        established.append(any(key.proven and key.current for key in owned_keys(observed, desired.place)))
        return plan_present(observed, desired)

    try:
        executor, observed = _repeat(ports, desired.place, plan, _RESERVE_TO_UNDO)
    except ProviderError as error:
        raise _undone(
            ports, desired.place, _explained(ports, error), wipe=new_place and established[:1] == [False]
        ) from error
    existing = matching_key(observed, desired)
    key_id = executor.new_key_id or (existing.id if existing else "")
    return Outcome(
        access_key_id=key_id,
        version_id=desired.place.version_id(key_id),
        status=desired.status,
        created=executor.new_key_id is not None,
    )


def make_absent(ports: Ports, place: Place, tombstone: str) -> tuple[str, ...]:
    """Delete every key of the place and return their ids.

    The tombstone is left before the first look: a creation that is still running finds it, whichever comes first.
    """
    # A creation for a secret that can't be written to has failed or will.
    with suppress(SecretUnavailableError):
        ports.secret.tag(place.tombstone_tag, tombstone)
    removed: list[str] = []

    def plan(observed: Observed) -> list[Action]:
        removed.extend(key.id for key in owned_keys(observed, place) if key.key and key.id not in removed)
        return plan_absent(observed, place)

    _repeat(ports, place, plan, _RESERVE_TO_ANSWER)
    return tuple(removed)


def _repeat(
    ports: Ports, place: Place, plan: Callable[[Observed], list[Action]], reserve: float
) -> tuple[Executor, Observed]:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            observed = observe(ports, place)
            executor = Executor(ports, place, reserve=reserve)
            executor.run(plan(observed))
        except (ConflictError, OutcomeUnknownError):
            if attempt == _ATTEMPTS or ports.clock.remaining() < reserve + _SETTLING_TIME:
                raise
            ports.clock.sleep(_SETTLING_TIME)
        else:
            return executor, observed
    raise AssertionError("unreachable")


def _undone(ports: Ports, place: Place, error: ProviderError, *, wipe: bool) -> ProviderError:
    """Remove what the failed call made, and return the error, which says so if that fails too.

    A new place is wiped at once: CloudFormation sends no Delete for that of a replacement that failed.
    """
    try:
        _repeat(
            ports,
            place,
            lambda observed: (plan_absent if wipe else plan_abandoned)(observed, place),
            _RESERVE_TO_ANSWER,
        )
    except ProviderError as failure:
        return ProviderError(f"{error}; cleaning up failed as well: {failure}")
    return error


def _explained(ports: Ports, error: ProviderError) -> ProviderError:
    """Complete the message of a reached limit with what the user must know to choose a key to remove."""
    if not isinstance(error, KeyLimitReachedError):
        return error
    described = "; ".join(_described(ports, key) for key in error.keys)
    return ProviderError(
        f"{error}, and none is ours to remove: {described}. Delete one that is not needed (aws iam update-access-key "
        f"--status Inactive, wait, aws iam delete-access-key, each with --user-name {error.user_name}), then deploy"
    )


def _described(ports: Ports, key: AccessKey) -> str:
    try:
        use = str(ports.keys.last_use(key.id))
    except ProviderError:
        use = "last use unknown"
    return f"{key.id} {key.status}, created {key.created:%Y-%m-%d}, {use}"
