"""The four steps of a rotation by Secrets Manager. Pure functions, as in `deployment`.

Secrets Manager makes an empty version, AWSPENDING, whose id is the token of the rotation, and retries the steps with
the same token until they succeed. A version that has a value never takes another one, so the new key is proven before
it is stored: what is stored is never in doubt, and until then a retry begins anew.
https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from access_key_provider.model.actions import NEW, CreateKey, LookAgain, ProveKey, SetStatus, StoreSecret, TagUser
from access_key_provider.model.errors import ConflictError, RotationError
from access_key_provider.model.ownership import OwnedKey, open_intent, owned_keys
from access_key_provider.model.retirement_record import BY_ROTATION
from access_key_provider.model.state import ACTIVE, CURRENT, PENDING, looks_like_version_id
from access_key_provider.planning.cleanup import clean_up, close_intent, remove, remove_unrecorded
from access_key_provider.planning.deployment import announce, make_current, next_label, require_place
from access_key_provider.planning.key_limit import make_room
from access_key_provider.planning.precedence import check_no_request, latest_request
from access_key_provider.planning.retirement import plan_retirement, supersede

if TYPE_CHECKING:
    from collections.abc import Collection

    from access_key_provider.model.actions import Action
    from access_key_provider.model.registration import Registration
    from access_key_provider.model.state import Observed, SecretVersion

# As long as a request may be carried out.
_REQUEST_RUNS = timedelta(minutes=6)


def plan_creation(observed: Observed, managed: Registration, token: str) -> list[Action]:
    """Plan createSecret: create a key, prove it, and store it in the version that is pending.

    Raises:
        RotationError: the rotation is not the one that is pending, or the key is not to be rotated.
        ConflictError: a deployment is creating a key; Secrets Manager tries again.
        KeyLimitReachedError: there is no room for another key.
    """
    place = managed.place
    require_place(observed, place)
    version, key = _version(observed, token), _key(observed, managed, token)
    if CURRENT in version.labels:
        return []
    _require_pending(version)
    _require_active(managed)
    if key and key.proven:
        return [*clean_up(observed, place), *close_intent(observed, place)]
    if key:
        # Its value can't be replaced: give the rotation up, so that it does not block the next one.
        return [*remove(observed, key), LookAgain()]
    if any(looks_like_version_id(label) for label in version.labels):
        raise RotationError(f"version {token} holds the key of another user: the rotation was given up, rotate again")
    latest = latest_request(observed, place)
    if open_intent(observed, place) and latest and observed.time < latest.time + _REQUEST_RUNS:
        raise ConflictError("a deployment is changing the key at this moment")
    return [
        *clean_up(observed, place),
        TagUser(place.intent_tag, str(announce(observed, place))),
        *make_room(observed, place, managed.policy, for_rotation=True),
        CreateKey(),
        TagUser(NEW, place.key_tag_value(managed.description)),
        ProveKey(),
        StoreSecret(token, str(next_label(observed, place, managed.serial_digest))),
        LookAgain(),
    ]


def plan_undoing(observed: Observed, managed: Registration, made: Collection[str]) -> list[Action]:
    """Plan to remove the keys that a failed step has made, as far as they are not stored."""
    owned = [key for key in owned_keys(observed, managed.place) if key.id in made]
    unrecorded = [key_id for key_id in made if key_id not in {key.id for key in owned}]
    return [
        *(action for key in owned if not key.proven for action in remove(observed, key)),
        *(action for key_id in unrecorded for action in remove_unrecorded(observed, key_id)),
    ]


def plan_test(observed: Observed, managed: Registration, token: str) -> list[Action]:
    """Plan setSecret and testSecret: there is nothing to set, and the proof was made when the key was in memory.

    With `RotateImmediately=false` Secrets Manager tests a version that nothing was written to: the current key stands
    for it.

    Raises:
        RotationError: the key does not exist, does not work, or was never proven.
    """
    require_place(observed, managed.place)
    key = _key(observed, managed, token)
    if key is None:
        key = next((key for key in owned_keys(observed, managed.place) if key.current), None)
    if key is None or not key.proven:
        raise RotationError(f"version {token} holds no key that works, nor does the current one: rotate again")
    if not key.active and not managed.inactive:
        raise RotationError(f"{key.id} is Inactive: activate it, or rotate again")
    return []


def plan_finish(observed: Observed, managed: Registration, token: str) -> list[Action]:
    """Plan finishSecret: make the pending version current, and retire the key before it as after a deployment.

    AWSPENDING stays where it is: taking it off would tell Secrets Manager that the rotation failed.

    Raises:
        RotationError: the version holds no key that works, or the rotation is not the one that is pending, or it should
            not have begun.
    """
    place = managed.place
    require_place(observed, place)
    version, key = _version(observed, token), _key(observed, managed, token)
    if CURRENT in version.labels:
        return plan_retirement(observed, place, managed.policy)
    _require_pending(version)
    _require_active(managed)
    if key is None or not key.proven:
        raise RotationError(f"version {token} holds no key that works: rotate again")
    return [
        *([] if key.active else [SetStatus(key.id, ACTIVE)]),
        *supersede(observed, place, managed.policy, BY_ROTATION),
        check_no_request(observed, place),
        *make_current(observed, version.id),
        LookAgain(),
    ]


def _version(observed: Observed, token: str) -> SecretVersion:
    version = next((version for version in observed.secret.versions if version.id == token), None)
    if version is None:
        raise RotationError(f"the secret has no version {token}: the rotation was given up, rotate again")
    return version


def _key(observed: Observed, managed: Registration, token: str) -> OwnedKey | None:
    return next((key for key in owned_keys(observed, managed.place) if key.version and key.version.id == token), None)


def _require_pending(version: SecretVersion) -> None:
    if PENDING not in version.labels:
        raise RotationError(f"version {version.id} is not AWSPENDING: the rotation was given up, rotate again")


def _require_active(managed: Registration) -> None:
    """Refuse to make a key current that would have to be Inactive; a deployment may have declared it so meanwhile."""
    if managed.inactive:
        raise RotationError("the template declares the key Inactive: there is nothing to rotate")
