"""A person in the console: changes that the provider does not hear of. Nothing here is a call in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fakes import administrator, dynamodb, iam, rotation, secret_tags, secretsmanager

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from fakes.attribute_values import Item
    from fakes.state import State


class Person:
    """Acts behind the provider's back, at once and without asking what AWS's quotas say."""

    def __init__(self, state: State) -> None:
        """Act on an account."""
        self._state = state

    def make_key(self, user_name: str) -> str:
        """Create an access key, whatever the quota says, and return its id."""
        return iam.new_key(self._state, iam.user_named(self._state, user_name)).id

    def delete_key(self, key_id: str) -> None:
        """Delete a key without deactivating it first."""
        iam.delete_key(self._state, self._key(key_id))

    def set_key_status(self, key_id: str, status: str) -> None:
        """Make a key Active or Inactive."""
        _, user = self._state.keys[key_id]
        parameters = {"UserName": user.name, "AccessKeyId": key_id, "Status": status}
        iam.update_access_key(self._state, parameters)

    def deactivate_key(self, key_id: str) -> None:
        """Make a key Inactive."""
        self.set_key_status(key_id, iam.INACTIVE)

    def use_key(self, key_id: str, service: str = "s3") -> None:
        """Make a call with a key, as its owner does."""
        key = self._key(key_id)
        key.last_used, key.last_service = self._state.clock.now(), service

    def tag_user(self, user_name: str, key: str, value: str) -> None:
        """Set a tag of a user."""
        iam.tag_user(self._state, {"UserName": user_name, "Tags": [{"Key": key, "Value": value}]})

    def untag_user(self, user_name: str, *keys: str) -> None:
        """Remove tags of a user; all of them if none is named."""
        user = iam.user_named(self._state, user_name)
        keys = keys or tuple(key for key, _ in user.tags.value.values())
        iam.untag_user(self._state, {"UserName": user_name, "TagKeys": keys})

    def make_user(self, user_name: str) -> str:
        """Create a user and return its id."""
        made = administrator.create_user(self._state, {"UserName": user_name})
        return str(made["User"]["UserId"])

    def delete_user(self, user_name: str) -> None:
        """Delete a user with all its keys."""
        for key in iam.user_named(self._state, user_name).living_keys():
            iam.delete_key(self._state, key)
        administrator.delete_user(self._state, {"UserName": user_name})

    def recreate_user(self, user_name: str) -> str:
        """Delete a user and create another one of the same name; return its id."""
        self.delete_user(user_name)
        return self.make_user(user_name)

    def rename_user(self, user_name: str, new_name: str) -> None:
        """Rename a user: its id, its keys and its tags stay."""
        administrator.update_user(self._state, {"UserName": user_name, "NewUserName": new_name})

    def make_secret(self, name: str, value: str | None = None) -> str:
        """Create a secret and return its ARN."""
        given = {"SecretString": value} if value is not None else {}
        return str(administrator.create_secret(self._state, {"Name": name, **given})["ARN"])

    def put_value(self, secret_arn: str, value: str, *labels: str) -> str:
        """Write a value, AWSCURRENT unless labels are named, and return the version's id."""
        named = {"VersionStages": list(labels)} if labels else {}
        parameters = {"SecretId": secret_arn, "SecretString": value, **named}
        return str(secretsmanager.put_secret_value(self._state, parameters)["VersionId"])

    def move_label(self, secret_arn: str, label: str, version_id: str) -> None:
        """Put a label on a version, wherever it was."""
        attached = self._secret(secret_arn).labels.value.get(label)
        moved_from = {"RemoveFromVersionId": attached} if attached else {}
        parameters = {"SecretId": secret_arn, "VersionStage": label, "MoveToVersionId": version_id}
        secretsmanager.update_secret_version_stage(self._state, {**parameters, **moved_from})

    def remove_label(self, secret_arn: str, label: str) -> None:
        """Take a label off whatever version it is on."""
        attached = self._secret(secret_arn).labels.value[label]
        parameters = {"SecretId": secret_arn, "VersionStage": label, "RemoveFromVersionId": attached}
        secretsmanager.update_secret_version_stage(self._state, parameters)

    def remove_own_labels(self, secret_arn: str) -> None:
        """Take off every label that is not AWS's own."""
        for label in list(self._secret(secret_arn).labels.value):
            if not label.startswith("AWS"):
                self.remove_label(secret_arn, label)

    def remove_deprecated_versions(self, secret_arn: str) -> list[str]:
        """Remove the versions without a label, as Secrets Manager does in the background; return their ids."""
        secret = self._secret(secret_arn)
        gone = [version_id for version_id in secret.versions if not secret.labels_of(version_id)]
        for version_id in gone:
            del secret.versions[version_id]
        return gone

    def tag_secret(self, secret_arn: str, key: str, value: str) -> None:
        """Set a tag of a secret."""
        secret = self._secret(secret_arn)
        secret_tags.set_tags(self._state, secret, secret.tags.value | {key: value})

    def untag_secret(self, secret_arn: str, *keys: str) -> None:
        """Remove tags of a secret; all of them if none is named."""
        secret = self._secret(secret_arn)
        kept = {key: value for key, value in secret.tags.value.items() if keys and key not in keys}
        secret_tags.set_tags(self._state, secret, kept)

    def set_rotation(self, secret_arn: str, *, enabled: bool) -> None:
        """Switch the schedule of a secret's rotation on or off."""
        self._secret(secret_arn).rotation_enabled = enabled
        self._state.changed()

    def begin_rotation(self, secret_arn: str, token: str) -> str:
        """Let Secrets Manager begin a rotation, and return its rotation token; the four steps are the test's."""
        return rotation.begin_rotation(self._state, secret_arn, token)

    def schedule_deletion(self, secret_arn: str) -> None:
        """Delete a secret, with 30 days to change one's mind."""
        administrator.delete_secret(self._state, {"SecretId": secret_arn})

    def restore_secret(self, secret_arn: str) -> None:
        """Change one's mind."""
        administrator.restore_secret(self._state, {"SecretId": secret_arn})

    def delete_secret(self, secret_arn: str) -> None:
        """Delete a secret for good."""
        administrator.delete_secret(self._state, {"SecretId": secret_arn, "ForceDeleteWithoutRecovery": True})

    def replicate_from(self, secret_arn: str, region: str) -> None:
        """Make a secret a replica of one in another region; this region makes it a primary one."""
        self._secret(secret_arn).primary_region = region
        self._state.changed()

    def make_table(self, name: str) -> None:
        """Make a table like the provider's ledger, with its indexes."""
        self._state.tables[name] = dynamodb.Table()
        self._state.changed()

    def delete_table(self, name: str | None = None) -> None:
        """Delete a table; the only one if none is named. So it is with the others."""
        self._state.table(name).deleted = True
        self._state.changed()

    def restore_table(self, name: str | None = None, *, to: datetime) -> None:
        """Put a table back to what it was at a time, also one that was deleted."""
        dynamodb.restore(self._state, self._state.table(name), to)

    def delete_entry(self, secret_arn: str, table: str | None = None) -> None:
        """Delete the item of a secret."""
        dynamodb.write(self._state, self._state.table(table), secret_arn, None)

    def change_entry(self, secret_arn: str, change: Callable[[Item], object], table: str | None = None) -> None:
        """Change the item of a secret, whatever version it has, as somebody else or the console does."""
        found = self._state.table(table)
        item = found.item(secret_arn) or {dynamodb.KEY: {"S": secret_arn}}
        change(item)
        dynamodb.write(self._state, found, secret_arn, item)

    def _key(self, key_id: str) -> iam.AccessKey:
        _, user = self._state.keys[key_id]
        return iam.key_of(user, key_id)

    def _secret(self, secret_arn: str) -> secretsmanager.Secret:
        return secretsmanager.secret_with_id(self._state, secret_arn)
