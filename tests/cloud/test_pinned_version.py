"""A consumer that takes the key as a dynamic reference with the version in it, in real deployments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aws_cdk import Duration, SecretValue
from aws_cdk import aws_ssm as ssm

from cdk_iam_access_key import RotationSchedule

if TYPE_CHECKING:
    from cloud.shop import Shop

    from cdk_iam_access_key import AccessKey


@pytest.fixture
def consumers(shop: Shop) -> Shop:
    """Declare a consumer of the pinned version, and one of whichever is current when its definition changes."""

    def declare(key: AccessKey) -> ssm.StringParameter:
        # Its id only: what takes the secret itself would show it to whoever may describe the consumer.
        pinned = key.secret_value("accessKeyId")
        current = SecretValue.secrets_manager(key.secret.secret_arn, json_field="accessKeyId")
        consumer = ssm.StringParameter(
            key.node.scope, "Pinned", parameter_name="pinned", string_value=pinned.unsafe_unwrap()
        )
        unpinned = ssm.StringParameter(
            key.node.scope, "Unpinned", parameter_name="unpinned", string_value=current.unsafe_unwrap()
        )
        unpinned.node.add_dependency(key)
        return consumer

    shop.settings = {"rotation_schedule": RotationSchedule.rate(Duration.hours(4))}
    shop.consumer = declare
    return shop


def taken(shop: Shop, name: str) -> str:
    """Read which key a consumer has."""
    return str(shop.account.cloud.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])


def test_it_changes_exactly_with_each_deployment_that_rotates(consumers: Shop) -> None:
    """Not with one that leaves the serial as it is; without the version it would miss the rotation."""
    consumers.deploy("1")
    first = consumers.current()
    assert (taken(consumers, "pinned"), taken(consumers, "unpinned")) == (first, first)
    consumers.deploy("2")
    second = consumers.current()
    assert second != first
    assert (taken(consumers, "pinned"), taken(consumers, "unpinned")) == (second, first)
    consumers.deploy("2", RetentionPeriod=7200)
    assert taken(consumers, "pinned") == second


def test_a_rollback_takes_it_back_to_the_version_before(consumers: Shop) -> None:
    """Which can be resolved still, and whose key works."""
    consumers.deploy("1")
    first = consumers.current()
    consumers.deploy("2", fails=True)
    assert consumers.current() == taken(consumers, "pinned") == first
    assert consumers.statuses()[first] == "Active"
    assert consumers.account.works(consumers.secret)


def test_what_secrets_manager_rotates_reaches_it_with_the_next_change_of_the_key(consumers: Shop) -> None:
    """Until then it has the key from before, which lives through its grace period."""
    consumers.deploy("1")
    first = consumers.current()
    consumers.rotate()
    rotated = consumers.current()
    assert taken(consumers, "pinned") == first
    assert consumers.statuses()[first] == "Active"
    consumers.deploy("1", RetentionPeriod=7200)
    assert consumers.current() == taken(consumers, "pinned") == rotated
