"""Secrets Manager: secrets, their versions, staging labels and tags.

https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecretVersionStage.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fakes.errors import ServiceError
from fakes.lags import Seen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fakes.state import State

CURRENT = "AWSCURRENT"
PREVIOUS = "AWSPREVIOUS"
PENDING = "AWSPENDING"
_LABELS_PER_SECRET = 20

Answer = dict[str, Any]


@dataclass(slots=True)
class Version:
    """A version: its value never changes once it has one, which that of a rotation has not at first."""

    value: str | None = field(repr=False)
    created: datetime


@dataclass(slots=True)
class Secret:
    """A secret. Each label sits on one version; a version that no label names is deprecated, and there still."""

    name: str
    arn: str
    created: datetime
    changed: datetime
    versions: dict[str, Version] = field(default_factory=dict)
    labels: Seen[dict[str, str]] = field(default_factory=lambda: Seen({}))
    tags: Seen[dict[str, str]] = field(default_factory=lambda: Seen({}))
    deleted: datetime | None = None
    primary_region: str | None = None
    rotation_token: str | None = field(default=None, repr=False)
    rotation_enabled: bool = False

    def labels_of(self, version_id: str) -> list[str]:
        """List the labels of a version, sorted as AWS does."""
        return sorted(label for label, found in self.labels.value.items() if found == version_id)


def secret_with_id(state: State, secret_id: str) -> Secret:
    """Find a secret by its complete ARN or its name. Raises ServiceError."""
    secret = state.secrets.get(secret_id)
    if secret is None:
        region = state.asked_in or state.region
        named = (found for found in state.secrets.values() if found.name == secret_id)
        secret = next((found for found in named if found.arn.split(":")[3] == region), None)
    if secret is None:
        raise ServiceError("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
    return secret


def writable(state: State, secret_id: str) -> Secret:
    """Find a secret that may be written to. Raises ServiceError."""
    secret = _not_deleted(secret_with_id(state, secret_id))
    if secret.primary_region not in {None, state.asked_in or state.region}:
        message = "Operation not permitted on a replica secret. Call must be made in primary secret's region."
        raise ServiceError("InvalidParameterException", message)
    return secret


def _not_deleted(secret: Secret) -> Secret:
    if secret.deleted:
        message = "You can't perform this operation on the secret because it was marked for deletion."
        raise ServiceError("InvalidRequestException", message)
    return secret


def describe_secret(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Describe a secret, also one that is scheduled for deletion; members without a value are left out."""
    secret = secret_with_id(state, parameters["SecretId"])
    stages: dict[str, list[str]] = {}
    for label, version_id in sorted(state.shown(secret.labels).items()):
        stages.setdefault(version_id, []).append(label)
    optional = {
        "VersionIdsToStages": stages,
        "Tags": [{"Key": key, "Value": value} for key, value in state.shown(secret.tags).items()],
        "DeletedDate": secret.deleted,
        "PrimaryRegion": secret.primary_region,
        "RotationEnabled": secret.rotation_enabled,
    }
    return {
        "ARN": secret.arn,
        "Name": secret.name,
        "CreatedDate": secret.created,
        "LastChangedDate": secret.changed,
        **{member: value for member, value in optional.items() if value},
    }


