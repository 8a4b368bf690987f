"""The ledger: one DynamoDB table a provider, one item a secret.

Two operations are all that changes it: a consistent read, and a write on the condition that nobody has written since.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ConditionExpressions.html
"""

from __future__ import annotations

import os
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from access_key_provider.model.codec import decode, encode
from access_key_provider.model.entry import TOMBSTONE_KEPT, Entry
from access_key_provider.model.errors import LedgerDeniedError, LedgerError
from lambda_shared.aws_calls import USER_AGENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_dynamodb import DynamoDBClient

SCHEMA = 1
"""The shape of an entry. An entry of a later shape is neither read nor written: `docs/ledger.md`."""

# Attempts and their pauses together stay under the 45 s that a call may take.
_CONFIG = Config(
    connect_timeout=3,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 4},
    user_agent_extra=USER_AGENT,
)
_CONDITION_FAILED = "ConditionalCheckFailedException"
_DENIED = "AccessDeniedException"
_NOT_FOUND = "ResourceNotFoundException"
_ATTEMPTS = 3
_SERVER_ERROR = 500
_LONGEST_MESSAGE = 400
# The value of the attribute `sweep` of every entry to which the sweep is to come: the index needs a partition key.
_SWEEP = "due"
# Attributes of the item beside `entry`.
_TOP = ("version", "nonce", "secret_arn")


class StaleEntryError(Exception):
    """Somebody has written since the entry was read; `entry` is what is there now."""

    def __init__(self, entry: Entry) -> None:
        """Keep what is there."""
        super().__init__("the entry was written since")
        self.entry = entry


