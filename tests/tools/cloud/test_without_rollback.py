"""The embedded account's CloudFormation goes on with a stack that failed without a rollback."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cloud.account import refused
from tools.cloud.cloudformation_stack import Stack, custom_resource, with_provider

if TYPE_CHECKING:
    from tools.cloud.cloudformation_stack import Template

    from local_cloud import LocalCloud

pytestmark = pytest.mark.thorough

FAILURE = '{+"Status": "FAILED", "Reason": "as told", "PhysicalResourceId": "half-made"}'
OTHER_ID = '{+"PhysicalResourceId": "another"}'
PAUSED = {"DisableRollback": True}
EXPRESS = {"DeploymentConfig": {"Mode": "EXPRESS"}}


def things(first: str, **second: str) -> Template:
    """Declare a custom resource with a value, and one after it."""
    after = custom_resource(**second) | {"DependsOn": "First"}
    return with_provider(First=custom_resource(Value=first), Second=after)


def sent(stack: Stack, provider: str = "") -> list[tuple[Any, ...]]:
    """Give of each request its type, resource, value and the value before, and the physical id of a Delete."""
    return [
        (
            event["RequestType"],
            event["LogicalResourceId"],
            event["ResourceProperties"].get("Value"),
            event.get("OldResourceProperties", {}).get("Value"),
            *([event["PhysicalResourceId"]] if event["RequestType"] == "Delete" else []),
        )
        for event in stack.requests(provider)
    ]


@pytest.fixture
def failed(stack: Stack) -> Stack:
    """Give a stack of which the first resource was updated from 1 to 2, and the second failed to go from a to b."""
    assert stack.create(things("1", Value="a")) == "CREATE_COMPLETE"
    assert stack.update(things("2", Value="b", Update=FAILURE), **PAUSED) == "UPDATE_FAILED"
    return stack


class TestFailedUpdate:
    """An update that failed without a rollback."""

    def test_what_failed_is_sent_back_and_nothing_else(self, failed: Stack) -> None:
        """At once."""
        assert sent(failed)[2:] == [
            ("Update", "First", "2", "1"),
            ("Update", "Second", "b", "a"),
            ("Update", "Second", "a", "b"),
        ]
        assert failed.statuses()["Second"] == "UPDATE_FAILED"
        assert failed.statuses()["First"] == "UPDATE_COMPLETE"

    @pytest.mark.parametrize(("first", "expected"), [("2", []), ("1", [("1", "2")]), ("3", [("3", "2")])])
    def test_an_update_goes_on_from_what_succeeded(
        self, failed: Stack, first: str, expected: list[tuple[str, str]]
    ) -> None:
        """The same again, back, or on to another: the old properties are those that succeeded last."""
        assert failed.update(things(first, Value="c"), **PAUSED) == "UPDATE_COMPLETE"
        first_ones = [("Update", "First", *values) for values in expected]
        assert sent(failed)[5:] == [*first_ones, ("Update", "Second", "c", "a")]

    def test_the_same_template_as_before_completes_it(self, failed: Stack) -> None:
        """Though nothing is left to change for what failed."""
        assert failed.update(things("1", Value="a"), **PAUSED) == "UPDATE_COMPLETE"
        assert sent(failed)[5:] == [("Update", "First", "1", "2")]

    def test_the_previous_template_is_the_one_that_failed(self, failed: Stack) -> None:
        """A retry needs no template."""
        client = failed._api
        client.update_stack(
            StackName=failed.name, UsePreviousTemplate=True, DisableRollback=True, Capabilities=["CAPABILITY_IAM"]
        )
        assert failed._settled() == "UPDATE_FAILED"
        assert sent(failed)[5:] == [("Update", "Second", "b", "a"), ("Update", "Second", "a", "b")]

    def test_a_rollback_goes_back_over_all_that_failed(self, failed: Stack) -> None:
        """To what was complete last."""
        assert failed.update(things("3", Value="b", Update=FAILURE), **PAUSED) == "UPDATE_FAILED"
        assert failed.roll_back() == "UPDATE_ROLLBACK_COMPLETE"
        assert sent(failed)[8:] == [("Update", "First", "1", "3")]
        assert failed.update(things("4", Value="a")) == "UPDATE_COMPLETE"
        assert sent(failed)[9:] == [("Update", "First", "4", "1")]

    def test_without_disabling_the_rollback_it_is_refused(self, failed: Stack) -> None:
        """As AWS does."""
        with refused("ValidationError", "non-terminal .UPDATE_FAILED. state"):
            failed.update(things("3", Value="a"))
        assert failed.update(things("2", Value="a"), **PAUSED) == "UPDATE_COMPLETE"
        assert failed.update(things("3", Value="a")) == "UPDATE_COMPLETE"

    def test_what_is_no_longer_declared_goes(self, failed: Stack) -> None:
        """With the update that completes the stack."""
        assert failed.update(with_provider(Second=custom_resource(Value="a")), **PAUSED) == "UPDATE_COMPLETE"
        assert sent(failed)[5:] == [("Delete", "First", "2", None, "made-by-provider")]

    def test_it_can_be_deleted(self, failed: Stack) -> None:
        """Each resource gets one Delete with the properties that it has."""
        name = failed.provider()
        assert failed.delete() == "DELETE_COMPLETE"
        assert sorted(one[:3] for one in sent(failed, name)[5:]) == [
            ("Delete", "First", "2"),
            ("Delete", "Second", "a"),
        ]


class TestFailedCreation:
    """What failed to be made without a rollback."""

    @pytest.fixture
    def half_made(self, stack: Stack) -> Stack:
        """Give a stack of which the second resource could not be made."""
        assert stack.create(things("1", Value="a", Create=FAILURE), **PAUSED) == "CREATE_FAILED"
        return stack

    def test_an_update_makes_it_and_then_deletes_what_the_first_attempt_left(self, half_made: Stack) -> None:
        """By the id that the first attempt answered."""
        assert half_made.update(things("1", Value="b"), **PAUSED) == "UPDATE_COMPLETE"
        assert sent(half_made)[2:] == [("Create", "Second", "b", None), ("Delete", "Second", "a", None, "half-made")]

    def test_what_is_made_with_the_same_id_is_kept(self, half_made: Stack) -> None:
        """There is nothing else to delete."""
        same = '{+"PhysicalResourceId": "half-made"}'
        assert half_made.update(things("1", Value="b", Create=same), **PAUSED) == "UPDATE_COMPLETE"
        assert sent(half_made)[2:] == [("Create", "Second", "b", None)]

    def test_what_is_no_longer_declared_is_deleted_as_well(self, half_made: Stack) -> None:
        """Though it was never made."""
        assert half_made.update(with_provider(First=custom_resource(Value="1")), **PAUSED) == "UPDATE_COMPLETE"
        assert sent(half_made)[2:] == [("Delete", "Second", "a", None, "half-made")]

    def test_a_rollback_deletes_everything(self, half_made: Stack) -> None:
        """Also after an update that failed, because the stack was never complete."""
        name = half_made.provider()
        assert half_made.update(things("2", Value="b", Create=FAILURE), **PAUSED) == "UPDATE_FAILED"
        assert half_made.roll_back() == "ROLLBACK_COMPLETE"
        assert [one[:3] for one in sent(half_made, name)[2:]] == [
            ("Update", "First", "2"),
            ("Create", "Second", "b"),
            ("Delete", "Second", "a"),
            ("Delete", "Second", "b"),
            ("Delete", "First", "2"),
        ]

    def test_what_an_update_failed_to_make_is_deleted_before_its_provider(self, stack: Stack) -> None:
        """When the stack is deleted."""
        assert stack.create(with_provider(First=custom_resource(Value="1"))) == "CREATE_COMPLETE"
        assert stack.update(things("1", Value="a", Create=FAILURE), **PAUSED) == "UPDATE_FAILED"
        name = stack.provider()
        assert stack.delete() == "DELETE_COMPLETE"
        assert [one[:3] for one in sent(stack, name)[2:]] == [("Delete", "Second", "a"), ("Delete", "First", "1")]


def test_nothing_is_replaced_without_a_rollback(stack: Stack) -> None:
    """What would be replaced fails, of AWS's types before anything is done, a custom resource when it says so."""
    rule: Template = {"Type": "AWS::Events::Rule", "Properties": {"Name": "one", "ScheduleExpression": "rate(1 day)"}}
    template = with_provider(First=custom_resource(Value="1"), Rule=rule)
    assert stack.create(template) == "CREATE_COMPLETE"
    template["Resources"]["First"] = custom_resource(Value="2", Update=OTHER_ID)
    assert stack.update(template, **PAUSED) == "UPDATE_FAILED"
    assert stack.reasons("First") == ["Replacement type updates not supported on stack with disable-rollback."]
    assert sent(stack)[1:] == [("Update", "First", "2", "1"), ("Update", "First", "1", "2")]


