"""The kinds of parameters, and what is wrong with a value: for botocore, which does not send it, and for AWS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from fakes import attribute_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""

    least: int = 0
    most: int | None = None
    allowed: Callable[[str], bool] | None = None
    required: bool = False

    def unsendable(self, name: str, value: object) -> Iterator[str]:
        """Say what botocore finds wrong."""
        if not isinstance(value, str):
            yield f"Invalid type for parameter {name}, type: {type(value)}, valid types: {str}"
        elif len(value) < self.least:
            yield f"Invalid length for parameter {name}, value: {len(value)}, valid min length: {self.least}"

    def invalid(self, name: str, value: Any) -> Iterator[str]:
        """Say what the service finds wrong."""
        if self.most is not None and len(value) > self.most:
            yield f"at '{name}' failed to satisfy constraint: Member must have length at most {self.most}"
        if self.allowed is not None and not self.allowed(value):
            yield f"at '{name}' failed to satisfy constraint: Member must satisfy its pattern"


@dataclass(frozen=True, slots=True)
class Bytes:
    """A blob."""

    least: int = 0
    most: int | None = None
    required: bool = False

    def unsendable(self, name: str, value: object) -> Iterator[str]:
        """Say what botocore finds wrong."""
        if not isinstance(value, bytes):
            yield f"Invalid type for parameter {name}, type: {type(value)}, valid types: {bytes}"

    def invalid(self, name: str, value: Any) -> Iterator[str]:
        """Find nothing wrong."""
        del name, value
        return iter(())


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer."""

    least: int
    most: int | None = None
    required: bool = False

    def unsendable(self, name: str, value: object) -> Iterator[str]:
        """Say what botocore finds wrong."""
        if not isinstance(value, int) or isinstance(value, bool):
            yield f"Invalid type for parameter {name}, type: {type(value)}, valid types: {int}"
        elif value < self.least:
            yield f"Invalid range for parameter {name}, value: {value}, valid min value: {self.least}"

    def invalid(self, name: str, value: Any) -> Iterator[str]:
        """Say what the service finds wrong."""
        if self.most is not None and value > self.most:
            yield f"at '{name}' failed to satisfy constraint: Member must have value at most {self.most}"


@dataclass(frozen=True, slots=True)
class Texts:
    """A list of strings."""

    member: Text
    least: int = 0
    most: int | None = None
    required: bool = False

    def unsendable(self, name: str, value: object) -> Iterator[str]:
        """Say what botocore finds wrong."""
        if not isinstance(value, list | tuple):
            yield f"Invalid type for parameter {name}, type: {type(value)}, valid types: {list}, {tuple}"
            return
        if len(value) < self.least:
            yield f"Invalid length for parameter {name}, value: {len(value)}, valid min length: {self.least}"
        for index, member in enumerate(value):
            yield from self.member.unsendable(f"{name}[{index}]", member)

    def invalid(self, name: str, value: Any) -> Iterator[str]:
        """Say what the service finds wrong."""
        if self.most is not None and len(value) > self.most:
            yield f"at '{name}' failed to satisfy constraint: Member must have length at most {self.most}"
        for index, member in enumerate(value):
            yield from self.member.invalid(f"{name}.{index + 1}.member", member)


@dataclass(frozen=True, slots=True)
class Tags:
    """A list of `{"Key": …, "Value": …}`."""

    key: Text
    value: Text
    most: int | None = None
    required: bool = True

    def unsendable(self, name: str, value: object) -> Iterator[str]:
        """Say what botocore finds wrong."""
        if not isinstance(value, list | tuple):
            yield f"Invalid type for parameter {name}, type: {type(value)}, valid types: {list}, {tuple}"
            return
        for index, tag in enumerate(value):
            yield from members_wrong(f"{name}[{index}]", tag, {"Key": self.key, "Value": self.value})

    def invalid(self, name: str, value: Any) -> Iterator[str]:
        """Say what the service finds wrong."""
        if self.most is not None and len(value) > self.most:
            yield f"at '{name}' failed to satisfy constraint: Member must have length at most {self.most}"
        for index, tag in enumerate(value):
            yield from self.key.invalid(f"{name}.{index + 1}.member.key", tag.get("Key", ""))
            yield from self.value.invalid(f"{name}.{index + 1}.member.value", tag.get("Value", ""))


