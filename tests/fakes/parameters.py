"""What each call takes: names, types, lengths and characters, as in AWS's service models.

botocore checks names, types, required members and least lengths before it sends anything; greatest lengths,
characters and enumerations are checked by the service. `tests/contract/test_parameters.py` holds this table
against botocore's model.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from fakes.errors import ServiceError, rejected_by_sdk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_TAG_PUNCTUATION = frozenset("_.:/=+-@")


@lru_cache(maxsize=1024)
def _of_tags(text: str) -> bool:
    return all(character in _TAG_PUNCTUATION or unicodedata.category(character)[0] in "LZN" for character in text)


def _matching(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.ASCII)
    return lambda text: compiled.fullmatch(text) is not None


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
class Whole:
    """An integer."""

    least: int
    most: int
    required: bool = False

    def unsendable(self, name: str, value: object) -> Iterator[str]:
        """Say what botocore finds wrong."""
        if not isinstance(value, int) or isinstance(value, bool):
            yield f"Invalid type for parameter {name}, type: {type(value)}, valid types: {int}"
        elif value < self.least:
            yield f"Invalid range for parameter {name}, value: {value}, valid min value: {self.least}"

    def invalid(self, name: str, value: Any) -> Iterator[str]:
        """Say what the service finds wrong."""
        if value > self.most:
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
            yield from _members(f"{name}[{index}]", tag, {"Key": self.key, "Value": self.value})

    def invalid(self, name: str, value: Any) -> Iterator[str]:
        """Say what the service finds wrong."""
        if self.most is not None and len(value) > self.most:
            yield f"at '{name}' failed to satisfy constraint: Member must have length at most {self.most}"
        for index, tag in enumerate(value):
            yield from self.key.invalid(f"{name}.{index + 1}.member.key", tag.get("Key", ""))
            yield from self.value.invalid(f"{name}.{index + 1}.member.value", tag.get("Value", ""))


Rule = Text | Whole | Texts | Tags

_USER_NAME = Text(1, 128, _matching(r"[\w+=,.@-]+"))
_REQUIRED_USER_NAME = Text(1, 128, _matching(r"[\w+=,.@-]+"), required=True)
_KEY_ID = Text(16, 128, _matching(r"\w+"), required=True)
_STATUS = Text(0, None, {"Active", "Inactive", "Expired"}.__contains__, required=True)
_PAGE: Final[dict[str, Rule]] = {"Marker": Text(1, 320), "MaxItems": Whole(1, 1000)}
_USER_TAG_KEY = Text(1, 128, _of_tags, required=True)
_USER_TAG_VALUE = Text(0, 256, _of_tags, required=True)
_SECRET_ID = Text(1, 2048, required=True)
_VERSION_ID = Text(32, 64)
_LABEL = Text(1, 256)

ACTIONS: Final[dict[str, dict[str, Rule]]] = {
    "iam:CreateAccessKey": {"UserName": _USER_NAME},
    "iam:UpdateAccessKey": {"UserName": _USER_NAME, "AccessKeyId": _KEY_ID, "Status": _STATUS},
    "iam:DeleteAccessKey": {"UserName": _USER_NAME, "AccessKeyId": _KEY_ID},
    "iam:ListAccessKeys": {"UserName": _USER_NAME, **_PAGE},
    "iam:GetAccessKeyLastUsed": {"AccessKeyId": _KEY_ID},
    "iam:ListUserTags": {"UserName": _REQUIRED_USER_NAME, **_PAGE},
    "iam:TagUser": {"UserName": _REQUIRED_USER_NAME, "Tags": Tags(_USER_TAG_KEY, _USER_TAG_VALUE, 50)},
    "iam:UntagUser": {"UserName": _REQUIRED_USER_NAME, "TagKeys": Texts(_USER_TAG_KEY, 0, 50, required=True)},
    "secretsmanager:DescribeSecret": {"SecretId": _SECRET_ID},
    "secretsmanager:GetSecretValue": {"SecretId": _SECRET_ID, "VersionId": _VERSION_ID, "VersionStage": _LABEL},
    "secretsmanager:PutSecretValue": {
        "SecretId": _SECRET_ID,
        "ClientRequestToken": _VERSION_ID,
        "SecretString": Text(1, 65536),
        "VersionStages": Texts(_LABEL, 1, 20),
    },
    "secretsmanager:UpdateSecretVersionStage": {
        "SecretId": _SECRET_ID,
        "VersionStage": Text(1, 256, required=True),
        "RemoveFromVersionId": _VERSION_ID,
        "MoveToVersionId": _VERSION_ID,
    },
    "secretsmanager:TagResource": {"SecretId": _SECRET_ID, "Tags": Tags(Text(1, 128), Text(0, 256))},
    "secretsmanager:UntagResource": {"SecretId": _SECRET_ID, "TagKeys": Texts(Text(1, 128), required=True)},
    "sts:AssumeRole": {
        "RoleArn": Text(20, 2048, required=True),
        "RoleSessionName": Text(2, 64, _matching(r"[\w+=,.@-]*"), required=True),
        "DurationSeconds": Whole(900, 43200),
    },
    "sts:GetCallerIdentity": {},
}

# Where the model says "optional", IAM takes the caller for the user: never what the provider means.
USER_NAME_EXPECTED: Final = frozenset(name for name, rules in ACTIONS.items() if "UserName" in rules)


def check_sendable(name: str, parameters: Mapping[str, Any]) -> None:
    """Check what botocore checks. Raises ParamValidationError."""
    problems = list(_members("input", parameters, ACTIONS[name]))
    if problems:
        raise rejected_by_sdk("\n".join(problems))


def check_valid(name: str, parameters: Mapping[str, Any]) -> None:
    """Check what the service checks first. Raises ServiceError."""
    rules = ACTIONS[name]
    problems = [problem for found, value in parameters.items() for problem in rules[found].invalid(found, value)]
    if problems:
        code = "ValidationException" if name.startswith("secretsmanager:") else "ValidationError"
        raise ServiceError(code, f"{len(problems)} validation error detected: Value {problems[0]}")


def _members(name: str, value: object, rules: Mapping[str, Rule]) -> Iterator[str]:
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
