"""What the contract's cases are about: a key, a secret, and how AWS refuses."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contract.implementations import Implementation

CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"
UNKNOWN_KEY = "AKIAIOSFODNN7EXAMPLE"


@contextlib.contextmanager
def refused(*codes: str, status: int | None = None) -> Iterator[None]:
    """Expect a call to be refused by AWS with one of some codes."""
    with pytest.raises(ClientError) as refusal:
        yield
    assert refusal.value.response["Error"]["Code"] in codes
    if status:
        assert refusal.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def not_sent() -> Any:
    """Expect the SDK not to send a call."""
    return pytest.raises(ParamValidationError)


def version(number: int) -> str:
    """Name a version the way AWS wants: 32 characters or more."""
    return f"version-{number:032}"


@dataclass(frozen=True)
class Key:
    """An access key."""

    id: str
    secret: str

    @classmethod
    def made(cls, iam: Any, user: str) -> Key:
        """Make one."""
        made = iam.create_access_key(UserName=user)["AccessKey"]
        return cls(made["AccessKeyId"], made["SecretAccessKey"])

    def identity(self, aws: Implementation) -> dict[str, Any]:
        """Ask who signs with it."""
        answer: dict[str, Any] = aws.signed("sts", self.id, self.secret).get_caller_identity()
        return answer


@dataclass(frozen=True)
class Secret:
    """A secret."""

    client: Any
    arn: str

    def put(self, number: int, *labels: str, value: str = "v") -> dict[str, Any]:
        """Put a version named after its number."""
        named = {"VersionStages": list(labels)} if labels else {}
        answer: dict[str, Any] = self.client.put_secret_value(
            SecretId=self.arn, ClientRequestToken=version(number), SecretString=value, **named
        )
        return answer

    def move(self, label: str, *, to: int | None = None, of: int | None = None) -> None:
        """Move, attach or remove a label."""
        moved_to = {"MoveToVersionId": version(to)} if to else {}
        moved_from = {"RemoveFromVersionId": version(of)} if of else {}
        self.client.update_secret_version_stage(SecretId=self.arn, VersionStage=label, **moved_to, **moved_from)

    def labels(self) -> dict[str, set[str]]:
        """Read which labels sit where."""
        described = self.client.describe_secret(SecretId=self.arn)
        return {name: set(stages) for name, stages in described.get("VersionIdsToStages", {}).items() if stages}

    def value(self, **which: str) -> str:
        """Read a value."""
        return str(self.client.get_secret_value(SecretId=self.arn, **which)["SecretString"])

    def tag(self, **tags: str) -> None:
        """Set tags."""
        self.client.tag_resource(SecretId=self.arn, Tags=[{"Key": key, "Value": tags[key]} for key in tags])

    def untag(self, *keys: str) -> None:
        """Remove tags."""
        self.client.untag_resource(SecretId=self.arn, TagKeys=list(keys))

    def tags(self) -> dict[str, str]:
        """Read the tags."""
        tags = self.client.describe_secret(SecretId=self.arn).get("Tags", [])
        return {tag["Key"]: tag["Value"] for tag in tags}


WRITES: dict[str, dict[str, Any]] = {
    "put_secret_value": {"SecretString": "v"},
    "update_secret_version_stage": {"VersionStage": "three", "MoveToVersionId": version(1)},
    "tag_resource": {"Tags": [{"Key": "k", "Value": "v"}]},
    "untag_resource": {"TagKeys": ["team"]},
}
"""Every call of the provider's that changes a secret."""