@dataclass(frozen=True, slots=True)
class Structures:
    """A list of structures."""

    members: Mapping[str, Rule]
    least: int = 0
    most: int | None = None
    required: bool = False

    def unsendable(self, name: str, value: Any) -> Iterator[str]:
        """Say what botocore finds wrong."""
        if len(value) < self.least:
            yield f"Invalid length for parameter {name}, value: {len(value)}, valid min length: {self.least}"
        for index, one in enumerate(value):
            yield from members_wrong(f"{name}[{index}]", one, self.members)

    def invalid(self, name: str, value: Any) -> Iterator[str]:
        """Say what the service finds wrong."""
        if self.most is not None and len(value) > self.most:
            yield f"at '{name}' failed to satisfy constraint: Member must have length at most {self.most}"
        for one in value:
            for found, given in one.items():
                yield from self.members[found].invalid(f"{name}.{found}", given)


@dataclass(frozen=True, slots=True)
class Flag:
    """A boolean."""

    least: ClassVar[int] = 0
    most: ClassVar[int | None] = None
    required: bool = False

    def unsendable(self, name: str, value: object) -> Iterator[str]:
        """Say what botocore finds wrong."""
        if not isinstance(value, bool):
            yield f"Invalid type for parameter {name}, type: {type(value)}, valid types: {bool}"

    def invalid(self, name: str, value: Any) -> Iterator[str]:
        """Say what the service finds wrong: nothing."""
        del name, value
        yield from ()


@dataclass(frozen=True, slots=True)
class TextMap:
    """A string for each name."""

    least: ClassVar[int] = 0
    most: ClassVar[int | None] = None
    required: bool = False

    def unsendable(self, name: str, value: object) -> Iterator[str]:
        """Say what botocore finds wrong."""
        if not isinstance(value, dict):
            yield f"Invalid type for parameter {name}, type: {type(value)}, valid types: {dict}"
            return
        for found, member in value.items():
            if not isinstance(found, str) or not isinstance(member, str):
                yield f"Invalid type for parameter {name}.{found}, type: {type(member)}, valid types: {str}"

    def invalid(self, name: str, value: Any) -> Iterator[str]:
        """Say what the service finds wrong: it says so itself."""
        del name, value
        yield from ()


@dataclass(frozen=True, slots=True)
class Attributes:
    """A value of DynamoDB for each name."""

    least: ClassVar[int] = 0
    most: ClassVar[int | None] = None
    required: bool = False

    def unsendable(self, name: str, value: object) -> Iterator[str]:
        """Say what botocore finds wrong."""
        if not attribute_values.sendable({"M": value}):
            yield from attribute_values.unsendable_members(name, value)

    def invalid(self, name: str, value: Any) -> Iterator[str]:
        """Say what the service finds wrong: it says so when it takes the values."""
        del name, value
        yield from ()


Rule = Text | Whole | Texts | Tags | Structures | Flag | TextMap | Attributes


def members_wrong(name: str, value: object, rules: Mapping[str, Rule]) -> Iterator[str]:
    """Say what botocore finds wrong with the members of a structure."""
    if not isinstance(value, dict):
        yield f"Invalid type for parameter {name}, type: {type(value)}, valid types: {dict}"
        return
    for found, rule in rules.items():
        if found in value:
            yield from rule.unsendable(f"{name}.{found}", value[found])
        elif rule.required:
            yield f'Missing required parameter in {name}: "{found}"'
    for found in value.keys() - rules.keys():
        yield f'Unknown parameter in {name}: "{found}", must be one of: {", ".join(rules)}'