class Ledger:
    """The entries of one provider."""

    def __init__(self, table: str = "") -> None:
        """Use the table that the function's settings name, if none is given."""
        self._table = table or os.environ["LEDGER_TABLE"]

    def read(self, secret_arn: str) -> Entry:
        """Read an entry, an empty one if there is none.

        Raises:
            LedgerError: the table can't be read, or a later release has written the entry.
        """
        try:
            found = self._client.get_item(
                TableName=self._table, Key={"secretArn": {"S": secret_arn}}, ConsistentRead=True
            )
        except (ClientError, BotoCoreError) as error:
            raise _refused("read", error) from error
        return _parsed(secret_arn, found.get("Item"))

    def write(self, entry: Entry, due: datetime | None) -> Entry:
        """Write an entry over what was read, and return it as it is then.

        A response that was lost says nothing: the nonce tells whether the write is there.

        Args:
            entry: what to write; its `nonce` is the one that was read.
            due: when the sweep is to come to it; None if never.

        Raises:
            StaleEntryError: somebody has written since.
            LedgerError: the table can't be written.
        """
        written = replace(entry, version=entry.version + 1, nonce=secrets.token_hex(8))
        item = _item(written, due)
        attempts = 0
        while True:
            attempts += 1
            try:
                self._put(item, entry.nonce)
            except (ClientError, BotoCoreError) as error:
                if isinstance(error, ClientError) and _code(error) == _CONDITION_FAILED:
                    there = _parsed(entry.secret_arn, error.response.get("Item"))  # type: ignore[arg-type] # ALL_OLD
                    if there.nonce == written.nonce:
                        return written
                    raise StaleEntryError(there) from None
                if not _may_have_written(error) or attempts == _ATTEMPTS:
                    raise _refused("written", error) from error
            else:
                return written

    def due(self, now: datetime) -> Iterator[str]:
        """Give the secrets for which something is due, the longest due first. The index may be a little late."""
        return self._query(
            "due",
            "#s = :s AND #d <= :d",
            {"#s": "sweep", "#d": "due"},
            {":s": {"S": _SWEEP}, ":d": {"N": str(int(now.timestamp()))}},
        )

    def of_user(self, user_name: str) -> Iterator[str]:
        """Give the secrets that hold keys of a user. The index may be a little late."""
        return self._query("user", "#u = :u", {"#u": "userName"}, {":u": {"S": user_name}})

    def _query(
        self, index: str, condition: str, names: dict[str, str], values: dict[str, dict[str, str]]
    ) -> Iterator[str]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            IndexName=index,
            KeyConditionExpression=condition,
            ExpressionAttributeNames=names,
            ExpressionAttributeValues=values,
        )
        try:
            for page in pages:
                yield from (item["secretArn"]["S"] for item in page["Items"])
        except (ClientError, BotoCoreError) as error:
            raise _refused("queried", error) from error

    def _put(self, item: dict[str, Any], seen: str) -> None:
        # A version would do, if a table that is put back to an earlier time did not count up to the same one again.
        expected: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(#n)"}
        if seen:
            expected = {"ConditionExpression": "#n = :seen", "ExpressionAttributeValues": {":seen": {"S": seen}}}
        self._client.put_item(
            TableName=self._table,
            Item=item,
            ExpressionAttributeNames={"#n": "nonce"},
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
            **expected,
        )

    @cached_property
    def _client(self) -> DynamoDBClient:
        return boto3.client("dynamodb", config=_CONFIG)


def _item(entry: Entry, due: datetime | None) -> dict[str, Any]:
    document = {name: value for name, value in encode(entry).items() if name not in _TOP}
    user = _indexed_user(entry)
    plain: dict[str, Any] = {
        "secretArn": entry.secret_arn,
        "schema": SCHEMA,
        "version": entry.version,
        "nonce": entry.nonce,
        "entry": document,
        **({"sweep": _SWEEP, "due": int(due.timestamp())} if due else {}),
        **({"userName": user} if user else {}),
        **({"expires": _expires(entry)} if entry.is_over else {}),
    }
    serializer = TypeSerializer()
    return {name: serializer.serialize(value) for name, value in plain.items()}


def _indexed_user(entry: Entry) -> str:
    """Choose the user under which the index finds an entry: of the latest request."""
    latest = max(entry.claims.values(), key=lambda claim: claim.request.time, default=None)
    return latest.user_name if latest else ""


def _expires(entry: Entry) -> int:
    """Tell from when on DynamoDB may remove an entry that is over: a late request needs its tombstone until then."""
    latest = max((claim.request.time for claim in entry.claims.values()), default=datetime.now(UTC))
    return int((latest + 2 * TOMBSTONE_KEPT).timestamp())


def _parsed(secret_arn: str, item: dict[str, Any] | None) -> Entry:
    if not item:
        return Entry(secret_arn)
    deserializer = TypeDeserializer()
    plain = {name: deserializer.deserialize(value) for name, value in item.items()}
    try:
        if decode(int, plain.get("schema", SCHEMA)) > SCHEMA:
            raise LedgerError(
                f"the entry of {secret_arn} was written by a later release (schema {plain['schema']}, this one knows "
                f"{SCHEMA}): deploy that release of cdk-iam-access-key again; nothing was done"
            )
        document = {**plain["entry"], "secret_arn": secret_arn, "version": plain["version"], "nonce": plain["nonce"]}
        parsed: Entry = decode(Entry, document)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise LedgerError(
            f"the entry of {secret_arn} can't be read ({type(error).__name__}): somebody has edited it; restore it "
            "from a point in time, or delete the item, and deploy again"
        ) from error
    return parsed


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _may_have_written(error: ClientError | BotoCoreError) -> bool:
    if isinstance(error, BotoCoreError):
        return True
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)) >= _SERVER_ERROR


def _refused(done: str, error: ClientError | BotoCoreError) -> LedgerError:
    if not isinstance(error, ClientError):
        return LedgerError(f"the ledger could not be {done}: {type(error).__name__}")
    said = f"{_code(error)}: {error.response.get('Error', {}).get('Message', '')}"
    message = f"the ledger could not be {done}: {said}"[:_LONGEST_MESSAGE]
    if _code(error) == _NOT_FOUND:
        message += f". Restore table {os.environ['LEDGER_TABLE']} under this name, from a point in time"
    return LedgerDeniedError(message) if _code(error) == _DENIED else LedgerError(message)
