"""What a secret's tags tell of the key that it holds, for those who know nothing but the secret.

Secrets Manager's rotation, a schedule and an operator name a secret only. Each Create and Update registers whose key it
holds, with which role it is managed and by which rules, so that they are served by the rules of the last template.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from access_key_provider.actions import UntagSecret
from access_key_provider.errors import NotManagedError
from access_key_provider.model import INACTIVE, Place
from access_key_provider.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from access_key_provider.actions import Action
    from access_key_provider.model import Desired, Observed

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
    return {key: value for key, value in tags.items() if observed.secret.tags.get(key) != value}


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
    """Remove the tags, unless another resource has registered its key since."""
    tags = observed.secret.tags
    if tags.get(_STACK) != place.stack_id or tags.get(_RESOURCE) != place.logical_id:
        return []
    return [UntagSecret(tuple(tag for tag in _ALL if tag in tags))]
