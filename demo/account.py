"""The account, looked at from outside: the stack, its user's keys and its secret."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local_cloud.invariants import Expected, violations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from demo.keyring import Keyring
    from local_cloud import LocalCloud

STACK = "AccessKeyExample"
TOOLKIT_STACK = "CDKToolkit"
DELETED = "deleted"
ABSENT = "absent"
_KEY_LABEL = re.compile(r"^AKIA[A-Z0-9]{12,}$")
_STAGES = {"AWSCURRENT": "current", "AWSPREVIOUS": "previous"}

_Labels = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class KeySeen:
    """A key that the user has, or had.

    Attributes:
        id: The access key id.
        status: `Active`, `Inactive`, or `deleted`.
        created: The time of day, in UTC; empty for a key that IAM lists no more.
        stage: `current` or `previous` according to the secret's labels, or empty.
        answer: What a call signed with it answers.
        identity: Whose key it is, according to that call.
    """

    id: str
    status: str
    created: str = ""
    stage: str = ""
    answer: str = ""
    identity: str = ""


NO_KEY = KeySeen("no key", ABSENT)


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at the stack, at its user and at its secret."""

    stack_status: str = ABSENT
    outputs: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[KeySeen, ...] = ()
    current_version: str = ABSENT
    violations: tuple[str, ...] = ()

    @property
    def current(self) -> KeySeen:
        """The key that the secret's AWSCURRENT names."""
        return next((key for key in self.keys if key.stage == "current"), NO_KEY)

    def key(self, access_key_id: str) -> KeySeen:
        """The key of an id."""
        return next((key for key in self.keys if key.id == access_key_id), NO_KEY)


class Account:
    """Everything that the demo reads, as an administrator who may read everything.

    Args:
        cloud: A running account.
        keyring: The keys to sign calls with, also those that are deleted by now.
    """

    def __init__(self, cloud: LocalCloud, keyring: Keyring) -> None:
        self._keyring = keyring
        self._iam = cloud.client("iam")
        self._secrets = cloud.client("secretsmanager")
        self._stacks = cloud.client("cloudformation")
        self._outputs: Mapping[str, str] = {}

    @property
    def user_name(self) -> str:
        """The user's name, also after the stack is gone; empty before it is deployed."""
        return self._outputs.get("UserName", "")

    def stack_status(self, name: str) -> str:
        """Give the status of a stack, `absent` if there is none."""
        return str(self._stack(name).get("StackStatus", ABSENT))

    def failed_resources(self) -> set[str]:
        """Give the logical ids of what failed since the stack was made."""
        events = self._stacks.describe_stack_events(StackName=STACK)["StackEvents"]
        return {event["LogicalResourceId"] for event in events if event["ResourceStatus"].endswith("_FAILED")}

    def published(self) -> str:
        """Give what everybody who may look at the stack can read: its template, outputs and events."""
        reads = (self._stacks.get_template, self._stacks.describe_stacks, self._stacks.describe_stack_events)
        try:
            return json.dumps([read(StackName=STACK) for read in reads], default=str)
        except ClientError:
            return ""

    def look(self, status: str | None) -> Seen:
        """Look at everything.

        Args:
            status: The status that the current key is declared to have, None if no key is declared.
        """
        stack = self._stack(STACK)
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
        self._outputs = outputs or self._outputs
        secret_arn = self._outputs.get("SecretArn")
        labels = self._labels(secret_arn)
        expected = Expected(self.user_name, secret_arn, status)
        return Seen(
            stack_status=stack.get("StackStatus", ABSENT),
            outputs=outputs,
            keys=tuple(self._keys(labels)),
            current_version=next((version for version, names in labels.items() if "AWSCURRENT" in names), ABSENT),
            violations=tuple(violations(self._iam, self._secrets, expected)) if self._outputs else (),
        )

    def _stack(self, name: str) -> dict[str, Any]:
        try:
            stack: dict[str, Any] = self._stacks.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError:
            return {}
        return stack

    def _labels(self, secret_arn: str | None) -> _Labels:
        if secret_arn is None:
            return {}
        try:
            labels: _Labels = self._secrets.describe_secret(SecretId=secret_arn)["VersionIdsToStages"]
        except self._secrets.exceptions.ResourceNotFoundException:
            return {}
        return labels

    def _keys(self, labels: _Labels) -> Iterator[KeySeen]:
        stages = _stages(labels)
        listed = self._listed_keys()
        for key_id in dict.fromkeys((*self._keyring.ids, *listed)):
            call = self._keyring.call(key_id)
            key = listed.get(key_id)
            status, created = (key["Status"], f"{key['CreateDate']:%H:%M:%S}") if key else (DELETED, "")
            yield KeySeen(key_id, status, created, stages.get(key_id, ""), call.answer, call.identity)

    def _listed_keys(self) -> dict[str, Any]:
        if not self.user_name:
            return {}
        try:
            keys = self._iam.list_access_keys(UserName=self.user_name)["AccessKeyMetadata"]
        except self._iam.exceptions.NoSuchEntityException:
            return {}
        return {key["AccessKeyId"]: key for key in keys}


def _stages(labels: _Labels) -> dict[str, str]:
    """Tell which key is current and which is previous: a version carries the label of AWS and the key's id."""
    return {
        name: stage
        for names in labels.values()
        for label, stage in _STAGES.items()
        if label in names
        for name in names
        if _KEY_LABEL.match(name)
    }
