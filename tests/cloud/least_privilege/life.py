"""The life of a key: everything that the function is ever asked to do with one."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cloud.invocations import add_listener, events, listen

from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from cloud.least_privilege.deployed import Target
    from cloud.least_privilege.handling import Handler
    from cloud.stacks import Account

LISTENING = "listening"
TOLD = "told"
_GRACE = timedelta(hours=2)
_RETENTION = _GRACE + timedelta(hours=2)


class LifeError(Exception):
    """Something in the life of a key was not carried out in full."""


def prepare(account: Account) -> None:
    """Define a rotation function that only listens, so that the handler can do its steps, and a queue of all told."""
    add_listener(account.cloud, LISTENING)
    listen(account.cloud, TOLD)


def live(account: Account, handler: Handler, target: Target) -> None:
    """Do everything with a key that can be done, and stop at the first thing that fails.

    Raises:
        LifeError: What failed, and the reason that was given.
    """
    told(account)
    # Of a resource that was deleted long ago.
    mark = {"Key": f"cdk-iam-access-key:tombstone:{'0' * 16}", "Value": "20200101T000000Z gone"}
    account.secrets.tag_resource(**target.secret, Tags=[mark])
    demand("Create", handler.send("Create", target))
    if mark in account.secrets.describe_secret(**target.secret)["Tags"]:
        raise LifeError("a mark that nobody needs is left")
    first = _current(account, target)
    update(handler, target, {}, Serial="2")
    second = _current(account, target)
    operate(handler, target, "Undo")
    _demand_keys(account, target, {first: "Active", second: "Inactive"})
    _demand_no_look(account, target, first)
    _demand_told(account, "Access Key Restored", "Access Key Deactivated")
    # Makes room, and goes back.
    update(handler, target, {"Serial": "2"}, Serial="3")
    update(handler, target, {"Serial": "3"}, Serial="2")
    for properties in ({"Status": "Inactive"}, {}, {"Description": "the build server"}):
        update(handler, target, {"Serial": "2"}, Serial="2", **properties)
    _refuse_a_third_key(account, handler, target)
    _retire(account, handler, target)
    rotate(account, handler, target)
    demand("Delete", handler.send("Delete", target, Serial="2"))


def _retire(account: Account, handler: Handler, target: Target) -> None:
    kept = {_current(account, target): "Active"}
    (other,) = account.keys(target.user_name).keys() - kept
    operate(handler, target, "Look", later=_GRACE)
    _demand_keys(account, target, {**kept, other: "Inactive"})
    operate(handler, target, "Look", later=_RETENTION)
    _demand_keys(account, target, kept)
    _demand_told(account, "Access Key Deactivated", "Access Key Deleted")


def _refuse_a_third_key(account: Account, handler: Handler, target: Target) -> None:
    refusal = handler.send("Update", target, {"Serial": "2"}, Serial="4")
    if refusal["Reason"].count("IAM knows") + refusal["Reason"].count("last used") != len(account.keys("deploy")):
        raise LifeError(f"the keys in the way are not described: {refusal['Reason']}")


def rotate(account: Account, handler: Handler, target: Target) -> None:
    """Let Secrets Manager begin a rotation, and the handler do its steps."""
    before = _current(account, target)
    for step in rotation_events(account, target):
        handle(handler, target, step)
    if _current(account, target) == before:
        raise LifeError("the secret is not rotated")


def rotation_events(account: Account, target: Target) -> list[dict[str, Any]]:
    """Give the events of the four steps of a rotation, as Secrets Manager sends them."""
    token = str(uuid.uuid4())
    account.secrets.rotate_secret(
        **target.secret,
        ClientRequestToken=token,
        RotationLambdaARN=account.cloud.client("lambda").get_function_configuration(FunctionName=LISTENING)[
            "FunctionArn"
        ],
        RotationRules={"AutomaticallyAfterDays": 30},
    )
    return events(account.cloud, LISTENING, times=4, ClientRequestToken=token)


def operate(handler: Handler, target: Target, operation: str, later: timedelta = timedelta()) -> None:
    """Let the handler carry out an operation."""
    handle(handler, target, {"Operation": operation, **target.secret}, later)


def handle(handler: Handler, target: Target, event: dict[str, Any], later: timedelta = timedelta()) -> None:
    """Hand over an event that is answered by success or an exception.

    Raises:
        LifeError: It failed.
    """
    try:
        handler.handle(event, target, later=later)
    except ProviderError as error:
        raise LifeError(f"{event.get('Step') or event['Operation']}: {error}") from error


def update(handler: Handler, target: Target, before: dict[str, str], **properties: str) -> None:
    """Let the handler update the resource."""
    demand(f"Update to {properties}", handler.send("Update", target, before, **properties))


def demand(request: str, given: dict[str, Any]) -> None:
    """Demand that a request was carried out.

    Raises:
        LifeError: It was not.
    """
    if given["Status"] != "SUCCESS":
        raise LifeError(f"{request}: {given['Reason']}")


def told(account: Account) -> list[str]:
    """Take the kinds of all events that were told since the last call."""
    queues = account.cloud.client("sqs")
    url = queues.get_queue_url(QueueName=TOLD)["QueueUrl"]
    kinds: list[str] = []
    while messages := queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        for message in messages:
            queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            kinds.append(json.loads(message["Body"])["detail-type"])
    return kinds


def _demand_told(account: Account, *kinds: str) -> None:
    missing = set(kinds) - set(told(account))
    if missing:
        raise LifeError(f"nobody was told: {', '.join(sorted(missing))}")


def _demand_keys(account: Account, target: Target, expected: dict[str, str]) -> None:
    keys = account.keys(target.user_name)
    if keys != expected:
        raise LifeError(f"the keys should be {expected}, are {keys}")


def _demand_no_look(account: Account, target: Target, key_id: str) -> None:
    schedules = account.cloud.client("scheduler").list_schedules(GroupName=target.group)["Schedules"]
    left = [one["Name"] for one in schedules if key_id[-8:] in one["Name"]]
    if left:
        raise LifeError(f"{key_id} is current, and a look at its retirement is scheduled: {', '.join(left)}")


def _current(account: Account, target: Target) -> str:
    value = account.secrets.get_secret_value(**target.secret)["SecretString"]
    return str(json.loads(value)["accessKeyId"])
