"""Which of a user's keys are ours, told from what is recorded and never from guesses about age or number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from access_key_provider.model.records import SerialLabel
from access_key_provider.model.state import ACTIVE, CURRENT, PENDING, PREVIOUS, looks_like_version_id, owner_in_tag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from access_key_provider.model.records import Intent
    from access_key_provider.model.state import AccessKey, Observed, Place, SecretVersion

# An attempt ends with the function (5 minutes); IAM's clock and the function's may differ a little.
_ATTEMPT = timedelta(minutes=10)
_CLOCK_SKEW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class OwnedKey:
    """A key that a place created and recorded.

    `key` is None if IAM lists it no more, `version` None if nothing was written for it. `serials` is empty until it is
    proven; a key that an undo made current again has one more, for the serial that was deployed then.
    """

    id: str
    key: AccessKey | None
    version: SecretVersion | None
    serials: tuple[SerialLabel, ...]
    tag: str | None

    @property
    def generation(self) -> int:
        """How many times a key had become current before this one last did, plus one; 0 until it is proven."""
        return max((serial.generation for serial in self.serials), default=0)

    def generation_of(self, digest: str) -> int:
        """The same as far as a serial goes; 0 if it never was the key of that serial."""
        return max((serial.generation for serial in self.serials if serial.digest == digest), default=0)

    @property
    def proven(self) -> bool:
        """Whether it can be the current key: it exists, it worked, and its secret is stored."""
        return self.key is not None and bool(self.serials)

    @property
    def pending(self) -> bool:
        """Whether a rotation of Secrets Manager has made it and is not finished.

        AWSPENDING stays on a version that became current, also when somebody puts another value after it.
        """
        return self.version is not None and self.version.labels & {PENDING, PREVIOUS, CURRENT} == {PENDING}

    @property
    def let_go(self) -> bool:
        """Whether a rotation of Secrets Manager has made it, and none of AWS's labels is left on its version."""
        if self.version is None or self.version.labels & {CURRENT, PREVIOUS, PENDING}:
            return False
        return any(looks_like_version_id(label) for label in self.version.labels)

    @property
    def current(self) -> bool:
        """Whether AWSCURRENT names it."""
        return self.version is not None and CURRENT in self.version.labels

    @property
    def active(self) -> bool:
        """Whether it exists and works."""
        return self.key is not None and self.key.status == ACTIVE

    @property
    def labels(self) -> tuple[str, ...]:
        """What has to go from its version with it: the label of a rotation that is not finished, then ours.

        Without ours nobody could tell any more that the rotation, which then can't go on, was for a key of ours.
        """
        if self.version is None:
            return ()
        return (*((PENDING,) if self.pending else ()), *_own_labels(self.version, self.id))


def owned_keys(observed: Observed, place: Place) -> tuple[OwnedKey, ...]:
    """List the keys recorded for a place, oldest generation first.

    A label and a tag each prove ownership: the label is lost with the secret, the tag is written first.
    """
    listed = {key.id: key for key in observed.keys}
    versions = {
        label: version
        for version in observed.secret.versions
        for label in version.labels
        if place.names(version, label)
    }
    ids = set(versions)
    ids |= {key for key, value in observed.user_tags.items() if owner_in_tag(value) == place.owner}
    owned = []
    for key_id in ids:
        version = versions.get(key_id) or _version_for(observed, place, key_id)
        owned.append(
            OwnedKey(
                id=key_id,
                key=listed.get(key_id),
                version=version,
                serials=_serial_labels(version) if version else (),
                tag=observed.user_tags.get(key_id),
            )
        )
    return tuple(sorted(owned, key=lambda key: (key.generation, key.id)))


def _version_for(observed: Observed, place: Place, key_id: str) -> SecretVersion | None:
    return next((version for version in observed.secret.versions if place.names(version, key_id)), None)


def current_key(observed: Observed, place: Place) -> OwnedKey | None:
    """Find our key that is current, if there is one and it exists and was proven."""
    return next((key for key in owned_keys(observed, place) if key.current and key.proven), None)


def ownerless_labels(observed: Observed, place: Place) -> Iterator[tuple[SecretVersion, str]]:
    """Find labels of ours on versions of this place whose key nothing names any more.

    What tells that a version of Secrets Manager's rotation was ours stays as long as one of its labels keeps it.
    """
    known = {key.version.id for key in owned_keys(observed, place) if key.version}
    for version in observed.secret.versions:
        if place.wrote(version) and version.id not in known:
            yield from ((version, label) for label in _own_labels(version, key_id=""))


def open_intent(observed: Observed, place: Place) -> Intent | None:
    """Find the creation that this place has announced and not finished."""
    return next((intent for intent in observed.intents if intent.owner == place.owner), None)


def with_announcement(observed: Observed, place: Place, announced: Intent, *, ended: bool) -> Observed:
    """Take the announcement of a creation that has made a key for seen, which may be seen late.

    If it was the only attempt and came to its end, no key of it is lost: whatever came to be since is somebody else's.
    """
    if ended and announced.since == announced.until:
        announced = replace(announced, baseline=frozenset(key.id for key in observed.keys))
    return replace(observed, user_tags=observed.user_tags | {place.intent_tag: str(announced)})


def with_closing(observed: Observed, place: Place) -> Observed:
    """Take the announcement of a creation for seen, so that it is taken back; it was made a moment ago."""
    return replace(observed, user_tags={place.intent_tag: "", **observed.user_tags})


def orphan_candidates(observed: Observed, place: Place) -> tuple[AccessKey, ...]:
    """List the keys that an interrupted creation of this place may have left, whoever may have used them.

    Such a key came to be within the attempts, was not there before, bears no record, and no other resource was
    creating one for the same user at that time.
    """
    intent = open_intent(observed, place)
    if intent is None:
        return ()
    recorded = {key.id for key in owned_keys(observed, place)}
    others = [other for other in observed.intents if other.owner != place.owner]
    return tuple(
        key
        for key in observed.keys
        if key.id not in recorded
        and key.id not in observed.user_tags
        and _may_have_created(intent, key)
        and not any(_may_have_created(other, key) for other in others)
    )


def orphaned_keys(observed: Observed, place: Place) -> tuple[AccessKey, ...]:
    """List the keys whose secret was lost with the invocation that created them.

    A key that was ever used is somebody's: nobody has had the secret of a lost one.
    """
    return tuple(key for key in orphan_candidates(observed, place) if key.id not in observed.used)


def _may_have_created(intent: Intent, key: AccessKey) -> bool:
    return (
        key.id not in intent.baseline
        and intent.since - _CLOCK_SKEW <= key.created <= intent.until + _ATTEMPT + _CLOCK_SKEW
    )


def _serial_labels(version: SecretVersion) -> tuple[SerialLabel, ...]:
    return tuple(parsed for parsed in map(SerialLabel.parse, sorted(version.labels)) if parsed)


def _own_labels(version: SecretVersion, key_id: str) -> tuple[str, ...]:
    """List our labels of a version; the one that tells that the version is ours comes last, to go last."""
    own = (label for label in version.labels if label == key_id or SerialLabel.parse(label) or _is_id(label, version))
    return tuple(sorted(own, key=lambda label: (looks_like_version_id(label), label)))


def _is_id(label: str, version: SecretVersion) -> bool:
    """Tell whether a label is the id that we would have chosen, and nothing else keeps the version."""
    return looks_like_version_id(label) and not version.labels & {CURRENT, PREVIOUS}
