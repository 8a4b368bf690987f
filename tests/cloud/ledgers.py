"""What only time can do to a ledger: an adopted key stays Active for a day, which no test waits for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloud.stacks import Account

_DAYS = timedelta(days=2)


def days_later(account: Account, key_id: str) -> None:
    """Let the ledger say that a key was adopted two days ago, and the sweep be due."""
    tables = account.cloud.client("dynamodb")
    found = [
        (name, item["secretArn"])
        for name in tables.list_tables()["TableNames"]
        for item in tables.scan(TableName=name)["Items"]
        if key_id in item["entry"]["M"].get("keys", {}).get("M", {})
    ]
    assert len(found) == 1, f"{key_id} is recorded {len(found)} times"
    ((table, secret_arn),) = found
    now = datetime.now(UTC)
    tables.update_item(
        TableName=table,
        Key={"secretArn": secret_arn},
        UpdateExpression="SET entry.#keys.#key.replaced = :before, #due = :now, sweep = :due",
        ExpressionAttributeNames={"#keys": "keys", "#key": key_id, "#due": "due"},
        ExpressionAttributeValues={
            ":before": {"S": (now - _DAYS).isoformat()},
            ":now": {"N": str(int(now.timestamp()))},
            ":due": {"S": "due"},
        },
    )
