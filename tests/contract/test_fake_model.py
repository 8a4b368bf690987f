"""The fake against AWS's own service models, as botocore has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore import xform_name
from botocore.retries import standard
from fakes import client as fake_client
from fakes import errors
from fakes.aws import FakeAccount
from fakes.parameters import ACTIONS
from fakes.rules import Attributes, Flag, Structures, Tags, Text, TextMap, Texts

if TYPE_CHECKING:
    import botocore.session

# What the provider has no use for, and the fake refuses like any unknown parameter.
_WRITE_OF_AN_ITEM = {
    "ConditionalOperator",
    "Expected",
    "ReturnConsumedCapacity",
    "ReturnItemCollectionMetrics",
    "ReturnValues",
}
_LEFT_OUT = {
    "dynamodb:GetItem": {
        "AttributesToGet",
        "ExpressionAttributeNames",
        "ProjectionExpression",
        "ReturnConsumedCapacity",
    },
    "dynamodb:PutItem": _WRITE_OF_AN_ITEM,
    "dynamodb:DeleteItem": _WRITE_OF_AN_ITEM,
    "dynamodb:Query": {
        "AttributesToGet",
        "ConditionalOperator",
        "FilterExpression",
        "KeyConditions",
        "ProjectionExpression",
        "QueryFilter",
        "ReturnConsumedCapacity",
        "Select",
    },
    "secretsmanager:CreateSecret": {"AddReplicaRegions", "ForceOverwriteReplicaSecret", "SecretBinary", "Type"},
    "secretsmanager:PutSecretValue": {"SecretBinary"},
    "lambda:Invoke": {
        "InvocationType",
        "LogType",
        "ClientContext",
        "DurableExecutionName",
        "Qualifier",
        "TenantId",
    },
    "ssm:PutParameter": {"AllowedPattern", "DataType", "Policies", "Tags"},
    "events:PutEvents": {"EndpointId"},
    "sts:AssumeRole": {
        "PolicyArns",
        "Policy",
        "Tags",
        "TransitiveTagKeys",
        "ExternalId",
        "SerialNumber",
        "TokenCode",
        "SourceIdentity",
        "ProvidedContexts",
        "MinimumSessionTokenSize",
    },
}


def _operation(models: botocore.session.Session, name: str) -> Any:
    service, action = name.split(":")
    return models.get_service_model(service).operation_model(action)


@pytest.mark.parametrize("name", ACTIONS)
def test_every_parameter_is_in_the_model(models: botocore.session.Session, name: str) -> None:
    """The same names, the same required ones."""
    shape = _operation(models, name).input_shape
    members = set(shape.members) if shape else set()
    assert ACTIONS[name].keys() == members - _LEFT_OUT.get(name, set())
    required = {found for found, rule in ACTIONS[name].items() if rule.required}
    assert required == set(shape.required_members if shape else [])


@pytest.mark.parametrize("name", ACTIONS)
def test_every_length_is_the_models(models: botocore.session.Session, name: str) -> None:
    """The least and the greatest of each parameter, and of each member of a list."""
    for found, rule in ACTIONS[name].items():
        shape = _operation(models, name).input_shape.members[found]
        assert _bounds(rule) == (shape.metadata.get("min", 0), shape.metadata.get("max")), found
        if isinstance(rule, Texts):
            assert _bounds(rule.member) == (shape.member.metadata["min"], shape.member.metadata["max"])
        if isinstance(rule, Structures):
            _check_members(rule, shape.member)
        if isinstance(rule, Tags):
            members = shape.member.members
            for member, of in ((rule.key, "Key"), (rule.value, "Value")):
                assert _bounds(member) == (members[of].metadata["min"], members[of].metadata["max"])
                assert member.required == (of in shape.member.required_members)


def _check_members(rule: Structures, shape: Any) -> None:
    required = {found for found, member in rule.members.items() if member.required}
    assert required == set(shape.required_members)
    for found, member in rule.members.items():
        metadata = shape.members[found].metadata
        assert _bounds(member) == (metadata.get("min", 0), metadata.get("max")), found
        if isinstance(member, Text):
            assert (member.allowed is not None) == bool({"pattern", "enum"} & metadata.keys()), found


def _bounds(rule: Any) -> tuple[int, int | None]:
    return (0 if isinstance(rule, Tags) else rule.least), rule.most


@pytest.mark.parametrize("name", ACTIONS)
def test_every_pattern_is_checked(models: botocore.session.Session, name: str) -> None:
    """Where the model has a pattern of characters, or words to choose from, the fake checks it."""
    unchecked = {"RoleArn", "Marker"}
    for found, rule in ACTIONS[name].items():
        shape = _operation(models, name).input_shape.members[found]
        if isinstance(rule, Text) and found not in unchecked:
            assert (rule.allowed is not None) == bool({"pattern", "enum"} & shape.metadata.keys()), found
        kinds = {Attributes: "map", Flag: "boolean", TextMap: "map"}
        assert shape.type_name == kinds.get(type(rule), shape.type_name), found


@pytest.mark.parametrize("service", ["dynamodb", "iam", "secretsmanager"])
def test_errors_have_the_codes_and_status_of_the_model(models: botocore.session.Session, service: str) -> None:
    """Every error of the model that the fake knows has the model's status, and the model's class has its name."""
    known = 0
    shapes: list[Any] = models.get_service_model(service).error_shapes
    for shape in shapes:
        if shape.name not in _known_errors(service):
            continue
        code = shape.error_code or shape.name
        status = errors.client_error(service, "AnyAction", code, "").response["ResponseMetadata"]["HTTPStatusCode"]
        assert status == shape.metadata.get("error", {}).get("httpStatusCode", status)
        known += 1
    assert known >= 5


def test_every_action_is_a_method_of_the_client(models: botocore.session.Session) -> None:
    """Methods and paginators have boto3's names."""
    account = FakeAccount()
    for name in ACTIONS:
        service, action = name.split(":")
        client = account.client_of(service)
        assert callable(getattr(client, xform_name(action)))
        if service in {"dynamodb", "iam"}:
            assert client.can_paginate(xform_name(action)) == (action in _paginators(models, service))


