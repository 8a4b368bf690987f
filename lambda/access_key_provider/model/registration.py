"""What a secret's tags tell of the key that it holds, for those who know nothing but the secret.

Secrets Manager's rotation, a schedule and an operator name a secret only. Each Create and Update registers whose key it
holds, with which role it is managed and by which rules, so that they are served by the rules of the last template.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from access_key_provider.model.actions import TagSecret, UntagSecret
from access_key_provider.model.errors import NotManagedError
from access_key_provider.model.records import SerialLabel
from access_key_provider.model.retirement_rules import Policy
from access_key_provider.model.state import INACTIVE, Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from access_key_provider.model.actions import Action
    from access_key_provider.model.state import Desired, Observed, SecretVersion

_PREFIX = "cdk-iam-access-key:"
PROVIDER_TAG = _PREFIX + "provider"
"""On whose secrets the function may look: the path of the roles that it assumes."""

_STACK, _RESOURCE, _USER = _PREFIX + "stack", _PREFIX + "resource", _PREFIX + "user"
_ROLE, _SERIAL, _STATUS = _PREFIX + "role", _PREFIX + "serial", _PREFIX + "status"
_POLICY, _DESCRIPTION = _PREFIX + "policy", _PREFIX + "description"
_READ = (_STACK, _RESOURCE, _USER, _ROLE, _SERIAL, _STATUS, _POLICY, _DESCRIPTION)

FUNCTION_TAG = _PREFIX + "function"
"""Which function an operator is to ask."""

_ALL = (PROVIDER_TAG, FUNCTION_TAG, *_READ)

# What the tags said before the resource's user changed: CloudFormation may go back to that user without another Update.
_BEFORE = {
    tag: tag.replace(_PREFIX, _PREFIX + "before:") for tag in (_USER, _ROLE, _SERIAL, _STATUS, _POLICY, _DESCRIPTION)
}

_ROLE_PATH = re.compile(r"^arn:[a-z-]+:iam::[0-9]{12}:role(?P<path>/cdk-iam-access-key/[^/]+/)")


@dataclass(frozen=True, slots=True)
class Registration:
    """A key as its last template declared it."""

    place: Place
    role_arn: str
    serial_digest: str
    status: str
    description: str
    policy: Policy

    @property
    def inactive(self) -> bool:
        """Whether the template declares the key Inactive."""
        return self.status == INACTIVE


def registration_tags(observed: Observed, desired: Desired) -> dict[str, str]:
    """List the tags that are not yet as the template has them; none for a template without schedules."""
    role = _ROLE_PATH.match(desired.role_arn)
    if not desired.policy.schedule or role is None:
        return {}
    tags = {
        PROVIDER_TAG: role["path"],
        FUNCTION_TAG: desired.function_name,
        _STACK: desired.place.stack_id,
        _RESOURCE: desired.place.logical_id,
        _USER: desired.place.user_name,
        _ROLE: desired.role_arn,
        _SERIAL: desired.serial_digest,
        _STATUS: desired.status,
        _POLICY: str(desired.policy),
        _DESCRIPTION: desired.description,
    }
    changed = {key: value for key, value in tags.items() if observed.secret.tags.get(key) != value}
    return changed | (_kept_for_rollback(observed.secret.tags, desired.place) if changed else {})


def _kept_for_rollback(tags: Mapping[str, str], place: Place) -> dict[str, str]:
    """List what is registered, as it is to be kept, if it is the key of the resource's user before."""
    if not _is_of(tags, place) or tags.get(_USER) in {None, place.user_name}:
        return {}
    return {kept: tags[tag] for tag, kept in _BEFORE.items() if tag in tags}


def registration(secret_arn: str, tags: Mapping[str, str]) -> Registration:
    """Read the tags of a secret.

    Raises:
        NotManagedError: the secret holds no key of ours, or a tag was removed.
    """
    missing = [tag for tag in _READ if tag not in tags]
    if missing:
        raise NotManagedError(
            f"secret {secret_arn} lacks the tag {missing[0]}: it holds no key of this provider, or one whose stack was "
            "deployed with an earlier release or lost the tag; a deployment that changes the key writes it again"
        )
    return Registration(
        place=Place(tags[_STACK], tags[_RESOURCE], tags[_USER], secret_arn),
        role_arn=tags[_ROLE],
        serial_digest=tags[_SERIAL],
        status=tags[_STATUS],
        description=tags[_DESCRIPTION],
        policy=Policy.parse(tags[_POLICY]),
    )


def unregister(observed: Observed, place: Place) -> list[Action]:
    """Remove the tags, unless another key was registered since: of another resource, or of this one's new user.

    If that new user's key is the one that goes, and the key of the user before is there, that one is registered again.
    """
    tags = observed.secret.tags
    if not _is_of(tags, place):
        return []
    kept = _kept(tags)
    forgotten = tuple(_BEFORE[tag] for tag in kept)
    if tags.get(_USER) != place.user_name:
        return [UntagSecret(forgotten)] if kept.get(_USER) == place.user_name else []
    if version_before(observed, place):
        return [TagSecret(tuple(kept.items())), UntagSecret(forgotten)]
    return [UntagSecret((*(tag for tag in _ALL if tag in tags), *forgotten))]


def version_before(observed: Observed, place: Place) -> SecretVersion | None:
    """Find what held the key of the user that the resource had before, as long as that key is on record."""
    kept = _kept(observed.secret.tags)
    if kept.keys() != _BEFORE.keys() or not _is_of(observed.secret.tags, place) or kept[_USER] == place.user_name:
        return None
    before = replace(place, user_name=kept[_USER])
    versions = {
        parsed.generation: version
        for version in observed.secret.versions
        if before.wrote(version)
        for label in version.labels
        if (parsed := SerialLabel.parse(label))
    }
    return versions[max(versions)] if versions else None


def _kept(tags: Mapping[str, str]) -> dict[str, str]:
    """List what was registered for the user before."""
    return {tag: tags[before] for tag, before in _BEFORE.items() if before in tags}


def _is_of(tags: Mapping[str, str], place: Place) -> bool:
    return (tags.get(_STACK), tags.get(_RESOURCE)) == (place.stack_id, place.logical_id)
