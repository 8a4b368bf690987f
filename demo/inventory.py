"""What an account holds, by name: to see that a stack leaves nothing behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_cloud import LocalCloud

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