def _paginators(models: botocore.session.Session, service: str) -> dict[str, Any]:
    loader = models.get_component("data_loader")
    paginators: dict[str, Any] = loader.load_service_model(service, "paginators-1")["pagination"]
    return paginators


def test_pages_follow_each_other_as_in_botocore(models: botocore.session.Session) -> None:
    """The same parameter takes the same member of the page before."""
    for service in ("dynamodb", "iam"):
        for action, paginator in _paginators(models, service).items():
            known = fake_client._PAGINATED.get(xform_name(action))
            assert known in {None, (paginator["input_token"], paginator["output_token"])}


def test_the_sdks_retries_are_botocores() -> None:
    """What the fake's clients send again is what botocore's standard mode does."""
    checkers: Any = standard
    codes = set(checkers.ThrottledRetryableChecker._THROTTLED_ERROR_CODES)
    assert set(checkers.TransientRetryableChecker._TRANSIENT_STATUS_CODES) == fake_client._RETRIED_STATUS
    answers = {code for of_service in errors._HTTP_STATUS.values() for code in of_service}
    assert answers & codes == fake_client._RETRIED_CODES


def test_no_error_of_the_model_is_retried_beside(models: botocore.session.Session) -> None:
    """No error is marked as worth a retry in the model, which botocore would heed."""
    for service in ("dynamodb", "events", "iam", "secretsmanager", "sts"):
        marked = [
            shape.name for shape in models.get_service_model(service).error_shapes if "retryable" in shape.metadata
        ]
        assert [name for name in marked if name in _known_errors(service)] == []


def _known_errors(service: str) -> set[str]:
    return set(vars(errors.exceptions(service)))
