"""What a Create or Update of CloudFormation leads to. Pure rules on a draft.

The order of actions is what makes a death at any point harmless: an attempt is recorded before a key is created, and a
key before its secret is stored; a key is proven before it becomes current, and the previous key works until then; a key
is deactivated before it is deleted, and its record goes last.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from access_key_provider.model.actions import (
    BY_DEPLOYMENT,
    BY_ROLLBACK,
    NEW,
    Activate,
    CreateKey,
    Deactivate,
    Promote,
    ProveKey,
    Settle,
    StoreSecret,
    TagUser,
)
from access_key_provider.model.entry import KeyState, promotion_order
from access_key_provider.model.errors import SecretUnavailableError, UserNotFoundError
from access_key_provider.model.state import ACTIVE, INACTIVE, SecretState, digest, key_tag
from access_key_provider.planning.adoption import adopt, key_to_adopt
from access_key_provider.planning.consumers import deliver, deliver_before
from access_key_provider.planning.copies import (
    copies_agree,
    is_copied,
    point_copies,
    require_same_encryption,
    write_copies,
)
from access_key_provider.planning.deletion import plan_deletion
from access_key_provider.planning.key_slots import free_key_slot
from access_key_provider.planning.recovery import recover, unknown_labels
from access_key_provider.planning.removal import end_finished_rotation, end_rotation, end_unrecorded_rotation, remove
from access_key_provider.planning.retirement import retire

if TYPE_CHECKING:
    from access_key_provider.model.entry import Claim, Entry, KeyRecord
    from access_key_provider.model.state import Observed
    from access_key_provider.planning.draft import Draft

# A rotation of Secrets Manager takes seconds; one that has not finished by then is stuck.
_ROTATION_IS_STUCK = timedelta(minutes=15)


def plan_deployment(draft: Draft, owner: str, deployed_adoption: str = "") -> None:
    """Make the key of the declared serial current, with the declared status.

    A key that was already made for this serial is used again: that is what a redelivered request finds, and how a
    rollback gets the very key back that was current before. Else a new one is created. The others are retired.

    Args:
        draft: the plan.
        owner: the resource.
        deployed_adoption: the key that CloudFormation takes for adopted.

    Raises:
        AdoptionRefusedError: the key to adopt is not one of the user's, or it is managed already.
        UserNotFoundError: the user does not exist.
        SecretUnavailableError: the secret can't be written to.
        KeyLimitReachedError: there is no key slot for a new key, and no managed key to remove.
    """
    claim = draft.claim(owner)
    require_user_and_secret(draft.observed, claim, draft.entry.secret_arn)
    require_same_encryption(draft.entry, claim)
    recover(draft, owner, BY_DEPLOYMENT)
    adopted = key_to_adopt(draft, owner, deployed_adoption)
    target = key_of_serial(draft, owner)
    if _must_end_rotation(draft, owner, target):
        end_rotation(draft, BY_DEPLOYMENT)
        target = key_of_serial(draft, owner)
    elif claim.rules.rotation and claim.applied != applied_digest(claim):
        end_unrecorded_rotation(draft)
    _remove_never_published(draft, owner, target)
    if target:
        promote_existing(draft, owner, target, BY_DEPLOYMENT)
        with draft.left_to_the_sweep():
            retire(draft, owner, BY_DEPLOYMENT)
    else:
        create_and_promote(draft, owner, BY_DEPLOYMENT)
        retire(draft, owner, BY_DEPLOYMENT)
    tag_current(draft, owner)
    deliver(draft, owner)
    adopt(draft, owner, adopted)
    # A key that may be ours stays one to be recorded again until the user's tags can be read.
    undecided = draft.observed.user_tags is None and unknown_labels(draft.entry, draft.observed)
    draft.add(Settle(owner, applied_digest(claim), agrees=not undecided))


def key_of_serial(draft: Draft, owner: str) -> KeyRecord | None:
    """Find the key of the declared serial, the one that was published last if there are several.

    One that was never published is what a request or a rotation has left: it counts only if there is no other.
    One that another key of the same serial took the place of, and that was stopped since, may have leaked.
    """
    entry, claim = draft.entry, draft.claim(owner)
    pending = entry.pending_key_id
    matching = [
        key
        for key in entry.keys_of(owner)
        if claim.serial in key.serials and key.restorable and draft.exists(key) and key.id != pending
        if is_copied(entry, claim, key)
        if key.state is not KeyState.INACTIVE or key.by in {BY_DEPLOYMENT, BY_ROLLBACK}
    ]
    return max(matching, key=lambda key: (key.published is not None, promotion_order(key)), default=None)


def require_user_and_secret(observed: Observed, claim: Claim, secret_arn: str) -> None:
    """Refuse a user or a secret for which no key can be made. Raises UserNotFoundError or SecretUnavailableError."""
    if not observed.user_exists:
        raise UserNotFoundError(
            f"user {claim.user_name} does not exist: create it first, or correct the user of the key"
        )
    if not observed.secret.writable:
        raise SecretUnavailableError(_why_unavailable(observed.secret.state, secret_arn))


def applied_digest(claim: Claim) -> str:
    """Stand for all that a claim declares."""
    shape = [repr(declared) for declared in (claim.copies, claim.deliveries) if declared]
    declared = (claim.role_arn, claim.serial, claim.status, claim.description, claim.adopts, repr(claim.rules))
    return digest(*declared, *shape)


def is_applied(entry: Entry, owner: str) -> bool:
    """Tell whether AWS follows a claim already, and no deployment has changed it since: then there is nothing to do."""
    claim = entry.claims[owner]
    current = entry.current
    return (
        claim.present
        and not claim.touched
        and claim.applied == applied_digest(claim)
        and current is not None
        and current.owner == owner
        and claim.serial in current.serials
        and (current.deactivated is None) == (claim.status == ACTIVE)
        and entry.switching is None
        and owner not in entry.creating
        and copies_agree(entry)
    )


def create_and_promote(draft: Draft, owner: str, by: str) -> None:
    """Create a key and make it current."""
    claim = draft.claim(owner)
    free_key_slot(draft, owner, by)
    draft.add(
        CreateKey(owner, claim.user_name, tuple(draft.statuses), claim.serial),
        StoreSecret(secret_format=claim.secret_format),
        ProveKey(secret_format=claim.secret_format),
    )
    write_copies(draft, owner)
    if claim.status == INACTIVE:
        draft.add(Deactivate(NEW, by))
    promote(draft, draft.entry.keys[NEW], by)


def promote_existing(draft: Draft, owner: str, key: KeyRecord, by: str) -> None:
    """Make a key that exists the current one, with the declared status."""
    status = draft.claim(owner).status
    is_current = key.state is KeyState.CURRENT and draft.is_read(key)
    # What was set a moment ago is seen late in IAM, but the ledger knows it.
    set_otherwise = (
        not is_current or draft.statuses[key.id] != status or (key.deactivated is None) != (status == ACTIVE)
    )
    if status == ACTIVE and set_otherwise:
        make_active(draft, key)
    if not is_current:
        promote(draft, draft.entry.keys[key.id], by)
    if status == INACTIVE and set_otherwise:
        draft.add(Deactivate(key.id, by))


def make_active(draft: Draft, key: KeyRecord) -> None:
    """Make a key Active before it becomes current.

    If IAM shows it as Active, only a change of the last seconds can have made it Inactive. So who goes back to it need
    not be allowed to do more than to move AWSCURRENT.
    """
    if draft.is_active(key.id):
        with draft.left_to_the_sweep():
            draft.add(Activate(key.id))
    else:
        draft.add(Activate(key.id))


def promote(draft: Draft, key: KeyRecord, by: str, *, adds_serial: str = "", note: str = "") -> None:
    """Move AWSCURRENT to a key's version; a note keeps the key that was current from becoming it again.

    A key that was current before comes back first, and is delivered then: who undoes must be able to.
    """
    if key.published is None:
        deliver_before(draft, key)
    end_finished_rotation(draft, key.version_id)
    point_copies(draft, key)
    draft.add(Promote(key.id, draft.current, by, adds_serial, note))


def tag_current(draft: Draft, owner: str) -> None:
    """Let the user's tag say what the template says of the current key."""
    current = draft.entry.current
    if current and current.owner == owner:
        value = key_tag(draft.claim(owner).description, owner)
        if current.tag != value:
            draft.add(TagUser(current.id, value))


