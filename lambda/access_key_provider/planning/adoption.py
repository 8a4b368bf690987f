"""Taking over a key that somebody else has made, because the template names its id. Pure rules on a draft.

Adoption is the last step of a deployment: what fails or is killed before has adopted nothing. The key itself is not
touched then. It is a previous key, which the sweep retires.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from access_key_provider.model.actions import BY_DEPLOYMENT, AdoptKey, RecordKey, ReleaseKey
from access_key_provider.model.entry import KeyRecord, KeyState
from access_key_provider.model.errors import AdoptionRefusedError
from access_key_provider.model.state import owner_in_tag
from access_key_provider.planning.key_events import POSTPONED, about_key

if TYPE_CHECKING:
    from access_key_provider.model.entry import Entry
    from access_key_provider.model.state import AccessKey, Observed
    from access_key_provider.planning.draft import Draft


def key_to_adopt(draft: Draft, owner: str, deployed: str = "") -> AccessKey | None:
    """Find the key that is to be adopted; None if there is none, or if that was done before.

    An adoption that was done once is never refused again: the key may be gone by now, and a rollback must succeed.

    Args:
        draft: the plan.
        owner: the resource that names the key.
        deployed: the key that CloudFormation takes for adopted.

    Raises:
        AdoptionRefusedError: the key is not one of the user's, or it is managed already.
    """
    adopts = draft.claim(owner).adopts
    try:
        return _checked(draft, owner, adopts) if adopts else None
    except AdoptionRefusedError:
        if adopts == deployed or any(adopts in claim.adopted for claim in draft.entry.claims.values()):
            return None
        raise


def _checked(draft: Draft, owner: str, key_id: str) -> AccessKey | None:
    observed, user_name = draft.observed, draft.claim(owner).user_name
    record = draft.entry.keys.get(key_id)
    if record and record.owner == owner and record.adopted:
        return None
    if record or key_id in (observed.recorded_elsewhere or ()):
        raise AdoptionRefusedError(key_id, "the ledger records it already", user_name)
    key = next((key for key in observed.keys if key.id == key_id), None)
    if key is None:
        raise AdoptionRefusedError(
            key_id,
            f"user {user_name} has {_listed(observed.keys)}. Correct the id or the user of the key; "
            f"aws iam get-access-key-last-used --access-key-id {key_id} tells whose it is",
        )
    _require_unmanaged(draft, owner, key)
    return key


def is_in_question(entry: Entry, owner: str, observed: Observed) -> bool:
    """Tell whether it must be known of the key that is to be adopted whether somebody manages it."""
    claim = entry.claims.get(owner)
    return (
        claim is not None
        and claim.present
        and claim.adopts not in entry.keys
        and any(key.id == claim.adopts for key in observed.keys)
    )


def adopt(draft: Draft, owner: str, key: AccessKey | None) -> None:
    """Record a key as adopted, and release those that the template names no more."""
    claim = draft.claim(owner)
    release(draft, owner, kept=claim.adopts)
    if key and key.id not in draft.entry.keys:
        of_user = claim.user_name, KeyState.REPLACED, key.created
        draft.add(AdoptKey(KeyRecord(key.id, owner, *of_user, by=BY_DEPLOYMENT, adopted=True)))


def release(draft: Draft, owner: str, *, kept: str = "") -> None:
    """Give the adopted keys back that this provider has not made Inactive, or that somebody has activated since."""
    for key in draft.entry.keys_of(owner):
        if key.adopted and key.id != kept and not is_retired(draft, key):
            draft.add(ReleaseKey(key))


def is_retired(draft: Draft, key: KeyRecord) -> bool:
    """Tell whether this provider has made an adopted key Inactive, and nobody has activated it since."""
    return key.deactivated is not None and not draft.is_active(key.id)


def is_active_again(draft: Draft, key: KeyRecord) -> bool:
    """Tell whether somebody has activated an adopted key that was retired."""
    is_retired_on_record = key.deactivated is not None and not key.deactivating
    return is_retired_on_record and draft.is_active(key.id) and not key.note


def heed_activation(draft: Draft, owner: str, key: KeyRecord) -> None:
    """Let an adopted key that is Active again have its grace period once more, or give it back.

    Nobody can undo its retirement otherwise, because its secret is not known here.
    """
    if key.id != draft.claim(owner).adopts:
        draft.add(ReleaseKey(key))
        return
    again = replace(key, state=KeyState.REPLACED, replaced=draft.now, deactivated=None, postponed=0, next_check=None)
    draft.add(RecordKey(again, "found Active again"))
    draft.report(
        POSTPONED, about_key(draft.entry, again, why="somebody has activated it: its grace period begins again")
    )


def _require_unmanaged(draft: Draft, owner: str, key: AccessKey) -> None:
    """Refuse a key of which the user's tag says that a resource manages it, perhaps one of another ledger."""
    tags = draft.observed.user_tags
    if tags is None or draft.observed.recorded_elsewhere is None:
        raise AdoptionRefusedError(
            key.id, "the ledger or the user's tags can't be read, which tell whether it is managed"
        )
    tag = tags.get(key.id, "")
    if owner_in_tag(tag) not in {"", owner}:
        raise AdoptionRefusedError(
            key.id,
            f"the user's tag of that name says that it is managed already: {tag!r}. If nothing manages it any more, "
            "remove the tag",
        )


def _listed(keys: tuple[AccessKey, ...]) -> str:
    return " and ".join(f"{key.id} ({key.status}, created {key.created:%Y-%m-%d})" for key in keys) or "no access key"
