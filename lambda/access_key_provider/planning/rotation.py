"""The four steps of a rotation by Secrets Manager, and a rotation that an operator asks for. Pure rules on a draft.

Secrets Manager makes an empty version, AWSPENDING, whose id is the token of the rotation, and retries the steps with
the same token until they succeed. A version that has a value never takes another one, so the new key is proven before
it is stored: what is stored is never in doubt, and until then a retry begins anew.
https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from access_key_provider.model.actions import BY_OPERATOR, BY_ROTATION, CreateKey, ProveKey, StoreSecret
from access_key_provider.model.errors import RotationError
from access_key_provider.model.state import CURRENT, INACTIVE, PENDING
from access_key_provider.planning.consumers import deliver
from access_key_provider.planning.copies import restore_copies, write_copies
from access_key_provider.planning.deployment import create_and_promote, promote, require_user_and_secret, tag_current
from access_key_provider.planning.key_slots import free_key_slot
from access_key_provider.planning.recovery import record_stored, record_switch_by_hand, recover
from access_key_provider.planning.removal import end_rotation, remove, remove_pending_label
from access_key_provider.planning.retirement import retire

if TYPE_CHECKING:
    from access_key_provider.model.entry import KeyRecord
    from access_key_provider.model.state import SecretVersion
    from access_key_provider.planning.draft import Draft


def plan_create_secret(draft: Draft, owner: str, token: str) -> None:
    """Plan createSecret: create a key, prove it, and store it in the version that is pending.

    Raises:
        RotationError: the rotation is not the one that is pending, or the key is not to be rotated.
        KeyLimitReachedError: there is no key slot for another key.
    """
    if _is_finished(draft, owner, token):
        return
    version = _version(draft, token)
    _require_pending(version)
    record_stored(draft, owner)
    record_switch_by_hand(draft, owner)
    if _is_spoilt(draft, owner, version):
        end_rotation(draft, BY_ROTATION)
        remove_pending_label(draft, version)
        return
    rotation = draft.entry.rotation
    if rotation and rotation.token != token:
        end_rotation(draft, BY_ROTATION)
    recover(draft, owner, BY_ROTATION)
    if _pending_key(draft, owner, token):
        return
    claim = draft.claim(owner)
    free_key_slot(draft, owner, BY_ROTATION, for_rotation=True)
    draft.add(
        CreateKey(owner, claim.user_name, tuple(draft.statuses), claim.serial, token),
        ProveKey(secret_format=claim.secret_format),
    )
    write_copies(draft, owner)
    draft.add(StoreSecret(token, secret_format=claim.secret_format))


def plan_test_secret(draft: Draft, owner: str, token: str) -> None:
    """Plan setSecret and testSecret: there is nothing to set, and the proof was made when the key was in memory.

    With `RotateImmediately=false` Secrets Manager tests a version that nothing was written to: the current key stands
    for it. A pending key that somebody has deactivated is given up, so that the next rotation works.

    Raises:
        RotationError: the key does not exist, does not work, or was never proven.
    """
    if _is_finished(draft, owner, token):
        return
    key = _pending_key(draft, owner, token)
    current = draft.entry.current
    if key is None and draft.entry.rotation is None and current and draft.exists(current):
        return
    if key is None:
        raise RotationError(f"version {token} holds no key that works: rotate again")
    if not draft.is_active(key.id):
        end_rotation(draft, BY_ROTATION)


def plan_finish_secret(draft: Draft, owner: str, token: str) -> None:
    """Plan finishSecret: make the pending version current, and retire the key before it as after a deployment.

    AWSPENDING stays where it is: taking it off would tell Secrets Manager that the rotation failed.

    Raises:
        RotationError: the version holds no key that works, or the rotation is not the one that is pending.
    """
    if not _is_finished(draft, owner, token):
        version = _version(draft, token)
        _require_pending(version)
        key = _pending_key(draft, owner, token)
        if key is None:
            raise RotationError(f"version {token} holds no key that works: rotate again")
        if not draft.is_active(key.id):
            end_rotation(draft, BY_ROTATION)
            return
        promote(draft, key, BY_ROTATION)
    recover(draft, owner, BY_ROTATION)
    retire(draft, owner, BY_ROTATION)
    tag_current(draft, owner)
    deliver(draft, owner)


def plan_rotation_by_operator(draft: Draft, owner: str) -> None:
    """Make a new key current, without a change of the template.

    Raises:
        RotationError: the template declares no Active key.
        KeyLimitReachedError: there is no key slot for another key.
    """
    _require_rotatable(draft, owner)
    recover(draft, owner, BY_OPERATOR)
    end_rotation(draft, BY_OPERATOR)
    create_and_promote(draft, owner, BY_OPERATOR)
    retire(draft, owner, BY_OPERATOR)
    tag_current(draft, owner)
    deliver(draft, owner)


def plan_failed_step(draft: Draft, owner: str, made: tuple[str, ...]) -> None:
    """Take back what a failed step has made, unless it is stored: the next try of the step goes on with that.

    The readers of the copies get the current key again.
    """
    restore_copies(draft, owner)
    for key_id in made:
        key = draft.entry.keys.get(key_id)
        if key and key.exists and key.published is None and not (key.usable and draft.claim(owner).present):
            remove(draft, key, BY_ROTATION)


def _is_finished(draft: Draft, owner: str, token: str) -> bool:
    """Check what every step checks first; tell whether the version is current already."""
    _require_rotatable(draft, owner)
    return CURRENT in _version(draft, token).labels


def _require_rotatable(draft: Draft, owner: str) -> None:
    claim = draft.claim(owner)
    if not claim.present or claim.status == INACTIVE:
        raise RotationError("the template declares no Active key: there is nothing to rotate")
    require_user_and_secret(draft.observed, claim, draft.entry.secret_arn)


def _version(draft: Draft, token: str) -> SecretVersion:
    version = draft.observed.secret.version(token)
    if version is None:
        raise RotationError(f"the secret has no version {token}: the rotation was given up, rotate again")
    return version


def _pending_key(draft: Draft, owner: str, token: str) -> KeyRecord | None:
    """Find the key that was stored in the pending version and works as far as is known.

    One that was made for what a deployment declared that was rolled back since is none: its secret may be written in a
    format that readers do not expect.
    """
    rotation = draft.entry.rotation
    key = draft.entry.keys.get(rotation.key_id) if rotation and rotation.token == token else None
    return key if key and key.usable and draft.exists(key) and draft.claim(owner).serial in key.serials else None


def _is_spoilt(draft: Draft, owner: str, version: SecretVersion) -> bool:
    """Tell whether the pending version holds a key that can't be used: its value can't be replaced by another one."""
    held = {label for label in version.labels if not label.startswith("AWS")}
    key = _pending_key(draft, owner, version.id)
    return bool(held - {key.id if key else ""})


def _require_pending(version: SecretVersion) -> None:
    if PENDING not in version.labels:
        raise RotationError(f"version {version.id} is not AWSPENDING: the rotation was given up, rotate again")
