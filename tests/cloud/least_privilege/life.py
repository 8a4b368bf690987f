"""The life of a key: everything that the functions are ever asked to do with one."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cloud.invocations import add_listener, events, listen, received

from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from cloud.least_privilege.deployed import Target
    from cloud.least_privilege.handling import Handler
    from cloud.stacks import Account

LISTENING = "listening"
TOLD = "told"
_LATER = timedelta(hours=2)


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
    received(account.cloud, TOLD)
    demand("Create", handler.send("Create", target))
    first = _current(account, target)
    _demand_description(account, target, first)
    _record_again(account, handler, target, first)
    _update(handler, target, {}, Serial="2")
    second = _current(account, target)
    _operate(handler, target, "Undo")
    _demand_keys(account, target, {first: "Active", second: "Inactive"})
    _demand_told(account, "Access Key Restored", "Access Key Deactivated")
    # Makes room, and goes back.
    _update(handler, target, {"Serial": "2"}, Serial="3")
    _update(handler, target, {"Serial": "3"}, Serial="2")
    for properties in ({"Status": "Inactive"}, {}):
        _update(handler, target, {"Serial": "2"}, Serial="2", **properties)
    _refuse_a_third_key(account, handler, target)
    _retire(account, handler, target)
    _rotate(account, handler, target)
    demand("Delete", handler.send("Delete", target, Serial="2"))
    _demand_keys(account, target, {})
    tags = account.iam.list_user_tags(UserName=target.user_name)["Tags"]
    if tags:
        raise LifeError(f"tags of the user are left: {tags}")


def _record_again(account: Account, handler: Handler, target: Target, key: str) -> None:
    """Lose the entry: a version's label and a user's tag together make the key a recorded one again."""
    account.cloud.client("dynamodb").delete_item(TableName=target.table, Key=target.item)
    _update(handler, target, {}, Description="the build server")
    entry = account.entries().get(target.secret_arn, {"keys": {}})
    if key not in entry["keys"]:
        raise LifeError(f"{key} is not recorded again")


def _retire(account: Account, handler: Handler, target: Target) -> None:
    kept = {_current(account, target): "Active"}
    (other,) = account.keys(target.user_name).keys() - kept
    _sweep(handler, target)
    _demand_keys(account, target, {**kept, other: "Inactive"})
    _sweep(handler, target)
    _demand_keys(account, target, kept)
    _demand_told(account, "Access Key Deactivated", "Access Key Deleted")


def _sweep(handler: Handler, target: Target) -> None:
    handler.wait(_LATER)
    result = _handle(handler, {"Operation": "Sweep"}, target.worker)
    if not result or result["failed"]:
        raise LifeError(f"the sweep failed: {result}")


def _refuse_a_third_key(account: Account, handler: Handler, target: Target) -> None:
    refusal = handler.send("Update", target, {"Serial": "2"}, Serial="4")
    reason = refusal["Reason"]
    if reason.count("IAM knows") + reason.count("last used") != len(account.keys(target.user_name)):
        raise LifeError(f"the keys in the way are not described: {reason}")
    _update(handler, target, {"Serial": "4"}, Serial="2")


def _rotate(account: Account, handler: Handler, target: Target) -> None:
    before = _current(account, target)
    for step in rotation_events(account, target):
        _handle(handler, step, target.worker)
    if _current(account, target) == before:
        raise LifeError("the secret is not rotated")


def rotation_events(account: Account, target: Target) -> list[dict[str, Any]]:
    """Give the events of the four steps of a rotation, as Secrets Manager sends them."""
    token = str(uuid.uuid4())
    function = account.cloud.client("lambda").get_function_configuration(FunctionName=LISTENING)["FunctionArn"]
    account.secrets.rotate_secret(
        **target.secret,
        ClientRequestToken=token,
        RotationLambdaARN=function,
        RotationRules={"AutomaticallyAfterDays": 30},
    )
    return events(account.cloud, LISTENING, times=4, ClientRequestToken=token)


def _operate(handler: Handler, target: Target, operation: str) -> None:
    _handle(handler, {"Operation": operation, **target.secret}, target.provider)


def _handle(handler: Handler, event: dict[str, Any], function: str) -> dict[str, Any] | None:
    try:
        return handler.handle(event, function)
    except ProviderError as error:
        raise LifeError(f"{event.get('Step') or event['Operation']}: {error}") from error


def _update(handler: Handler, target: Target, before: dict[str, str], **properties: str) -> None:
    demand(f"Update to {properties}", handler.send("Update", target, before, **properties))


def demand(request: str, given: dict[str, Any]) -> None:
    """Demand that a request was carried out.

    Raises:
        LifeError: It was not.
    """
    if given["Status"] != "SUCCESS":
        raise LifeError(f"{request}: {given['Reason']}")


def _demand_description(account: Account, target: Target, key: str) -> None:
    tags = {tag["Key"] for tag in account.iam.list_user_tags(UserName=target.user_name)["Tags"]}
    if key not in tags:
        raise LifeError(f"the user has no tag {key}")


def _demand_told(account: Account, *kinds: str) -> None:
    missing = set(kinds) - {event["detail-type"] for event in received(account.cloud, TOLD)}
    if missing:
        raise LifeError(f"nobody was told: {', '.join(sorted(missing))}")


def _demand_keys(account: Account, target: Target, expected: dict[str, str]) -> None:
    keys = account.keys(target.user_name)
    if keys != expected:
        raise LifeError(f"the keys should be {expected}, are {keys}")


def _current(account: Account, target: Target) -> str:
    return account.value(target.secret_arn)["accessKeyId"]
