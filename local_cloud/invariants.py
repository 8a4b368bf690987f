"""What must hold between operations, checked from outside: by the provider's tests, the cloud's tests and the demo.

The check knows the records by their documented shape and shares no code with the provider.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_KEY_LABEL = re.compile(r"^AKIA[A-Z0-9]{12,}$")
_SERIAL_LABEL = re.compile(r"^serial-[0-9a-f]{16}-[0-9]+$")
_INTENT_TAG = "cdk-iam-access-key:intent:"
_RETIREMENT_TAG = "cdk-iam-access-key:retire:"
_KEYS_PER_USER = 2


@dataclass(frozen=True, slots=True)
class Timetable:
    """What keys that were replaced are checked against, where they are kept for a while.

    Attributes:
        now: the time.
        schedules: the names of the schedules that have not fired.
    """

    now: datetime
    schedules: Collection[str]


@dataclass(frozen=True, slots=True)
class Expected:
    """What one user and one secret should look like.

    Attributes:
        user_name: the user.
        secret_arn: the ARN of the secret; None where it is deleted.
        status: the declared status of the current key, or None if no key is declared.
        foreign: the status of each key of the user that is not ours, by its id.
        timetable: where replaced keys may stay Active for a while; None where they are Inactive at once.
    """

    user_name: str
    secret_arn: str | None
    status: str | None = "Active"
    foreign: Mapping[str, str] = field(default_factory=dict)
    timetable: Timetable | None = None


@dataclass(frozen=True, slots=True)
class _Seen:
    keys: dict[str, str]
    tags: dict[str, str]
    versions: dict[str, list[str]]
    value: str | None
    secret_tags: dict[str, str]

    @property
    def labels(self) -> dict[str, str]:
        """Version ids by the access key id that labels them."""
        return {
            label: version for version, labels in self.versions.items() for label in labels if _KEY_LABEL.match(label)
        }

    @property
    def retirements(self) -> dict[str, str]:
        """What the secret's tags tell of each key that was replaced, by its id."""
        return {
            tag.rsplit(":", 1)[-1]: value for tag, value in self.secret_tags.items() if tag.startswith(_RETIREMENT_TAG)
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
    return [*_of_keys(seen, expected), *_of_tags(seen, expected), *_of_records(seen), *_of_current(seen, expected)]


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
        secret_tags={tag["Key"]: tag["Value"] for tag in described.get("Tags", [])},
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
    if expected.timetable:
        yield from _of_replaced(seen, expected.timetable, current)
    for key in seen.labels.keys() - {current} if expected.timetable is None else ():
        if seen.keys.get(key) == "Active" and "due=" not in seen.retirements.get(key, ""):
            yield f"key {key} is ours, not current, Active, and nothing is scheduled for it"
    document = json.loads(seen.value) if seen.value else {}
    if document.keys() != {"accessKeyId", "secretAccessKey"} or document["accessKeyId"] != current:
        yield f"the secret's value is not the current key {current}"


def _of_records(seen: _Seen) -> Iterator[str]:
    for key in seen.retirements:
        if key not in seen.keys:
            yield f"a record tells of the retirement of {key}, which is gone"
        elif seen.labels.get(key) == seen.current:
            yield f"a record tells of the retirement of {key}, which is current"


def _of_replaced(seen: _Seen, timetable: Timetable, current: str) -> Iterator[str]:
    """Check that each replaced key has the status that its record tells, and that somebody will look at it."""
    records = {
        key: dict(word.split("=", 1) for word in value.split() if "=" in word)
        for key, value in seen.retirements.items()
    }
    for key, version in seen.labels.items():
        if key == current or "AWSPENDING" in seen.versions[version]:
            continue
        record = records.get(key)
        if record is None:
            yield f"replaced key {key} has no record"
            continue
        if seen.keys.get(key) != ("Inactive" if "inactive" in record else "Active"):
            yield f"replaced key {key} is {seen.keys.get(key)}, and its record tells {sorted(record)}"
        due = datetime.strptime(record.get("due", "00010101T000000Z"), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if due > timetable.now and record.get("schedule") not in timetable.schedules:
            yield f"replaced key {key} is due at {due}, and nothing will look at it"
