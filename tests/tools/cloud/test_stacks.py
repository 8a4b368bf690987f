"""The embedded account's CloudFormation makes and deletes side by side, and keeps what could not be deleted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from tools.cloud.cloudformation_stack import Stack, custom_resource, with_provider

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.cloud.cloudformation_stack import Template

    from local_cloud import LocalCloud

pytestmark = pytest.mark.thorough

FAILURE = '{+"Status": "FAILED", "Reason": "as told", "PhysicalResourceId": "half-made"}'
TOPIC: Template = {"Type": "AWS::SNS::Topic"}


def kept(template: Template) -> Template:
    """Let the provider outlive its stack, so that what it got can be read."""
    for name in ("Provider", "ProviderRole"):
        template["Resources"][name]["DeletionPolicy"] = "Retain"
    return template


def seen(stack: Stack, provider: str = "") -> list[tuple[str, str, str]]:
    """Give the type, the resource and the physical id of each request."""
    return [
        (sent["RequestType"], sent["LogicalResourceId"], sent.get("PhysicalResourceId", ""))
        for sent in stack.requests(provider)
    ]


def until(condition: Callable[[], Any]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


class TestSideBySide:
    """Resources that do not need each other."""

    def test_they_are_made_and_deleted_at_once(self, stack: Stack) -> None:
        """Four that take four seconds each take less than three after the other, both ways."""
        slow = custom_resource(CreateSeconds="4", DeleteSeconds="4")
        template = with_provider(**{f"Thing{number}": slow for number in range(4)})
        for act in (lambda: stack.create(template), stack.delete):
            began = time.monotonic()
            assert act() in ("CREATE_COMPLETE", "DELETE_COMPLETE")
            assert time.monotonic() - began < 12

    def test_what_needs_another_waits_for_it(self, stack: Stack) -> None:
        """Made after it, deleted before it."""
        first = custom_resource(CreateSeconds="1")
        second = custom_resource(DeleteSeconds="1") | {"DependsOn": "First"}
        third = custom_resource(Of={"Ref": "Second"}, DeleteSeconds="1")  # type: ignore[arg-type]
        fourth = custom_resource() | {"Metadata": {"After": {"Ref": "Third"}}}
        resources = {"AFourth": fourth, "Third": third, "Second": second, "First": first}
        assert stack.create(kept(with_provider(**resources))) == "CREATE_COMPLETE"
        name = stack.provider()
        order = ["First", "Second", "Third", "AFourth"]
        assert [sent["LogicalResourceId"] for sent in stack.requests()] == order
        assert stack.delete() == "DELETE_COMPLETE"
        assert [which for kind, which, _ in seen(stack, name) if kind == "Delete"] == order[::-1]

    def test_a_failure_cancels_what_is_running(self, stack: Stack) -> None:
        """Its Create goes on, and it gets a Delete with an id that nobody has answered, before that Create ends."""
        template = with_provider(
            Slow=custom_resource(CreateSeconds="12"),
            Failing=custom_resource(Create=FAILURE, CreateSeconds="1"),
            Later=custom_resource() | {"DependsOn": "Slow"},
        )
        began = time.monotonic()
        assert stack.create(kept(template)) == "ROLLBACK_COMPLETE"
        assert time.monotonic() - began < 12
        assert stack.reasons("Slow") == ["Resource creation cancelled"]
        assert stack.events("Later") == []
        name = stack.provider()
        until(lambda: len(seen(stack, name)) == 4)
        sent = {(kind, which): physical_id for kind, which, physical_id in seen(stack, name)}
        assert sent.keys() == {("Create", "Slow"), ("Create", "Failing"), ("Delete", "Failing"), ("Delete", "Slow")}
        assert sent["Delete", "Failing"] == "half-made"
        assert sent["Delete", "Slow"].startswith(f"{stack.name}-Slow-")
        assert stack.delete() == "DELETE_COMPLETE"
        assert len(seen(stack, name)) == 4

    def test_without_a_rollback_what_is_running_comes_to_its_end(self, stack: Stack) -> None:
        """And nothing else begins."""
        template = with_provider(
            Slow=custom_resource(CreateSeconds="3"),
            Failing=custom_resource(Create=FAILURE),
            Later=custom_resource() | {"DependsOn": "Slow"},
        )
        assert stack.create(template, OnFailure="DO_NOTHING") == "CREATE_FAILED"
        assert stack.events("Slow") == ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]
        assert stack.events("Later") == []
        name = stack.provider()
        assert stack.delete() == "DELETE_COMPLETE"
        assert [(kind, which) for kind, which, _ in seen(stack, name)].count(("Delete", "Slow")) == 1

    def test_a_stack_may_be_deleted_while_it_is_made(self, stack: Stack) -> None:
        """What is running gets its Delete, and nothing else begins."""
        template = with_provider(
            Slow=custom_resource(CreateSeconds="3"), Later=custom_resource() | {"DependsOn": "Slow"}
        )
        stack.begin(kept(template))
        until(lambda: "CREATE_IN_PROGRESS" in stack.events("Slow"))
        name = stack.provider()
        assert stack.delete() == "DELETE_COMPLETE"
        until(lambda: len(seen(stack, name)) == 2)
        assert [(kind, which) for kind, which, _ in sorted(seen(stack, name))] == [
            ("Create", "Slow"),
            ("Delete", "Slow"),
        ]


class TestFailedDeletions:
    """A resource that could not be deleted stays, with what it needs."""

    @pytest.fixture
    def heal(self, cloud: LocalCloud, stack: Stack) -> Callable[[], None]:
        """Give what makes the provider succeed from now on."""

        def heal() -> None:
            cloud.client("lambda").update_function_configuration(
                FunctionName=stack.physical_id("Provider"), Environment={"Variables": {"Delete": "{+}"}}
            )

        return heal

    def test_a_stack_whose_rollback_failed_sends_another_delete(self, stack: Stack, heal: Callable[[], None]) -> None:
        """To what failed, with the same id, as often as it fails; the rest is gone, but for what is needed for that."""
        thing = custom_resource(Create=FAILURE, Delete=FAILURE)
        assert stack.create(with_provider(Thing=thing, Topic=TOPIC)) == "ROLLBACK_FAILED"
        left = {"Thing": "DELETE_FAILED", "Provider": "CREATE_COMPLETE", "ProviderRole": "CREATE_COMPLETE"}
        assert stack.statuses() == left
        assert stack.why() == "The following resource(s) failed to delete: [Thing]."
        assert stack.delete() == "DELETE_FAILED"
        assert stack.statuses() == left
        heal()
        name = stack.provider()
        assert stack.delete() == "DELETE_COMPLETE"
        assert seen(stack, name) == [("Create", "Thing", ""), *[("Delete", "Thing", "half-made")] * 3]

    def test_a_stack_whose_deletion_failed_sends_another_delete(self, stack: Stack, heal: Callable[[], None]) -> None:
        """The same for a stack that was complete; what does not need the failed one is deleted besides."""
        template = with_provider(
            Thing=custom_resource(Delete=FAILURE),
            Other=custom_resource(),
            Reader=custom_resource() | {"DependsOn": "Thing"},
            Topic=TOPIC,
        )
        assert stack.create(template) == "CREATE_COMPLETE"
        assert stack.delete() == "DELETE_FAILED"
        assert stack.statuses().keys() == {"Thing", "Provider", "ProviderRole"}
        heal()
        name = stack.provider()
        assert stack.delete() == "DELETE_COMPLETE"
        deletes = [which for kind, which, _ in seen(stack, name) if kind == "Delete"]
        assert sorted(deletes) == ["Other", "Reader", "Thing", "Thing"]

    def test_what_a_failed_one_needs_is_not_tried(self, stack: Stack) -> None:
        """It has no event at all."""
        template = with_provider(
            Ground=custom_resource(), Thing=custom_resource(Delete=FAILURE) | {"DependsOn": "Ground"}
        )
        assert stack.create(template) == "CREATE_COMPLETE"
        assert stack.delete() == "DELETE_FAILED"
        assert stack.events("Ground") == ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]
        assert stack.reasons("Thing") != []

    def test_what_could_not_be_deleted_may_be_retained(self, stack: Stack) -> None:
        """By its name, and the rest goes."""
        template = with_provider(Thing=custom_resource(Delete=FAILURE))
        assert stack.create(template) == "CREATE_COMPLETE"
        assert stack.delete() == "DELETE_FAILED"
        name = stack.provider()
        assert stack.delete(RetainResources=["Thing"]) == "DELETE_COMPLETE"
        assert [kind for kind, _, _ in seen(stack, name)] == ["Create", "Delete"]
