"""A service control policy, and what it is attached to."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import aws_organizations as organizations
from constructs import Construct

_TARGET = re.compile(r"r-[0-9a-z]{4,32}|ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}|\d{12}")


def checked_targets(targets: Sequence[str]) -> list[str]:
    """Return the ids of roots, organizational units and accounts, each once, as CloudFormation wants them.

    Raises:
        ValueError: There is no target, or one is none.
    """
    if isinstance(targets, str) or not targets:
        raise ValueError(f"targets must be a list of ids with at least one, got {targets!r}; pass e.g. ['r-ab12']")
    for target in targets:
        if not _TARGET.fullmatch(target):
            raise ValueError(
                f"targets must be ids of the root (r-ab12), of organizational units (ou-ab12-34cd56ef) or of "
                f"accounts (12 digits), got {target!r}; correct it"
            )
    return list(dict.fromkeys(targets))


def define_policy(
    scope: Construct, name: str, description: str, content: Mapping[str, Any], target_ids: list[str]
) -> organizations.CfnPolicy:
    """Define the service control policy of a construct."""
    return organizations.CfnPolicy(
        scope,
        "Policy",
        name=name,
        type="SERVICE_CONTROL_POLICY",
        description=description,
        content=content,
        target_ids=target_ids,
    )
