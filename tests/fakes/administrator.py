"""What only the administrator's clients can do: prepare an account, and look at it as it really is."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fakes import iam, secretsmanager
from fakes.errors import ServiceError
from fakes.lags import Seen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fakes.state import State

Answer = dict[str, Any]


def create_user(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Create a user."""
    name, path = parameters["UserName"], parameters.get("Path", "/")
    if name in state.users:
        raise ServiceError("EntityAlreadyExists", f"User with name {name} already exists.")
    created = state.clock.now().replace(microsecond=0)
    user = state.users[name] = iam.User(name, state.names.user_id(), path, created)
    state.changed()
    if parameters.get("Tags"):
        iam.tag_user(state, {"UserName": name, "Tags": parameters["Tags"]})
    return _described(state, user)


def get_user(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Describe a user."""
    return _described(state, iam.user_named(state, parameters["UserName"]))


def _described(state: State, user: iam.User) -> Answer:
    arn = f"arn:aws:iam::{state.account_id}:user{user.path}{user.name}"
    described = {"UserName": user.name, "UserId": user.id, "Arn": arn, "Path": user.path, "CreateDate": user.created}
    return {"User": described}


def update_user(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Rename a user: its id, its keys and its tags stay."""
    user = iam.user_named(state, parameters["UserName"])
    name = parameters.get("NewUserName", user.name)
    if name != user.name and name in state.users:
        raise ServiceError("EntityAlreadyExists", f"User with name {name} already exists.")
    del state.users[user.name]
    user.name = name
    state.users[name] = user
    state.changed()
    return {}


def delete_user(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Delete a user that has no keys."""
    user = iam.user_named(state, parameters["UserName"])
    if user.living_keys():
        raise ServiceError("DeleteConflict", "Cannot delete entity, must delete access keys first.")
    del state.users[user.name]
    state.changed()
    return {}


def create_secret(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Create a secret, with a first version if a value is given."""
    name, now = parameters["Name"], state.clock.now()
    region = state.asked_in or state.region
    named = (secret for secret in state.secrets.values() if secret.name == name)
    existing = next((secret for secret in named if secret.arn.split(":")[3] == region), None)
    if existing is not None and existing.deleted:
        message = "You can't create this secret because a secret with this name is already scheduled for deletion."
        raise ServiceError("InvalidRequestException", message)
    if existing is not None:
        message = f"The operation failed because the secret {name} already exists."
        raise ServiceError("ResourceExistsException", message)
    arn = f"arn:aws:secretsmanager:{region}:{state.account_id}:secret:{name}-{state.names.suffix()}"
    tags = {tag["Key"]: tag["Value"] for tag in parameters.get("Tags", [])}
    state.secrets[arn] = secretsmanager.Secret(name, arn, now, now, tags=Seen(tags))
    state.changed()
    answer = {"ARN": arn, "Name": name}
    if "SecretString" in parameters:
        value = {"SecretId": arn, "SecretString": parameters["SecretString"]}
        token = {name: parameters[name] for name in ("ClientRequestToken",) if name in parameters}
        answer["VersionId"] = secretsmanager.put_secret_value(state, value | token)["VersionId"]
    return answer


def delete_secret(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Schedule a secret for deletion, or delete it at once."""
    secret = secretsmanager.secret_with_id(state, parameters["SecretId"])
    if parameters.get("ForceDeleteWithoutRecovery"):
        del state.secrets[secret.arn]
        secret.deleted = state.clock.now()
    else:
        if secret.deleted:
            message = "You tried to perform the operation on a secret that's currently marked deleted."
            raise ServiceError("InvalidRequestException", message)
        secret.deleted = state.clock.now() + timedelta(days=parameters.get("RecoveryWindowInDays", 30))
    state.changed()
    return {"ARN": secret.arn, "Name": secret.name, "DeletionDate": secret.deleted}


def restore_secret(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Cancel a deletion."""
    secret = secretsmanager.secret_with_id(state, parameters["SecretId"])
    secret.deleted = None
    state.changed()
    return {"ARN": secret.arn, "Name": secret.name}
