"""Copies of the secret: written before the key becomes current, and back with the key that a rollback restores.

The secret access key can't be read back, so a key is written to all copies by the invocation that has made it, or it is
never used. A copy lives as long as its own resource: CloudFormation deletes that after whatever used it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from access_key_provider.model.actions import MakeCopy, PointCopy, RemoveCopy, UnlabelCopy, WriteCopy
from access_key_provider.model.copies import CopyKind
from access_key_provider.model.errors import InvalidRequestError
from access_key_provider.model.state import version_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from access_key_provider.model.copies import Copy
    from access_key_provider.model.entry import Claim, Entry, KeyRecord
    from access_key_provider.planning.draft import Draft


def write_copies(draft: Draft, owner: str) -> None:
    """Write the new key to each copy that the template declares.

    Parameters come last: readers that name no label get what is written, and every try takes one of their 100 versions.
    """
    claim = draft.claim(owner)
    for copy in sorted(claim.copies, key=lambda copy: copy.kind is CopyKind.PARAMETER):
        known = copy.id in draft.entry.copies
        if copy.kind is CopyKind.SECRET:
            draft.add(MakeCopy(copy, owner, known))
        draft.add(WriteCopy(copy, owner, known, secret_format=claim.secret_format))


def require_same_encryption(entry: Entry, claim: Claim) -> None:
    """Refuse another KMS key for a copy that was made with one. Raises InvalidRequestError."""
    for copy in claim.copies:
        record = entry.copies.get(copy.id)
        if record and record.copy.kms_key_id != copy.kms_key_id:
            raise InvalidRequestError(
                f"the {copy.id} is encrypted with {record.copy.kms_key_id or 'a key of AWS'}, now "
                f"{copy.kms_key_id or 'a key of AWS'} is asked for: give the copy another name"
            )


def point_copies(draft: Draft, key: KeyRecord) -> None:
    """Let the readers of the copies get a key that is about to become current.

    A key that was current before comes back whatever is refused, and whichever copy it is not in: the sweep tries
    again, and reports it.
    """
    if key.published is None:
        _point(draft, key)
    else:
        with draft.left_to_the_sweep():
            _point(draft, key)


def restore_copies(draft: Draft, owner: str) -> None:
    """Let the readers of the copies get the current key again, after a switch that came to nothing."""
    current = draft.entry.current
    if current and current.owner == owner and draft.exists(current):
        with draft.left_to_the_sweep():
            _point(draft, current)


def is_copied(entry: Entry, claim: Claim, key: KeyRecord) -> bool:
    """Tell whether a key was written to all copies that a claim declares.

    An undo goes back to a key that is older than a copy, too. It stays then, or no rollback would find it, and what is
    missing is reported.
    """
    is_restored = claim.serial in key.serials[1:]
    return all(key.copies.get(copy.id) or (is_restored and copy.id in entry.copies) for copy in claim.copies)


def copies_agree(entry: Entry) -> bool:
    """Tell whether the readers of the copies get the current key."""
    current = entry.current
    return current is None or not _elsewhere(entry, current)


def copies_due(entry: Entry) -> Iterator[datetime]:
    """Tell since when there are copies whose readers do not get the current key."""
    for copy_id in _elsewhere(entry, entry.current) if entry.current else ():
        made = entry.copies[copy_id].made
        if made:
            yield made


def is_declared(entry: Entry, copy_id: str) -> bool:
    """Tell whether a resource writes to a copy."""
    return any(copy.id == copy_id for claim in entry.claims.values() if claim.present for copy in claim.copies)


def plan_copy_removal(draft: Draft, copy: Copy) -> None:
    """Delete a copy that no resource writes to any more."""
    if copy.id in draft.entry.copies:
        draft.add(RemoveCopy(copy))


def clear_copies(draft: Draft, key: KeyRecord) -> None:
    """Take the label of a key that is gone off the versions of its copies."""
    for copy_id in key.copies:
        record = draft.entry.copies.get(copy_id)
        if record and record.copy.kind is CopyKind.SECRET:
            draft.add(UnlabelCopy(draft.entry.copy(copy_id), key.id, version_id(key.owner, key.id)))


def _point(draft: Draft, key: KeyRecord) -> None:
    for copy_id in _elsewhere(draft.entry, key):
        draft.add(PointCopy(copy_id, key.id))


def _elsewhere(entry: Entry, key: KeyRecord) -> list[str]:
    """List the copies of a key whose readers do not get it, also those that are declared and that it is not in.

    A copy that is made and has no key yet has no readers.
    """
    claim = entry.claims.get(key.owner)
    declared = [copy.id for copy in claim.copies] if claim and claim.present else []
    return [
        copy_id
        for copy_id in dict.fromkeys([*key.copies, *declared])
        if copy_id in entry.copies and entry.copies[copy_id].key_id != key.id
        if key.copies.get(copy_id) or entry.copies[copy_id].key_id
    ]