def get_secret_value(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Read a version by its id or its label."""
    secret = _not_deleted(secret_with_id(state, parameters["SecretId"]))
    label, version_id = parameters.get("VersionStage"), parameters.get("VersionId")
    if version_id is None:
        version_id = secret.labels.value.get(label or CURRENT)
    version = secret.versions.get(version_id or "")
    if version_id is None or version is None or version.value is None:
        message = f"Secrets Manager can't find the specified secret value for staging label: {label or CURRENT}"
        raise ServiceError("ResourceNotFoundException", message)
    if label and label not in secret.labels_of(version_id):
        message = "You provided a VersionStage that is not associated to the provided VersionId."
        raise ServiceError("InvalidRequestException", message)
    return {
        "ARN": secret.arn,
        "Name": secret.name,
        "VersionId": version_id,
        "SecretString": version.value,
        "VersionStages": secret.labels_of(version_id),
        "CreatedDate": version.created,
    }


def put_secret_value(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Write a version; the same token again does nothing if the value is the same, and is refused if it is not."""
    secret = writable(state, parameters["SecretId"])
    if "SecretString" not in parameters:
        raise ServiceError("InvalidRequestException", "You must provide either SecretString or SecretBinary.")
    if state.switches.kms_denies:
        raise ServiceError("AccessDeniedException", "Access to KMS is not allowed")
    version_id = parameters.get("ClientRequestToken") or state.names.version_id()
    existing = secret.versions.get(version_id)
    _require_rotation_token(secret, version_id, parameters)
    if existing is None or existing.value is None:
        labels = list(dict.fromkeys(parameters.get("VersionStages") or [CURRENT]))
        if not (secret.versions.keys() - {version_id}) and CURRENT not in labels:
            labels.append(CURRENT)
        after = dict(secret.labels.value)
        for label in sorted(labels, key=CURRENT.__eq__):
            after = moved(after, label, version_id)
        set_labels(state, secret, after)
        secret.versions[version_id] = Version(parameters["SecretString"], state.clock.now())
    elif existing.value != parameters["SecretString"]:
        message = (
            f"You can't use ClientRequestToken {version_id} because that value is already in use for a version of"
            f" secret {secret.arn}."
        )
        raise ServiceError("ResourceExistsException", message)
    named = {"ARN": secret.arn, "Name": secret.name, "VersionId": version_id}
    return {**named, "VersionStages": secret.labels_of(version_id)}


def _require_rotation_token(secret: Secret, version_id: str, parameters: Mapping[str, Any]) -> None:
    """Refuse a session of a role that writes the pending version without saying that it does so for the rotation.

    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
    """
    pending = secret.labels.value.get(PENDING) == version_id
    if parameters.get("RotationToken") != (secret.rotation_token if pending else None):
        raise ServiceError("InvalidParameterException", "The rotation token is not that of the rotation.")


def update_secret_version_stage(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Attach, move or remove a label, if it is where the caller thinks."""
    secret = writable(state, parameters["SecretId"])
    label = parameters["VersionStage"]
    to, of = parameters.get("MoveToVersionId"), parameters.get("RemoveFromVersionId")
    _require_versions(secret, to, of)
    _require_value(secret, label, to)
    attached = secret.labels.value.get(label)
    _require_place(label, attached, to, of)
    if to is None:
        set_labels(state, secret, {found: on for found, on in secret.labels.value.items() if found != label})
    elif attached != to:
        set_labels(state, secret, moved(secret.labels.value, label, to))
    return {"ARN": secret.arn, "Name": secret.name}


def _require_versions(secret: Secret, to: str | None, of: str | None) -> None:
    if to is None and of is None:
        message = "You must specify MoveToVersionId or RemoveFromVersionId."
        raise ServiceError("InvalidParameterException", message)
    for version_id in (to, of):
        if version_id is not None and version_id not in secret.versions:
            message = f"Secrets Manager can't find the specified secret version: {version_id}."
            raise ServiceError("ResourceNotFoundException", message)


def _require_value(secret: Secret, label: str, to: str | None) -> None:
    if to is not None and label == CURRENT and secret.versions[to].value is None:
        raise ServiceError("InvalidRequestException", f"Version {to} has no value.")


def _require_place(label: str, attached: str | None, to: str | None, of: str | None) -> None:
    """Compare, before the swap: the caller must name the version that the label leaves."""
    message = None
    if to is None and label == CURRENT:
        message = (
            "You can only move staging label AWSCURRENT to a different secret version. It can't be completely removed."
        )
    elif of is None and attached not in {None, to}:
        message = (
            f"The parameter RemoveFromVersionId can't be empty. Staging label {label} is currently attached to version"
            f" {attached}, so you must explicitly reference that version in RemoveFromVersionId."
        )
    elif of is not None and of != attached:
        message = f"The parameter RemoveFromVersionId {of} is not the version that staging label {label} is attached to"
    if message:
        raise ServiceError("InvalidParameterException", message)


def moved(labels: Mapping[str, str], label: str, to: str) -> dict[str, str]:
    """Put a label on a version. AWSPREVIOUS follows AWSCURRENT."""
    left = labels.get(label)
    after = {**labels, label: to}
    if label == CURRENT and left not in {None, to}:
        after[PREVIOUS] = str(left)
    return after


def set_labels(state: State, secret: Secret, labels: dict[str, str]) -> None:
    """Give a secret other labels. Raises ServiceError."""
    if len(labels) > _LABELS_PER_SECRET:
        message = "The request failed because it would exceed one of the Secrets Manager quotas."
        raise ServiceError("LimitExceededException", message)
    secret.changed = state.clock.now()
    secret.labels.set(labels, secret.changed, state.lags.labels)
    state.changed()
