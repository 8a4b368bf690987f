"""Where the ledgers of an account are, and which one has the entry of a secret.

Each stack with a provider has a parameter that names its table and its function. Nothing is read from tags: whoever may
tag a secret must not choose the function that an operator calls.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cdk_iam_access_key.cli.errors import RefusedError

_PATH = "/cdk-iam-access-key/"
_HANDLER = "access_key_provider.main.handler"
_ENTRY_POINTS = "provider"
_FUNCTION = re.compile(
    r"arn:[a-z-]+:lambda:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12}):function:[A-Za-z0-9_-]{1,140}"
)
_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")


@dataclass(frozen=True, slots=True)
class Ledger:
    """A ledger as a parameter names it.

    Attributes:
        parameter: The name of the parameter.
        table: The name of the table.
        function: The ARN of the provider's function.
    """

    parameter: str
    table: str
    function: str

    @classmethod
    def parse(cls, name: str, value: str) -> "Ledger | None":
        """Read a parameter; None if no provider can have written it."""
        try:
            content = json.loads(value)
            table, function = content["table"], content["function"]
        except (ValueError, KeyError, TypeError):
            return None
        if not (isinstance(table, str) and _TABLE.fullmatch(table)):
            return None
        return cls(name, table, function) if isinstance(function, str) and _FUNCTION.fullmatch(function) else None


def ledger_of(session: Any, secret_arn: str) -> Ledger:
    """Find the one ledger that has an entry for a secret, and verify its function.

    Raises:
        RefusedError: There is none or more than one, its function does not belong to it, or AWS can't be asked.
    """
    unreadable: list[str] = []
    tables = session.client("dynamodb")
    found = [ledger for ledger in _ledgers(session) if _has_entry(tables, ledger, secret_arn, unreadable)]
    if not found:
        unknown = f"; could not be read: {'; '.join(unreadable)}" if unreadable else ""
        raise RefusedError(
            f"no ledger of this account and region has an entry for secret {secret_arn}: it holds no key of "
            f"cdk-iam-access-key{unknown}"
        )
    if len(found) > 1:
        raise RefusedError(
            f"more than one ledger has an entry for secret {secret_arn}, named by the parameters "
            f"{', '.join(ledger.parameter for ledger in found)}: find out which stack declares the key, and delete the "
            "parameter that no stack has made"
        )
    _verify(session, found[0], secret_arn)
    return found[0]


def _ledgers(session: Any) -> Iterator[Ledger]:
    try:
        pages = session.client("ssm").get_paginator("get_parameters_by_path").paginate(Path=_PATH, Recursive=True)
        parameters = [parameter for page in pages for parameter in page["Parameters"]]
    except (ClientError, BotoCoreError) as error:
        raise RefusedError(f"parameters under {_PATH} can't be read: {error}") from error
    for parameter in parameters:
        ledger = Ledger.parse(parameter["Name"], parameter["Value"])
        # Whoever writes nonsense there must not keep operators from the other ledgers.
        if ledger is not None:
            yield ledger


def _has_entry(tables: Any, ledger: Ledger, secret_arn: str, unreadable: list[str]) -> bool:
    try:
        response = tables.get_item(
            TableName=ledger.table,
            Key={"secretArn": {"S": secret_arn}},
            ProjectionExpression="secretArn",
            ConsistentRead=True,
        )
    except (ClientError, BotoCoreError) as error:
        unreadable.append(f"table {ledger.table}: {error}")
        return False
    return "Item" in response


def _verify(session: Any, ledger: Ledger, secret_arn: str) -> None:
    """Refuse a function that does not run the provider: somebody else may have written the parameter."""
    place = _FUNCTION.fullmatch(ledger.function)
    _, _, _, region, account, *_ = secret_arn.split(":")
    if place is None or (place["region"], place["account"]) != (region, account):
        raise _not_ours(ledger, f"it is not in the secret's region and account, {region} and {account}")
    try:
        settings = session.client("lambda").get_function_configuration(FunctionName=ledger.function)
    except (ClientError, BotoCoreError) as error:
        raise RefusedError(f"function {ledger.function} can't be looked up: {error}") from error
    variables = settings.get("Environment", {}).get("Variables", {})
    if settings.get("Handler") != _HANDLER or variables.get("ENTRY_POINTS") != _ENTRY_POINTS:
        raise _not_ours(ledger, "it does not run the provider")
    if variables.get("LEDGER_TABLE") != ledger.table:
        raise _not_ours(ledger, f"it does not work with table {ledger.table}")


def _not_ours(ledger: Ledger, why: str) -> RefusedError:
    return RefusedError(
        f"function {ledger.function} must not be called: {why}; the parameter {ledger.parameter} names it, so find out "
        "who wrote that"
    )
