"""What each call takes: names, types, lengths and characters, as in AWS's service models.

botocore checks names, types, required members and least lengths before it sends anything; greatest lengths,
characters and enumerations are checked by the service. `tests/contract/test_parameters.py` holds this table
against botocore's model.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from fakes.errors import ServiceError, rejected_by_sdk
from fakes.rules import Attributes, Bytes, Flag, Structures, Tags, Text, TextMap, Texts, Whole, members_wrong

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fakes.rules import Rule

_TAG_PUNCTUATION = frozenset("_.:/=+-@")


@lru_cache(maxsize=1024)
def _of_tags(text: str) -> bool:
    return all(character in _TAG_PUNCTUATION or unicodedata.category(character)[0] in "LZN" for character in text)


def _matching(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern, re.ASCII)
    return lambda text: compiled.fullmatch(text) is not None


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
_PARAMETER = Text(1, 2048, required=True)
_TABLE_NAME = Text(1, 1024, required=True)
_EXPRESSION: Final[dict[str, Rule]] = {
    "ExpressionAttributeNames": TextMap(),
    "ExpressionAttributeValues": Attributes(),
}
_CONDITION: Final[dict[str, Rule]] = {
    "ConditionExpression": Text(),
    **_EXPRESSION,
    "ReturnValuesOnConditionCheckFailure": Text(0, None, {"ALL_OLD", "NONE"}.__contains__),
}

ACTIONS: Final[dict[str, dict[str, Rule]]] = {
    "dynamodb:GetItem": {"TableName": _TABLE_NAME, "Key": Attributes(required=True), "ConsistentRead": Flag()},
    "dynamodb:PutItem": {"TableName": _TABLE_NAME, "Item": Attributes(required=True), **_CONDITION},
    "dynamodb:DeleteItem": {"TableName": _TABLE_NAME, "Key": Attributes(required=True), **_CONDITION},
    "dynamodb:Query": {
        "TableName": _TABLE_NAME,
        "IndexName": Text(3, 255, _matching(r"[a-zA-Z0-9_.\-]+")),
        "Limit": Whole(1),
        "ConsistentRead": Flag(),
        "ScanIndexForward": Flag(),
        "ExclusiveStartKey": Attributes(),
        "KeyConditionExpression": Text(),
        **_EXPRESSION,
    },
    "iam:CreateAccessKey": {"UserName": _USER_NAME},
    "iam:UpdateAccessKey": {"UserName": _USER_NAME, "AccessKeyId": _KEY_ID, "Status": _STATUS},
    "iam:DeleteAccessKey": {"UserName": _USER_NAME, "AccessKeyId": _KEY_ID},
    "iam:ListAccessKeys": {"UserName": _USER_NAME, **_PAGE},
    "iam:GetAccessKeyLastUsed": {"AccessKeyId": _KEY_ID},
    "iam:ListUserTags": {"UserName": _REQUIRED_USER_NAME, **_PAGE},
    "iam:TagUser": {"UserName": _REQUIRED_USER_NAME, "Tags": Tags(_USER_TAG_KEY, _USER_TAG_VALUE, 50)},
    "iam:UntagUser": {"UserName": _REQUIRED_USER_NAME, "TagKeys": Texts(_USER_TAG_KEY, 0, 50, required=True)},
    "secretsmanager:CreateSecret": {
        "Name": Text(1, 512, required=True),
        "Description": Text(0, 2048),
        "KmsKeyId": Text(0, 2048),
        "SecretString": Text(1, 65536),
        "ClientRequestToken": _VERSION_ID,
        "Tags": Tags(Text(1, 128), Text(0, 256), required=False),
    },
    "secretsmanager:DeleteSecret": {
        "SecretId": _SECRET_ID,
        "RecoveryWindowInDays": Whole(0),
        "ForceDeleteWithoutRecovery": Flag(),
    },
    "secretsmanager:DescribeSecret": {"SecretId": _SECRET_ID},
    "secretsmanager:GetSecretValue": {"SecretId": _SECRET_ID, "VersionId": _VERSION_ID, "VersionStage": _LABEL},
    "secretsmanager:PutSecretValue": {
        "SecretId": _SECRET_ID,
        "ClientRequestToken": _VERSION_ID,
        "SecretString": Text(1, 65536),
        "VersionStages": Texts(_LABEL, 1, 20),
        "RotationToken": Text(36, 256, _matching(r"[a-zA-Z0-9\-]+")),
    },
    "secretsmanager:UpdateSecretVersionStage": {
        "SecretId": _SECRET_ID,
        "VersionStage": Text(1, 256, required=True),
        "RemoveFromVersionId": _VERSION_ID,
        "MoveToVersionId": _VERSION_ID,
    },
    "secretsmanager:TagResource": {"SecretId": _SECRET_ID, "Tags": Tags(Text(1, 128), Text(0, 256))},
    "secretsmanager:UntagResource": {"SecretId": _SECRET_ID, "TagKeys": Texts(Text(1, 128), required=True)},
    "ssm:PutParameter": {
        "Name": _PARAMETER,
        "Value": Text(required=True),
        "Description": Text(0, 1024),
        "Type": Text(0, None, {"String", "StringList", "SecureString"}.__contains__),
        "Tier": Text(0, None, {"Standard", "Advanced", "Intelligent-Tiering"}.__contains__),
        "Overwrite": Flag(),
        "KeyId": Text(1, 256, _matching(r"[a-zA-Z0-9:/_-]+")),
    },
    "ssm:LabelParameterVersion": {
        "Name": _PARAMETER,
        "ParameterVersion": Whole(0),
        "Labels": Texts(Text(1, 100), 1, 10, required=True),
    },
    "ssm:DeleteParameter": {"Name": _PARAMETER},
    "events:PutEvents": {
        "Entries": Structures(
            {"Source": Text(), "DetailType": Text(), "Detail": Text(), "Resources": Texts(Text(0, 2048))},
            least=1,
            most=10,
            required=True,
        )
    },
    "lambda:Invoke": {
        "FunctionName": Text(1, 256, _matching(r"[A-Za-z0-9:$._-]+"), required=True),
        "Payload": Bytes(),
    },
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
    problems = list(members_wrong("input", parameters, ACTIONS[name]))
    if problems:
        raise rejected_by_sdk("\n".join(problems))


def check_valid(name: str, parameters: Mapping[str, Any]) -> None:
    """Check what the service checks first. Raises ServiceError."""
    rules = ACTIONS[name]
    problems = [problem for found, value in parameters.items() for problem in rules[found].invalid(found, value)]
    if problems:
        code = "ValidationError" if name.startswith(("iam:", "sts:")) else "ValidationException"
        raise ServiceError(code, f"{len(problems)} validation error detected: Value {problems[0]}")
