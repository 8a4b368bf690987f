"""The account, looked at from outside: the stack, its user's keys and its secret, and all that it holds by name."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local_cloud.invariants import Expected, entries_of, violations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from demo.keyring import Keyring
    from local_cloud import LocalCloud

EXAMPLE_STACK = "AccessKeyExample"
ROTATION_STACK = "KeyRotationExample"
CONSUMER_STACK = "KeyConsumerExample"
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
        stack: The name of the stack.
    """

    def __init__(self, cloud: LocalCloud, keyring: Keyring, stack: str) -> None:
        self._keyring = keyring
        self._name = stack
        self._iam = cloud.client("iam")
        self._secrets = cloud.client("secretsmanager")
        self._stacks = cloud.client("cloudformation")
        self._tables = cloud.client("dynamodb")
        self._outputs: Mapping[str, str] = {}
        self._others: frozenset[str] = frozenset()

    def begin(self) -> None:
        """Leave the keys that are known by now out of every look: they are of another stack."""
        self._others = frozenset(self._keyring.ids)

    @property
    def user_name(self) -> str:
        """The user's name, also after the stack is gone; empty before it is deployed."""
        return self.output("UserName")

    def output(self, name: str) -> str:
        """Give an output of the stack, also after the stack is gone; empty before it is deployed."""
        return self._outputs.get(name, "")

    def current_key_id(self) -> str:
        """Give the id of the current key, without signing a call with any key."""
        stages = _stages(self._labels(self._outputs.get("SecretArn")))
        return next((key_id for key_id, stage in stages.items() if stage == "current"), ABSENT)

    def key_status(self, key_id: str) -> str:
        """Give the status of a key, without signing a call with it: that would be a use."""
        key = self._listed_keys().get(key_id)
        return str(key["Status"]) if key else DELETED

    def secret_name(self) -> str:
        """Give the name of the secret, which is shorter than its ARN."""
        return str(self._secrets.describe_secret(SecretId=self.output("SecretArn"))["Name"])

    def current_key(self) -> dict[str, str]:
        """Give the value of the secret, as its readers get it."""
        value: dict[str, str] = json.loads(
            self._secrets.get_secret_value(SecretId=self.output("SecretArn"))["SecretString"]
        )
        return value

    def is_pending(self) -> bool:
        """Tell whether Secrets Manager rotates the secret at this moment, or tests its function."""
        labels = self._labels(self._outputs.get("SecretArn")).values()
        return any("AWSPENDING" in names and "AWSCURRENT" not in names for names in labels)

    def deployed_serial(self) -> str:
        """Give the serial that the stack's template declares."""
        resources = self._stacks.get_template(StackName=self._name)["TemplateBody"]["Resources"].values()
        return next(str(r["Properties"]["Serial"]) for r in resources if r["Type"] == "Custom::IAMAccessKey")

    def due_entries(self) -> int:
        """Count the entries of all ledgers that the sweep is to come back to."""
        tables = self._tables.list_tables()["TableNames"]
        return sum("due" in item for table in tables for item in self._tables.scan(TableName=table)["Items"])

    def deployments(self) -> int:
        """Count what CloudFormation has reported of the stack: it grows with every deployment."""
        return len(self._stacks.describe_stack_events(StackName=self._name)["StackEvents"])

    def stack_status(self, name: str) -> str:
        """Give the status of a stack, `absent` if there is none."""
        return str(self._stack(name).get("StackStatus", ABSENT))

    def failed_resources(self) -> set[str]:
        """Give the logical ids of what failed since the stack was made."""
        events = self._stacks.describe_stack_events(StackName=self._name)["StackEvents"]
        return {event["LogicalResourceId"] for event in events if event["ResourceStatus"].endswith("_FAILED")}

    def published(self) -> str:
        """Give what everybody who may look at the stack can read: its template, outputs and events."""
        reads = (self._stacks.get_template, self._stacks.describe_stacks, self._stacks.describe_stack_events)
        try:
            return json.dumps([read(StackName=self._name) for read in reads], default=str)
        except ClientError:
            return ""

    def look(self, status: str | None) -> Seen:
        """Look at everything.

        Args:
            status: The status that the current key is declared to have, None if no key is declared.
        """
        stack = self._stack(self._name)
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
            violations=tuple(violations(self._iam, self._secrets, self._ledger(), expected)) if self._outputs else (),
        )

    def _ledger(self) -> dict[str, Any]:
        """Read the entries of all ledgers."""
        tables = self._tables.list_tables()["TableNames"]
        return entries_of(item for table in tables for item in self._tables.scan(TableName=table)["Items"])

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
            if key_id in self._others:
                continue
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


_LISTS: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "user": ("iam", "list_users", "Users[].UserName", {}),
    "role": ("iam", "list_roles", "Roles[].RoleName", {}),
    "policy": ("iam", "list_policies", "Policies[].PolicyName", {"Scope": "Local"}),
    "secret": ("secretsmanager", "list_secrets", "SecretList[].Name", {"IncludePlannedDeletion": True}),
    "function": ("lambda", "list_functions", "Functions[].FunctionName", {}),
    "log group": ("logs", "describe_log_groups", "logGroups[].logGroupName", {}),
    "table": ("dynamodb", "list_tables", "TableNames[]", {}),
    "parameter": ("ssm", "describe_parameters", "Parameters[].Name", {}),
    "rule": ("events", "list_rules", "Rules[].Name", {}),
    "alarm": ("cloudwatch", "describe_alarms", "MetricAlarms[].AlarmName", {}),
    "queue": ("sqs", "list_queues", "QueueUrls[]", {}),
    "stack": ("cloudformation", "describe_stacks", "Stacks[].StackName", {}),
}

Inventory = dict[str, frozenset[str]]


def take_inventory(cloud: LocalCloud) -> Inventory:
    """List what an account holds, by kind of resource."""
    return {
        kind: frozenset(cloud.client(service).get_paginator(operation).paginate(**arguments).search(names))
        for kind, (service, operation, names, arguments) in _LISTS.items()
    }


def added(before: Mapping[str, frozenset[str]], after: Mapping[str, frozenset[str]]) -> Inventory:
    """Tell what there is that was not there before, by kind of resource."""
    return {kind: names - before[kind] for kind, names in after.items()}
