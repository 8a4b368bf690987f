"""What a holder that died, or somebody's hands, have left: put in order before anything else. Pure rules on a draft."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from access_key_provider.model.actions import (
    BY_HAND,
    BY_SWEEP,
    Deactivate,
    EndAttempt,
    ForgetTraces,
    RecordGone,
    RecordKey,
    RecordSwitch,
)
from access_key_provider.model.copies import LOST
from access_key_provider.model.entry import KeyRecord, KeyState, Switching
from access_key_provider.model.state import CURRENT, owner_in_tag
from access_key_provider.planning.copies import is_copied, restore_copies
from access_key_provider.planning.removal import clear_traces, remove

if TYPE_CHECKING:
    from collections.abc import Iterator

    from access_key_provider.model.entry import Creating, Entry
    from access_key_provider.model.state import AccessKey, Observed, SecretVersion
    from access_key_provider.planning.draft import Draft

# IAM's clock and the function's may differ a little.
_CLOCK_SKEW = timedelta(minutes=1)
# As long as a call to create a key may take.
_ATTEMPT = timedelta(minutes=1)
# A call of an invocation that was frozen in the middle may come through as long as the invocation may last, five
# minutes; a key that was made is listed by then.
ATTEMPT_IS_OVER = timedelta(minutes=7)
ORPHAN_WAIT = timedelta(hours=1)


def recover(draft: Draft, owner: str, by: str = BY_SWEEP) -> None:
    """End what was begun for a resource and not finished, and record what was lost."""
    _end_switch(draft)
    rebuild(draft, owner)
    record_stored(draft, owner)
    record_switch_by_hand(draft, owner)
    restore_copies(draft, owner)
    with draft.left_to_the_sweep():
        if draft.observed.user_exists:
            _record_missing(draft, owner)
            _find_orphans(draft, owner, by)
            _forget_others(draft, owner)
        for key in draft.entry.keys_of(owner):
            if not key.usable and not key.adopted and key.state is not KeyState.ORPHAN:
                remove(draft, key, by)
        for key in tuple(draft.entry.keys.values()):
            if key.owner == owner and key.state is KeyState.DELETED:
                clear_traces(draft, key.id)


def orphan_candidates(entry: Entry, keys: tuple[AccessKey, ...], owner: str) -> tuple[AccessKey, ...]:
    """List the keys that an interrupted attempt to create one may have left."""
    attempt = entry.creating.get(owner)
    if attempt is None:
        return ()
    return tuple(key for key in keys if key.id not in entry.keys and _may_have_created(attempt, key))


def unknown_labels(entry: Entry, observed: Observed) -> tuple[AccessKey, ...]:
    """List the user's keys that label a version and that the entry does not know, where it may have lost them.

    A key that is older than what the entry and AWS last agreed on was never in it: somebody has put the label there.
    """
    labels = {label for version in observed.secret.versions for label in version.labels}
    return tuple(
        key
        for key in observed.keys
        if key.id in labels
        and key.id not in entry.keys
        and (entry.settled is None or key.created > entry.settled - _CLOCK_SKEW)
    )


def _end_switch(draft: Draft) -> None:
    switching = draft.entry.switching
    if switching:
        key = draft.entry.keys.get(switching.key_id)
        draft.add(RecordSwitch(happened=key is not None and draft.is_read(key)))


def record_stored(draft: Draft, owner: str) -> None:
    """Record that a key's secret is stored if its version bears its label: one call writes both."""
    for key in draft.entry.keys_of(owner):
        version = draft.observed.secret.version_with(key.id)
        if key.stored is None and version and version.id == key.version_id:
            state = KeyState.PROVEN if key.proven else KeyState.STORED
            draft.add(RecordKey(replace(key, state=state, stored=draft.now), "found its secret stored"))


def record_switch_by_hand(draft: Draft, owner: str) -> None:
    """Record that a key is current which was never published, if readers get it: somebody has finished a rotation.

    The first version of a secret is current by itself, also when the key is not in all copies yet: that one is removed.
    """
    claim = draft.claim(owner)
    for key in draft.entry.keys_of(owner):
        is_unpublished = key.usable and key.published is None and draft.is_read(key)
        if is_unpublished and is_copied(draft.entry, claim, key):
            draft.add(RecordSwitch(happened=True, by_hand=Switching(key.id, draft.now, BY_HAND)))


def _record_missing(draft: Draft, owner: str) -> None:
    """Record keys as gone that IAM does not list; it was asked twice, with a pause between."""
    for key in draft.entry.keys_of(owner):
        if not draft.exists(key):
            draft.add(RecordGone(key.id))


def _find_orphans(draft: Draft, owner: str, by: str) -> None:
    """Remove the keys whose secret was lost with the call that made them.

    Nobody has had the secret of such a key, so one that was used, or that bears a tag, is somebody else's. While
    another entry is creating a key for the same user, the key may be its own; one that came to be long after the
    attempt is rather that of a person who saw the deployment fail. There the sweep decides an hour later.
    """
    attempt = draft.entry.creating.get(owner)
    if attempt is None:
        return
    for key in tuple(_orphans(draft, owner)):
        is_sure = not draft.observed.creating_elsewhere and key.created <= attempt.until + _ATTEMPT + _CLOCK_SKEW
        state = KeyState.CREATED if is_sure else KeyState.ORPHAN
        record = KeyRecord(key.id, owner, attempt.user_name, state, key.created)
        draft.add(RecordKey(record, "found a key whose secret was lost"))
        if is_sure:
            remove(draft, record, by)
    if draft.now > attempt.until + ATTEMPT_IS_OVER and not _is_undecided(draft, owner):
        draft.add(EndAttempt(owner))


