"""Copies of the secret: SSM parameters, and secrets of other regions and accounts. Nothing here can read a value.

https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-labels.html
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import boto3

from access_key_provider.aws.denials import explained
from access_key_provider.aws.secrets_manager import QUESTION_OF_COPIES, SecretsManagerVersions
from access_key_provider.model.copies import CopyKind
from access_key_provider.model.errors import ConflictError, CopyError
from access_key_provider.model.state import CURRENT, SecretState
from lambda_shared.aws_calls import NO_RETRIES
from lambda_shared.errors import CallError, in_other_words

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_ssm import SSMClient

    from access_key_provider.aws.sts import Credentials
    from access_key_provider.model.copies import Copy
    from lambda_shared.aws_calls import RetryingCaller

    _Result = TypeVar("_Result")

_DESCRIPTION = "Copy of the access key in a secret, written by cdk-iam-access-key"


def copy_versions(copy: Copy, credentials: Credentials, call: RetryingCaller) -> ParameterCopy | SecretCopy:
    """Give what a copy can do, with credentials for its account."""
    kind = ParameterCopy if copy.kind is CopyKind.PARAMETER else SecretCopy
    return kind(copy, credentials, call)


class ParameterCopy:
    """A SecureString parameter. Its readers name the label `current`; without one they get what was written last."""

    def __init__(self, copy: Copy, credentials: Credentials, call: RetryingCaller) -> None:
        """Act where the copy is."""
        self._copy, self._call = copy, call
        self._client: SSMClient = boto3.client("ssm", region_name=copy.region, **credentials, config=NO_RETRIES)

    def make(self, *, known: bool) -> bool:
        """Do nothing: the first version makes it."""
        del known
        return False

    def write(self, value: str, version_id: str, label: str, *, known: bool) -> str:
        """Write a version, and return its number. Raises CopyError if it is somebody else's."""
        del version_id, label
        written = _made(
            self._copy,
            lambda: (self._call if known else self._call.once)(
                self._client.put_parameter,
                Name=self._copy.name,
                Value=value,
                Type="SecureString",
                Tier="Standard",
                Description=_DESCRIPTION,
                Overwrite=known,
                **_encryption("KeyId", self._copy),
            ),
        )
        return str(written["Version"])

    def point(self, version: str) -> None:
        """Let readers get a version. Raises ConflictError if it is gone."""
        try:
            self._call(
                self._client.label_parameter_version,
                Name=self._copy.name,
                ParameterVersion=int(version),
                Labels=["current"],
            )
        except CallError as error:
            if error.code in {"ParameterNotFound", "ParameterVersionNotFound"}:
                raise in_other_words(error, ConflictError(f"the {self._copy.id} has changed: {error}")) from error
            raise _refused(self._copy, error) from error

    def unlabel(self, version: str, label: str) -> None:
        """Do nothing: its versions bear no key's label."""

    def remove(self) -> None:
        """Delete it; one that is gone is fine."""
        _removed(self._copy, lambda: self._call(self._client.delete_parameter, Name=self._copy.name))


class SecretCopy:
    """A secret, which has a label for each key as the key's own secret has."""

    def __init__(self, copy: Copy, credentials: Credentials, call: RetryingCaller) -> None:
        """Act where the copy is."""
        self._copy, self._call = copy, call
        self._client: SecretsManagerClient = boto3.client(
            "secretsmanager", region_name=copy.region, **credentials, config=NO_RETRIES
        )
        self._versions = SecretsManagerVersions(credentials, copy.name, call, copy=copy)

    def make(self, *, known: bool) -> bool:
        """Make it, unless it is there, and tell whether that was needed. Raises CopyError if it is somebody else's."""
        if known and self._versions.describe().state is not SecretState.MISSING:
            return False
        _made(self._copy, lambda: self._call.once(self._create))
        return True

    def write(self, value: str, version_id: str, label: str, *, known: bool) -> str:
        """Write a version with a label, and return its id."""
        del known
        self._versions.put(version_id, value, (label,))
        return version_id

    def _create(self) -> object:
        encryption = _encryption("KmsKeyId", self._copy)
        return self._client.create_secret(Name=self._copy.name, Description=_DESCRIPTION, **encryption)

    def point(self, version: str) -> None:
        """Let readers get a version. Raises ConflictError if it is gone."""
        current = self._versions.describe().version_with(CURRENT)
        if current is None or current.id != version:
            self._versions.move_current(version, current.id if current else None)

    def unlabel(self, version: str, label: str) -> None:
        """Take a label off a version; one that is off is fine."""
        with suppress(ConflictError):
            self._versions.remove_label(version, label)

    def remove(self) -> None:
        """Delete it at once, for the keys in it are dead; one that is gone is fine."""
        delete, name = self._client.delete_secret, self._copy.name
        _removed(self._copy, lambda: self._call(delete, SecretId=name, ForceDeleteWithoutRecovery=True))


def _encryption(parameter: str, copy: Copy) -> dict[str, Any]:
    """Name the KMS key at each write: a parameter that is written without one gets AWS's."""
    return {parameter: copy.kms_key_id} if copy.kms_key_id else {}


def _made(copy: Copy, method: Callable[[], _Result]) -> _Result:
    try:
        return method()
    except CallError as error:
        if error.code in {"ParameterAlreadyExists", "ResourceExistsException"}:
            exists = CopyError(
                f"the {copy.id} exists already, and was not made for this secret: give the copy another name, or "
                "delete what is there"
            )
            raise in_other_words(error, exists) from error
        raise _refused(copy, error) from error


def _removed(copy: Copy, method: Callable[[], object]) -> None:
    try:
        method()
    except CallError as error:
        if error.code not in {"ParameterNotFound", "ResourceNotFoundException"}:
            raise _refused(copy, error) from error


def _refused(copy: Copy, error: CallError) -> CallError:
    return explained(error, "ssm" if copy.kind is CopyKind.PARAMETER else "secretsmanager", copy.id, QUESTION_OF_COPIES)
