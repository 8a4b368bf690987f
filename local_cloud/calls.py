"""What a client asked of the account: the record of one API call."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One signed API call that reached the account, without anything secret.

    What AWS services do for each other inside the emulator (CloudFormation making a user, say) is no API
    call and is not recorded.

    Attributes:
        service: The service as in its endpoint, such as `iam` or `secretsmanager`.
        action: The action as IAM names it, such as `CreateAccessKey`.
        access_key_id: The access key id that signed the call, None for an unsigned one.
        principal: The ARN of who owned that key at the time, None if nobody did.
        parameters: Names and ids from the request. Lists are tuples; of tags only the keys are kept, as `TagKeys`.
        error: The error code, None if the call succeeded.
    """

    service: str
    action: str
    access_key_id: str | None
    principal: str | None
    parameters: Mapping[str, str | tuple[str, ...]]
    error: str | None

    @property
    def name(self) -> str:
        """The action the way policies write it, such as `iam:CreateAccessKey`."""
        return f"{self.service}:{self.action}"

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> ApiCall:
        """Read a record as the emulator's admin path gives it."""
        parameters = {
            key: tuple(value) if isinstance(value, list) else value for key, value in record["parameters"].items()
        }
        return cls(**{**record, "parameters": MappingProxyType(parameters)})
