"""Secrets Manager: the versions and labels of one secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import boto3

from access_key_provider.aws.denials import explained
from access_key_provider.model.errors import ConflictError, SecretUnavailableError
from access_key_provider.model.state import CURRENT, SecretDescription, SecretState, SecretVersion
from lambda_shared.aws_calls import NO_RETRIES
from lambda_shared.errors import CallError, in_other_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_secretsmanager import SecretsManagerClient

    from access_key_provider.aws.sts import Credentials
    from access_key_provider.model.copies import Copy
    from lambda_shared.aws_calls import RetryingCaller

_Result = TypeVar("_Result")

_NOT_FOUND = "ResourceNotFoundException"
_INVALID_PARAMETER = "InvalidParameterException"
_INVALID_REQUEST = "InvalidRequestException"
_QUESTION = (
    "was the secret imported without the six characters at the end of its ARN? Then import it by its complete ARN "
    "(Secret.from_secret_complete_arn)"
)
QUESTION_OF_COPIES = "does its role allow that? Then look at the policy of its KMS key"


class SecretsManagerVersions:
    """The versions and labels of one secret, by Secrets Manager. Nothing here can read a value."""

    def __init__(
        self,
        credentials: Credentials,
        secret_arn: str,
        call: RetryingCaller,
        rotation_token: str = "",
        *,
        copy: Copy | None = None,
    ) -> None:
        """Act with the credentials of the key's role; Secrets Manager's token says that it is for its rotation.

        A copy of the secret is asked for where it is, and messages name it.
        """
        self._client: SecretsManagerClient = boto3.client(
            "secretsmanager", region_name=copy.region if copy else None, **credentials, config=NO_RETRIES
        )
        self._arn = secret_arn
        self._call = call
        self._rotation_token = rotation_token
        self._called, self._question = (copy.id, QUESTION_OF_COPIES) if copy else (secret_arn, _QUESTION)

    def describe(self) -> SecretDescription:
        """Describe the secret; a missing one is a description too."""
        try:
            secret = self._call(self._client.describe_secret, SecretId=self._arn)
        except CallError as error:
            if error.code == _NOT_FOUND:
                return SecretDescription(SecretState.MISSING)
            raise self._refused(error) from error
        state = SecretState.WRITABLE
        if secret.get("DeletedDate"):
            state = SecretState.SCHEDULED_FOR_DELETION
        elif secret.get("PrimaryRegion", self._client.meta.region_name) != self._client.meta.region_name:
            state = SecretState.REPLICA
        return SecretDescription(
            state=state,
            versions=tuple(
                SecretVersion(version, frozenset(labels))
                for version, labels in secret.get("VersionIdsToStages", {}).items()
            ),
            rotation_enabled=bool(secret.get("RotationEnabled")),
        )

    def put(self, version_id: str, value: str, labels: tuple[str, ...]) -> frozenset[str]:
        """Write a version with labels, and return those it has then."""
        stored = self._writing(
            lambda: self._client.put_secret_value(
                SecretId=self._arn,
                ClientRequestToken=version_id,
                SecretString=value,
                VersionStages=list(labels),
                **({"RotationToken": self._rotation_token} if self._rotation_token else {}),
            )
        )
        return frozenset(stored["VersionStages"])

    def remove_label(self, version_id: str, label: str) -> None:
        """Take a label off a version. Raises ConflictError if it is not there."""
        self._moving(
            lambda: self._client.update_secret_version_stage(
                SecretId=self._arn, VersionStage=label, RemoveFromVersionId=version_id
            )
        )

    def move_current(self, to_version: str, from_version: str | None) -> None:
        """Move AWSCURRENT if it still is where it was. Raises ConflictError if not."""
        moved_from = {"RemoveFromVersionId": from_version} if from_version else {}
        self._moving(
            lambda: self._client.update_secret_version_stage(
                SecretId=self._arn, VersionStage=CURRENT, MoveToVersionId=to_version, **moved_from
            )
        )

    def _moving(self, method: Callable[[], _Result]) -> _Result:
        try:
            return self._call(method)
        except CallError as error:
            if error.code in {_NOT_FOUND, _INVALID_PARAMETER}:
                raise in_other_words(error, ConflictError(f"{self._called} has changed: {error}")) from error
            raise self._refused(error) from error

    def _writing(self, method: Callable[[], _Result]) -> _Result:
        try:
            return self._call(method)
        except CallError as error:
            if error.code in {_NOT_FOUND, _INVALID_REQUEST}:
                unavailable = SecretUnavailableError(f"{self._called} can't be written to: {error}")
                raise in_other_words(error, unavailable) from error
            raise self._refused(error) from error

    def _refused(self, error: CallError) -> CallError:
        return explained(error, "secretsmanager", self._called, self._question)