def _forget_others(draft: Draft, owner: str) -> None:
    """Forget what was taken for an orphan and is the key of another entry, which has recorded it since."""
    for key in draft.entry.keys_of(owner):
        if key.state is KeyState.ORPHAN and key.id in (draft.observed.recorded_elsewhere or ()):
            draft.add(ForgetTraces(key.id))


def is_in_doubt(draft: Draft, key: KeyRecord) -> bool:
    """Tell whether a key may be that of another entry, which is creating one for the user or can't be read."""
    unknown = draft.observed.creating_elsewhere or draft.observed.recorded_elsewhere is None
    return key.state is KeyState.ORPHAN and unknown


def _is_undecided(draft: Draft, owner: str) -> bool:
    """Tell whether there is a key of which it is not known who made it, because something could not be read."""
    observed = draft.observed
    elsewhere = observed.recorded_elsewhere
    return any(
        elsewhere is None or (key.id not in elsewhere and _is_unread(observed, key.id))
        for key in orphan_candidates(draft.entry, observed.keys, owner)
    )


def _is_unread(observed: Observed, key_id: str) -> bool:
    return key_id not in observed.last_uses or observed.user_tags is None


def _orphans(draft: Draft, owner: str) -> Iterator[AccessKey]:
    observed = draft.observed
    for key in orphan_candidates(draft.entry, observed.keys, owner):
        use = observed.last_uses.get(key.id)
        unused = use is not None and use.time is None
        untagged = observed.user_tags is not None and key.id not in observed.user_tags
        elsewhere = observed.recorded_elsewhere
        if unused and untagged and elsewhere is not None and key.id not in elsewhere:
            yield key


def _may_have_created(attempt: Creating, key: AccessKey) -> bool:
    began, ended = attempt.since - _CLOCK_SKEW, attempt.until + ATTEMPT_IS_OVER
    return key.id not in attempt.baseline and began <= key.created <= ended


def retire_orphans(draft: Draft, owner: str) -> None:
    """Deactivate the orphans of an hour ago, if nobody has used or tagged them since; delete them later."""
    retention = draft.claim(owner).rules.retention or ORPHAN_WAIT
    for key in draft.entry.keys_of(owner):
        if key.state is not KeyState.ORPHAN or draft.now < key.created + ORPHAN_WAIT or is_in_doubt(draft, key):
            continue
        use = draft.observed.last_uses.get(key.id)
        tags = draft.observed.user_tags
        if use is None or use.time is not None or tags is None or key.id in tags:
            continue
        if key.deactivated is None:
            draft.add(Deactivate(key.id, BY_SWEEP, "its secret was lost"))
        elif draft.now >= key.deactivated + retention:
            remove(draft, key, BY_SWEEP)


def rebuild(draft: Draft, owner: str) -> None:
    """Record keys again whose entry was lost: a version's label and a tag of the user must both say whose they are.

    Where AWSCURRENT is tells which of them is current, also if the entry, put back to an earlier time, has another one.
    """
    tags = draft.observed.user_tags or {}
    for key in unknown_labels(draft.entry, draft.observed):
        if owner_in_tag(tags.get(key.id, "")) == owner:
            version = draft.observed.secret.version_with(key.id)
            assert version is not None  # noqa: S101 - `unknown_labels` has found it
            _record_again(draft, owner, key, version, tags[key.id])
    current = draft.entry.current
    if current and current.owner == owner and not current.serials and draft.deployed_serial:
        known = replace(current, serials=(draft.deployed_serial,))
        draft.add(RecordKey(known, "recorded as the key that is deployed"))


def _record_again(draft: Draft, owner: str, key: AccessKey, version: SecretVersion, tag: str) -> None:
    before, current = draft.entry.current, CURRENT in version.labels
    if before and current:
        draft.add(RecordKey(_replaced(draft, before), "found another key current"))
    claim = draft.claim(owner)
    record = KeyRecord(
        id=key.id,
        owner=owner,
        user_name=claim.user_name,
        state=KeyState.CURRENT,
        created=key.created,
        version_id=version.id,
        stored=key.created,
        proven=key.created,
        published=draft.now if current else key.created,
        tag=tag,
        labelled=True,
        copies={copy.id: LOST for copy in claim.copies},
    )
    draft.add(RecordKey(record if current else _replaced(draft, record), "recorded again, from its label and its tag"))


def _replaced(draft: Draft, key: KeyRecord) -> KeyRecord:
    """Take a key for replaced now: rather a grace or retention period too long than one too short."""
    is_active = draft.is_active(key.id)
    return replace(
        key,
        state=KeyState.REPLACED if is_active else KeyState.INACTIVE,
        replaced=draft.now,
        deactivated=None if is_active else draft.now,
    )