def plan_failed_cleanup(draft: Draft, owner: str, made: tuple[str, ...], *, new_resource: bool, go_back: bool) -> None:
    """Take back what a failed request has made.

    Args:
        draft: the plan.
        owner: whose request.
        made: the keys that it made.
        new_resource: the resource had no key before: nothing may be left of it.
        go_back: the key that was current before becomes current again; not if a later request decides that.
    """
    if new_resource:
        plan_deletion(draft, owner, BY_ROLLBACK)
        return
    recover(draft, owner, BY_ROLLBACK)
    for key_id in made:
        key = draft.entry.keys.get(key_id)
        if key is None or not key.exists:
            continue
        if key.state is KeyState.CURRENT and not go_back:
            continue
        if key.state is KeyState.CURRENT:
            previous = _previous(draft, key)
            if previous is None:
                continue
            if draft.claim(owner).status == ACTIVE:
                make_active(draft, previous)
            promote(draft, draft.entry.keys[previous.id], BY_ROLLBACK)
            deliver(draft, owner)
        remove(draft, draft.entry.keys[key_id], BY_ROLLBACK)


def _previous(draft: Draft, made: KeyRecord) -> KeyRecord | None:
    """Find the key that a failed request's key has replaced."""
    candidates = [
        key
        for key in draft.entry.keys.values()
        if key.restorable and draft.exists(key) and key.id != made.id and key.replaced is not None
    ]
    return max(candidates, key=lambda key: key.replaced or key.created, default=None)


def _must_end_rotation(draft: Draft, owner: str, target: KeyRecord | None) -> bool:
    """Tell whether an unfinished rotation is in the way: of another key, or of a change of its schedule."""
    rotation, claim = draft.entry.rotation, draft.claim(owner)
    if rotation is None:
        return False
    changed = claim.applied != applied_digest(claim)
    return target is None or changed or draft.now >= rotation.since + _ROTATION_IS_STUCK


def _remove_never_published(draft: Draft, owner: str, target: KeyRecord | None) -> None:
    """Remove the proven keys of requests that died before the switch."""
    pending = draft.entry.pending_key_id
    with draft.left_to_the_sweep():
        for key in draft.entry.keys_of(owner):
            if key.published is None and key.usable and key.id not in {pending, target.id if target else ""}:
                remove(draft, key, BY_DEPLOYMENT)


def _why_unavailable(state: SecretState, secret_arn: str) -> str:
    advice = {
        SecretState.MISSING: "correct the secret of the key, or define a new one in the stack",
        SecretState.SCHEDULED_FOR_DELETION: "restore it (aws secretsmanager restore-secret), or use another secret",
        SecretState.REPLICA: "use the primary secret, in a stack of its own region",
    }[state]
    return f"secret {secret_arn} is {state.value}: {advice}"
