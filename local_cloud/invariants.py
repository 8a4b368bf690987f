"""What must hold between operations, checked from outside: by the provider's tests, the cloud's tests and the demo.

The check knows the records by their documented shape and shares no code with the provider.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_KEY_LABEL = re.compile(r"^AKIA[A-Z0-9]{12,}$")
_SERIAL_LABEL = re.compile(r"^serial-[0-9a-f]{16}-[0-9]+$")
_INTENT_TAG = "cdk-iam-access-key:intent:"
_KEYS_PER_USER = 2


@dataclass(frozen=True, slots=True)
class Expected:
    """What one user and one secret should look like.

    Attributes:
        user_name: the user.
        secret_arn: the ARN of the secret; None where it is deleted.
        status: the declared status of the current key, or None if no key is declared.
        foreign: the status of each key of the user that is not ours, by its id.
    """

    user_name: str
    secret_arn: str | None
    status: str | None = "Active"
    foreign: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Seen:
    keys: dict[str, str]
    tags: dict[str, str]
    versions: dict[str, list[str]]
    value: str | None

    @property
    def labels(self) -> dict[str, str]:
        """Version ids by the access key id that labels them."""
        return {
            label: version for version, labels in self.versions.items() for label in labels if _KEY_LABEL.match(label)
        }

    @property
    def current(self) -> str | None:
        return next((version for version, labels in self.versions.items() if "AWSCURRENT" in labels), None)


def violations(iam: Any, secrets: Any, expected: Expected) -> list[str]:
    """List what does not hold, in words; empty if all is well.

    Args:
        iam: a boto3 client of IAM that may read everything.
        secrets: a boto3 client of Secrets Manager that may read everything; the value it reads is never shown.
        expected: what was declared.
    """
    seen = _look(iam, secrets, expected)
    return [*_of_keys(seen, expected), *_of_tags(seen, expected), *_of_current(seen, expected)]


def _look(iam: Any, secrets: Any, expected: Expected) -> _Seen:
    try:
        listed = iam.list_access_keys(UserName=expected.user_name)["AccessKeyMetadata"]
        tags = iam.list_user_tags(UserName=expected.user_name)["Tags"]
    except iam.exceptions.NoSuchEntityException:
        listed, tags = [], []
    described: dict[str, Any] = {}
    value = None
    if expected.secret_arn:
        try:
            described = secrets.describe_secret(SecretId=expected.secret_arn)
            value = secrets.get_secret_value(SecretId=expected.secret_arn, VersionStage="AWSCURRENT")["SecretString"]
        except (
            secrets.exceptions.ResourceNotFoundException,
            secrets.exceptions.InvalidRequestException,
        ):
            pass
    return _Seen(
        keys={key["AccessKeyId"]: key["Status"] for key in listed},
        tags={tag["Key"]: tag["Value"] for tag in tags},
        versions=described.get("VersionIdsToStages", {}),
        value=value,
    )


def _of_keys(seen: _Seen, expected: Expected) -> Iterator[str]:
    for key, status in expected.foreign.items():
        if seen.keys.get(key) != status:
            yield f"foreign key {key} should be {status}, is {seen.keys.get(key, 'deleted')}"
    ours = seen.keys.keys() - expected.foreign.keys()
    for key in ours - seen.labels.keys():
        yield f"key {key} is named by no label"
    for key in seen.labels.keys() - seen.keys.keys():
        yield f"label {key} names a key that does not exist"
    if len(seen.keys) > max(_KEYS_PER_USER, len(expected.foreign)):
        yield f"user {expected.user_name} has {len(seen.keys)} keys"
    if expected.status is None:
        yield from (f"key {key} is left" for key in sorted(ours))


def _of_tags(seen: _Seen, expected: Expected) -> Iterator[str]:
    tagged = {key for key in seen.tags if _KEY_LABEL.match(key)}
    ours = seen.keys.keys() - expected.foreign.keys()
    yield from (f"key {key} has no tag on its user" for key in sorted(ours - tagged))
    yield from (f"tag {key} of the user names no key of ours" for key in sorted(tagged - ours))
    yield from (f"intent {key} is left open" for key in seen.tags if key.startswith(_INTENT_TAG))


def _of_current(seen: _Seen, expected: Expected) -> Iterator[str]:
    if expected.status is None:
        return
    labels = seen.versions.get(seen.current or "", [])
    named = [label for label in labels if _KEY_LABEL.match(label)]
    if len(named) != 1 or not any(_SERIAL_LABEL.match(label) for label in labels):
        yield f"the current version is labelled {sorted(labels)}, not with one key and its serial"
        return
    current = named[0]
    if seen.keys.get(current) != expected.status:
        yield f"current key {current} should be {expected.status}, is {seen.keys.get(current, 'deleted')}"
    for key in seen.labels.keys() - {current}:
        if seen.keys.get(key) == "Active":
            yield f"key {key} is ours, not current, and Active"
    document = json.loads(seen.value) if seen.value else {}
    if document.keys() != {"accessKeyId", "secretAccessKey"} or document["accessKeyId"] != current:
        yield f"the secret's value is not the current key {current}"
