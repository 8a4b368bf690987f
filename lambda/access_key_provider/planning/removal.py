"""Taking keys away, and what they leave: labels, tags, rotations that can't go on. Pure rules on a draft."""

from __future__ import annotations

from typing import TYPE_CHECKING

from access_key_provider.model.actions import Deactivate, DeleteKey, EndRotation, ForgetTraces, RemoveLabel, UntagUser
from access_key_provider.model.state import PENDING
from access_key_provider.planning.consumers import holders, release
from access_key_provider.planning.copies import clear_copies

if TYPE_CHECKING:
    from access_key_provider.model.entry import KeyRecord
    from access_key_provider.model.state import SecretVersion
    from access_key_provider.planning.draft import Draft


def remove(draft: Draft, key: KeyRecord, by: str, *, is_held: bool = True) -> None:
    """Deactivate and delete a key, then take its label and its tag away.

    A key that a delivery may have brought to a consumer goes only once that consumer has the current one. What holds it
    longer than this plan is left to the sweep; so it is unless the key is not to be held.
    """
    if not draft.exists(key):
        return
    held = holders(draft, key) if is_held else []
    if not held:
        _remove(draft, key, by)
    elif release(draft, key, held):
        with draft.left_to_the_sweep():
            _remove(draft, key, by)


def _remove(draft: Draft, key: KeyRecord, by: str) -> None:
    # Also if it seems to be Inactive: it may have been activated a moment ago.
    draft.add(Deactivate(key.id, by), DeleteKey(key.id, by))
    clear_traces(draft, key.id)


def clear_traces(draft: Draft, key_id: str) -> None:
    """Take the label and the tag of a deleted key away; they go with the secret and the user if those are gone."""
    key = draft.entry.keys.get(key_id)
    if key is None or key.exists:
        return
    if key.labelled and draft.observed.secret.writable:
        _end_pending(draft, key)
        draft.add(RemoveLabel(key.version_id, key_id))
    if key.tag and draft.observed.user_exists:
        draft.add(UntagUser(key_id))
    clear_copies(draft, key)
    left = draft.entry.keys.get(key_id)
    if left is None:
        return
    label_is_left = left.labelled and draft.observed.secret.writable
    tag_is_left = bool(left.tag) and draft.observed.user_exists
    if not label_is_left and not tag_is_left and not left.copies:
        draft.add(ForgetTraces(key_id))


def end_rotation(draft: Draft, by: str) -> None:
    """Give up a rotation of Secrets Manager that is not finished, so that it does not block the next one."""
    rotation = draft.entry.rotation
    if rotation is None:
        return
    key = draft.entry.keys.get(rotation.key_id)
    version = draft.observed.secret.version(rotation.token)
    if version and version.is_only_pending and draft.observed.secret.writable:
        draft.add(RemoveLabel(version.id, PENDING))
    draft.add(EndRotation())
    if key and key.published is None:
        remove(draft, key, by)


def end_unrecorded_rotation(draft: Draft) -> None:
    """Take AWSPENDING off a version that Secrets Manager has made, and for which no key could be created."""
    pending = draft.observed.secret.version_with(PENDING)
    if draft.entry.rotation is None and pending and pending.labels == {PENDING}:
        remove_pending_label(draft, pending)


def remove_pending_label(draft: Draft, version: SecretVersion) -> None:
    """Take AWSPENDING off a version, unless that was done already."""
    removal = RemoveLabel(version.id, PENDING)
    if removal not in draft.actions:
        draft.add(removal)


def _end_pending(draft: Draft, key: KeyRecord) -> None:
    """Take AWSPENDING off a version that holds a key that is gone; left there, it would block the next rotation."""
    version = draft.observed.secret.version(key.version_id)
    if version and key.id in version.labels and version.is_only_pending:
        draft.add(RemoveLabel(version.id, PENDING))


def end_finished_rotation(draft: Draft, to_version: str) -> None:
    """Take AWSPENDING off the version that a rotation made current, before another one becomes current.

    Secrets Manager leaves it there. On a version that is current no more it stands for an unfinished rotation.
    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html
    """
    pending = draft.observed.secret.version_with(PENDING)
    if pending and pending.id != to_version and not pending.is_only_pending:
        draft.add(RemoveLabel(pending.id, PENDING))