class TestExpressMode:
    """`DeploymentConfig` with the mode EXPRESS."""

    def test_it_leaves_the_rollback_out(self, stack: Stack) -> None:
        """Unless it is asked for."""
        assert stack.create(things("1", Value="a", Create=FAILURE), **EXPRESS) == "CREATE_FAILED"
        assert stack._description()["DeploymentConfig"]["Mode"] == "EXPRESS"
        assert stack.update(things("1", Value="a"), **EXPRESS) == "UPDATE_COMPLETE"
        with_rollback = {"DeploymentConfig": {"Mode": "EXPRESS", "DisableRollback": False}}
        assert stack.update(things("2", Value="b", Update=FAILURE), **with_rollback) == "UPDATE_ROLLBACK_COMPLETE"

    def test_what_failed_in_it_stays_in_it_until_it_is_complete(self, stack: Stack) -> None:
        """No other mode, no rollback of the stack."""
        assert stack.create(things("1", Value="a")) == "CREATE_COMPLETE"
        assert stack.update(things("2", Value="b", Update=FAILURE), **EXPRESS) == "UPDATE_FAILED"
        with refused("ValidationError", "must use the same DeploymentConfig"):
            stack.update(things("1", Value="a"), **PAUSED)
        with refused("ValidationError", "RollbackStack is not supported"):
            stack.roll_back()
        assert stack.update(things("1", Value="a"), **EXPRESS) == "UPDATE_COMPLETE"
        assert stack.update(things("2", Value="a")) == "UPDATE_COMPLETE"

    def test_a_change_set_has_it_too(self, cloud: LocalCloud, stack: Stack) -> None:
        """And executes in it."""
        assert stack.create(things("1", Value="a")) == "CREATE_COMPLETE"
        client, body = cloud.client("cloudformation"), json.dumps(things("2", Value="b", Update=FAILURE))
        named = {"StackName": stack.name, "ChangeSetName": "change"}
        client.create_change_set(**named, TemplateBody=body, Capabilities=["CAPABILITY_IAM"], **EXPRESS)
        assert client.describe_change_set(**named)["DeploymentConfig"]["Mode"] == "EXPRESS"
        client.execute_change_set(**named)
        assert stack._settled() == "UPDATE_FAILED"
