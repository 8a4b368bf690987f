"""`maximum_age`: a key that nobody rotates is told of, in a real deployment."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any, cast

from aws_cdk import CfnResource, Duration
from cloud.invocations import listen

if TYPE_CHECKING:
    from aws_cdk import CustomResource
    from cloud.shop import Shop

    from cdk_iam_access_key import AccessKey

_TOO_OLD = "Access Key Too Old"


def receive(shop: Shop, url: str) -> list[dict[str, Any]]:
    """Read the events that are in the queue."""
    answer = shop.account.cloud.client("sqs").receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
    return [json.loads(message["Body"]) for message in answer.get("Messages", [])]


def remind_in_seconds(key: AccessKey) -> CustomResource:
    """Let the daily reminder come once in a few seconds, since the account's clock can't be turned."""
    reminder = cast("CfnResource", key.node.find_child("DailyLook"))
    soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=5)
    reminder.add_property_override("ScheduleExpression", f"at({soon:%Y-%m-%dT%H:%M:%S})")
    return cast("CustomResource", key.node.find_child("Resource"))


def test_a_key_that_is_too_old_is_told_of_and_left_as_it_is(shop: Shop) -> None:
    """By an event that names it and its age; it stays current and Active."""
    url = listen(shop.account.cloud, "told")
    shop.settings, shop.consumer = {"maximum_age": Duration.days(1)}, remind_in_seconds
    shop.deploy("1", MaximumAge=1)
    key = shop.current()
    shop.until(lambda: bool(receive(shop, url)), "the reminder has come")
    (told,) = receive(shop, url)
    assert (told["detail-type"], told["detail"]["accessKeyId"]) == (_TOO_OLD, key)
    assert told["detail"]["ageInDays"] == "0"
    assert shop.statuses() == {key: "Active"}
    assert shop.current() == key
