"""Other resources on the account of a stack: of other stacks, and of other users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from provider.world import STACK_ID

if TYPE_CHECKING:
    from faults.stack import Event, Stack


@dataclass(frozen=True)
class Resource:
    """A resource of some stack, with the serial that CloudFormation takes for deployed before an Update."""

    stack: Stack
    logical_id: str
    stack_name: str
    user: str
    secret_arn: str

    @property
    def physical_id(self) -> str:
        """The id that it answers."""
        return f"{self.user}@{self.secret_arn}"

    def event(self, kind: str, serial: str, deployed: str = "1") -> Event:
        """Make a request for it."""
        new = self.stack.properties(serial, UserName=self.user, SecretArn=self.secret_arn)
        old = new | {"Serial": deployed} if kind == "Update" else None
        physical_id = None if kind == "Create" else self.physical_id
        return self.stack.event(kind, new, physical_id, old) | {
            "LogicalResourceId": self.logical_id,
            "StackId": STACK_ID.replace("/shop/", f"/{self.stack_name}/"),
        }

    def current_key(self) -> str:
        """Return the key that readers of its secret get, which must work."""
        key, status = self.stack.current_key(self.secret_arn)
        assert status == "Active", f"the current key {key} of {self.stack_name} is {status}"
        return key


def two_stacks(stack: Stack) -> tuple[Resource, Resource]:
    """Give the keys of two stacks for the user `deploy`, each with a secret of its own."""
    return (
        Resource(stack, "Key", "one", "deploy", stack.secret_arn),
        Resource(stack, "Key", "two", "deploy", stack.other_arn),
    )
