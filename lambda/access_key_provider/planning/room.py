"""Whether what is planned fits into AWS's quotas, counted action by action before the first of them is carried out.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from access_key_provider.model.actions import (
    NEW,
    AddLabel,
    MoveCurrent,
    RemoveLabel,
    StoreSecret,
    TagSecret,
    TagUser,
    UntagSecret,
    UntagUser,
)
from access_key_provider.model.errors import NoRoomError
from access_key_provider.model.state import CURRENT, PREVIOUS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from access_key_provider.model.actions import Action
    from access_key_provider.model.state import Observed, Place, SecretDescription

TAGS_PER_USER = 50
TAGS_PER_SECRET = 50
LABELS_PER_SECRET = 20

_Change = tuple[set[str], set[str]]


def require_room(observed: Observed, place: Place, actions: Sequence[Action]) -> None:
    """Refuse what would come to a quota on its way.

    Raises:
        NoRoomError: says what is full, how much must go, and how.
    """
    user, secret = f"user {place.user_name}", f"secret {place.secret_arn}"
    tags, labels = _counted(observed.secret.tags), _labels(observed.secret)
    quotas = (
        (user, "tags", TAGS_PER_USER, _folded(observed.user_tags), _user_tags(actions), "iam untag-user"),
        (secret, "tags", TAGS_PER_SECRET, tags, _secret_tags(actions), "secretsmanager untag-resource"),
        (secret, "labels", LABELS_PER_SECRET, labels, _labels_moved(observed, actions), _REMOVE_LABEL),
    )
    for whose, what, limit, held, changes, command in quotas:
        missing = _most(held, changes) - limit
        if missing > 0:
            raise NoRoomError(
                f"{whose} has {len(held)} {what}, AWS allows {limit}: remove {missing} that nobody needs "
                f"(aws {command}), then deploy"
            )


def has_room_for_tag(tags: Iterable[str], key: str) -> bool:
    """Tell whether one more tag fits beside those of a secret."""
    return len(_counted(tags) | {key}) <= TAGS_PER_SECRET


def has_room_for_user_tag(tags: Iterable[str], key: str) -> bool:
    """Tell whether one more tag fits beside those of a user."""
    return len(_folded(tags) | {key.casefold()}) <= TAGS_PER_USER


_REMOVE_LABEL = "secretsmanager update-secret-version-stage"


def _most(held: set[str], changes: Iterable[_Change]) -> int:
    """Count how many there will be at the fullest moment."""
    now, most = set(held), 0
    for added, removed in changes:
        grown = (now | added) - removed
        # What is full already and gets no fuller is not in the way.
        most = max(most, len(grown)) if grown - now else most
        now = grown
    return most


def _counted(tags: Iterable[str]) -> set[str]:
    """Choose the tags that count: those of AWS's own, which CloudFormation sets, do not."""
    return {tag for tag in tags if not tag.casefold().startswith("aws:")}


def _folded(tags: Iterable[str]) -> set[str]:
    """Choose the tags of a user that count; IAM does not tell case apart."""
    return {tag.casefold() for tag in _counted(tags)}


def _labels(secret: SecretDescription) -> set[str]:
    return {label for version in secret.versions for label in version.labels}


def _user_tags(actions: Iterable[Action]) -> Iterator[_Change]:
    for action in actions:
        match action:
            case TagUser(key, _):
                yield {key.casefold()}, set()
            case UntagUser(key):
                yield set(), {key.casefold()}


def _secret_tags(actions: Iterable[Action]) -> Iterator[_Change]:
    for action in actions:
        match action:
            case TagSecret(tags):
                yield {key for key, _ in tags}, set()
            case UntagSecret(keys):
                yield set(), set(keys)


def _labels_moved(observed: Observed, actions: Iterable[Action]) -> Iterator[_Change]:
    for action in actions:
        match action:
            case StoreSecret(_, None):
                # Secrets Manager makes the first version of a secret current by itself.
                yield {NEW} if observed.secret.versions else {NEW, CURRENT}, set()
            case AddLabel(_, label):
                yield {label}, set()
            case RemoveLabel(_, label):
                yield set(), {label}
            case MoveCurrent(_, from_version):
                yield {CURRENT, PREVIOUS} if from_version else {CURRENT}, set()
