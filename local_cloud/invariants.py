"""What must hold between operations, checked from outside: by the provider's tests, the cloud's tests and the demo.

The check knows the ledger by its documented shape (docs/ledger.md) and shares no code with the provider.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Entry = dict[str, Any]

_KEY = re.compile(r"^AKIA[A-Z0-9]{12,}$")
_PLACEHOLDER = re.compile(r"(\{(?:access_key_id|secret_access_key|ses_smtp_password:[a-z0-9-]+)(?:\|url)?\})")
_OF_SECRETS = ("{secret_", "{ses_")
_ID = "(AKIA[A-Z0-9]{12,})"
_SECRET = "[A-Za-z0-9/+=%]{20,}"
_KEYS_PER_USER = 2
_STATUS_OF_STATE = {"replaced": "Active", "inactive": "Inactive"}


@dataclass(frozen=True, slots=True)
class Expected:
    """What one user and one secret should look like.

    Attributes:
        user_name: the user.
        secret_arn: the ARN of the secret; None where it is deleted.
        status: the declared status of the current key, or None if no key is declared.
        unmanaged: the status of each key of the user that is not ours, by its id.
        pending: whether a rotation may be unfinished.
        text: how the value of the secret is written, with placeholders; the default if left out.
    """

    user_name: str
    secret_arn: str | None
    status: str | None = "Active"
    unmanaged: Mapping[str, str] = field(default_factory=dict)
    pending: bool = False
    text: str = '{"accessKeyId": "{access_key_id}", "secretAccessKey": "{secret_access_key}"}'


@dataclass(frozen=True, slots=True)
class _Seen:
    keys: dict[str, str]
    tags: dict[str, str]
    versions: dict[str, list[str]]
    value: str | None
    entries: Mapping[str, Entry]
    entry: Entry

    @property
    def records(self) -> dict[str, Any]:
        """What the ledger says of the keys of this secret."""
        found: dict[str, Any] = self.entry.get("keys", {})
        return found

    @property
    def labels(self) -> dict[str, str]:
        """Version ids by the access key id that labels them."""
        return {label: version for version, labels in self.versions.items() for label in labels if _KEY.match(label)}

    @property
    def current(self) -> str | None:
        """The version that AWSCURRENT is on."""
        return next((version for version, labels in self.versions.items() if "AWSCURRENT" in labels), None)


def entries_of(items: Iterable[Mapping[str, Any]]) -> dict[str, Entry]:
    """Read items of the ledger as DynamoDB gives them: the entry of each secret, with `version` beside it."""
    deserializer = TypeDeserializer()
    plain = [{name: deserializer.deserialize(value) for name, value in item.items()} for item in items]
    return {item["secretArn"]: {**item["entry"], "version": item["version"]} for item in plain}


def violations(iam: Any, secrets: Any, entries: Mapping[str, Entry], expected: Expected) -> list[str]:
    """List what does not hold, in words; empty if all is well.

    Args:
        iam: a boto3 client of IAM that may read everything.
        secrets: a boto3 client of Secrets Manager that may read everything; the value it reads is never shown.
        entries: the ledger.
        expected: what was declared.
    """
    seen = _look(iam, secrets, entries, expected)
    return [*_of_keys(seen, expected), *_of_entry(seen, expected), *_of_current(seen, expected), *_of_traces(seen)]


def _look(iam: Any, secrets: Any, entries: Mapping[str, Entry], expected: Expected) -> _Seen:
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
        except (secrets.exceptions.ResourceNotFoundException, secrets.exceptions.InvalidRequestException):
            pass
    return _Seen(
        keys={key["AccessKeyId"]: key["Status"] for key in listed},
        tags={tag["Key"]: tag["Value"] for tag in tags},
        versions=described.get("VersionIdsToStages", {}),
        value=value,
        entries=entries,
        entry=entries.get(expected.secret_arn or "", {}),
    )


def _of_keys(seen: _Seen, expected: Expected) -> Iterator[str]:
    for key, status in expected.unmanaged.items():
        if seen.keys.get(key) != status:
            yield f"unmanaged key {key} should be {status}, is {seen.keys.get(key, 'deleted')}"
    ours = seen.keys.keys() - expected.unmanaged.keys()
    recorded = {key for entry in seen.entries.values() for key in entry.get("keys", {})}
    yield from (f"no entry records key {key}" for key in sorted(ours - recorded))
    yield from (f"an unmanaged key {key} is recorded" for key in sorted(expected.unmanaged.keys() & recorded))
    if len(seen.keys) > max(_KEYS_PER_USER, len(expected.unmanaged)):
        yield f"user {expected.user_name} has {len(seen.keys)} keys"
    if expected.status is None:
        yield from (f"key {key} is left" for key in sorted(ours))


def _of_entry(seen: _Seen, expected: Expected) -> Iterator[str]:
    for key, record in seen.records.items():
        if record["user_name"] != expected.user_name:
            continue
        state, status = record["state"], seen.keys.get(key)
        if state == "deleted":
            if status:
                yield f"key {key} is recorded as deleted, and is {status}"
        elif status is None:
            yield f"key {key} is recorded as {state}, and is gone"
        elif status != _STATUS_OF_STATE.get(state, status):
            yield f"key {key} is recorded as {state}, and is {status}"
        elif state in {"created", "stored"} or (state == "proven" and not expected.pending):
            yield f"key {key} is left {state}"
    yield from (f"{name} is left in the entry" for name in ("lease", "creating", "switching") if seen.entry.get(name))
    if seen.entry.get("rotation") and not expected.pending:
        yield "a rotation is left in the entry"


def _of_current(seen: _Seen, expected: Expected) -> Iterator[str]:
    recorded = [key for key, record in seen.records.items() if record["state"] == "current"]
    if expected.status is None:
        yield from (f"key {key} is recorded as current" for key in recorded)
        return
    if len(recorded) != 1:
        yield f"the entry has {len(recorded)} current keys"
        return
    current = recorded[0]
    if seen.records[current].get("version_id") != seen.current:
        yield f"AWSCURRENT is not on the version of {current}"
    if seen.keys.get(current) != expected.status:
        yield f"current key {current} should be {expected.status}, is {seen.keys.get(current, 'deleted')}"
    if _key_in(seen.value or "", expected.text) != current:
        yield f"the secret's value is not the current key {current}"


def _key_in(value: str, text: str) -> str:
    """Return the id of the key that a value of a secret holds; empty if it is not written like the text."""
    patterns = (
        _SECRET if part.startswith(_OF_SECRETS) else _ID if part.startswith("{access") else re.escape(part)
        for part in _PLACEHOLDER.split(text)
    )
    found = re.fullmatch("".join(patterns), value)
    return found[1] if found and len(set(found.groups())) == 1 else ""


def _of_traces(seen: _Seen) -> Iterator[str]:
    """Check that labels and tags name recorded keys."""
    recorded = {key for entry in seen.entries.values() for key in entry.get("keys", {})}
    yield from (f"label {label} names no recorded key" for label in sorted(seen.labels.keys() - recorded))
    yield from (
        f"tag {tag} names no recorded key" for tag in sorted(seen.tags) if _KEY.match(tag) and tag not in recorded
    )
