"""The embedded account speaks with custom resources the way CloudFormation does."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from tools.cloud.cloudformation_stack import Stack, custom_resource, with_provider

pytestmark = pytest.mark.thorough


class TestCustomResources:
    """The dialogue between CloudFormation and a custom resource."""

    def test_the_response_url_is_presigned(self, stack: Stack) -> None:
        """It carries the query string of a presigned S3 URL, and a date in it that reads as one."""
        assert stack.create(with_provider(Thing=custom_resource())) == "CREATE_COMPLETE"
        (request,) = stack.requests()
        query = request["ResponseURL"].partition("?")[2]
        fields = dict(field.split("=", 1) for field in query.split("&"))
        assert fields["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"
        assert time.strptime(fields["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
        assert {"X-Amz-Expires", "X-Amz-Signature", "X-Amz-Credential", "X-Amz-SignedHeaders"} <= fields.keys()
        assert request["ResourceProperties"]["ServiceTimeout"] == "20"

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            ('{+"Data": {"x": "%s"}}' % ("x" * 4096), "Response object is too long"),
            ("not json", "Response is not valid JSON"),
            ("[]", "Response is not valid JSON"),
            ('{+"PhysicalResourceId": ""}', "Invalid PhysicalResourceId"),
            ('{+"PhysicalResourceId": null}', "Invalid PhysicalResourceId"),
            ('{+"PhysicalResourceId": "%s"}' % ("x" * 1025), "Invalid PhysicalResourceId"),
            ('{+"Status": "DONE"}', "Invalid Response Status"),
            ('{+"Status": "FAILED", "Reason": "no such luck"}', "Message returned: no such luck"),
        ],
    )
    def test_an_answer_that_does_not_count_fails_the_resource(self, stack: Stack, answer: str, reason: str) -> None:
        """The stack rolls back, in the words of AWS."""
        assert stack.create(with_provider(Thing=custom_resource(Create=answer))) == "ROLLBACK_COMPLETE"
        (given,) = stack.reasons("Thing")
        assert reason in given

    @pytest.mark.parametrize("wrong", [{"ContentType": "text/plain"}, {"Url": "bare"}])
    def test_an_answer_to_another_url_or_with_a_content_type_is_not_taken(
        self, stack: Stack, wrong: dict[str, str]
    ) -> None:
        """S3 would refuse it, so CloudFormation waits until the timeout."""
        thing = custom_resource(**wrong) | {"DeletionPolicy": "Retain"}
        thing["Properties"]["ServiceTimeout"] = 1
        assert stack.create(with_provider(Thing=thing)) == "ROLLBACK_COMPLETE"
        assert "did not receive a response" in stack.reasons("Thing")[0]

    def test_a_failed_create_gets_a_delete_with_the_id_it_answered(self, stack: Stack) -> None:
        """The rollback starts with the resource that failed."""
        failure = '{+"Status": "FAILED", "Reason": "r", "PhysicalResourceId": "half-made"}'
        template = with_provider(Thing=custom_resource(Create=failure, Extra="kept"))
        assert stack.create(template, OnFailure="DO_NOTHING") == "CREATE_FAILED"
        assert [request["RequestType"] for request in stack.requests()] == ["Create"]
        group = f"/aws/lambda/{stack.physical_id('Provider')}"
        assert stack.delete() == "DELETE_COMPLETE"
        requests = logged_requests(stack, group)
        assert [(sent["RequestType"], sent.get("PhysicalResourceId")) for sent in requests] == [
            ("Create", None),
            ("Delete", "half-made"),
        ]
        assert requests[1]["ResourceProperties"]["Extra"] == "kept"

    def test_the_rollback_of_an_update_deletes_what_failed_to_be_created(self, stack: Stack) -> None:
        """In its cleanup, before the stack is done; resources that were there before get nothing."""
        before = with_provider(Old=custom_resource())
        assert stack.create(before) == "CREATE_COMPLETE"
        failure = '{+"Status": "FAILED", "Reason": "r", "PhysicalResourceId": "half-made"}'
        after = with_provider(Old=custom_resource(), New=custom_resource(Create=failure))
        assert stack.update(after) == "UPDATE_ROLLBACK_COMPLETE"
        assert [
            (sent["RequestType"], sent["LogicalResourceId"], sent.get("PhysicalResourceId"))
            for sent in stack.requests()
        ] == [("Create", "Old", None), ("Create", "New", None), ("Delete", "New", "half-made")]

    @pytest.mark.parametrize("answer", ["silence", "not json"])
    def test_a_create_without_a_valid_answer_gets_a_delete_with_an_invented_id(self, stack: Stack, answer: str) -> None:
        """CloudFormation makes an id up from the names of the stack and the resource."""
        thing = custom_resource(Create=answer)
        thing["Properties"]["ServiceTimeout"] = 2
        template = with_provider(Thing=thing)
        assert stack.create(template, DisableRollback=True) == "CREATE_FAILED"
        group = f"/aws/lambda/{stack.physical_id('Provider')}"
        assert stack.delete() == "DELETE_COMPLETE"
        deleted = logged_requests(stack, group)[-1]
        assert deleted["RequestType"] == "Delete"
        assert deleted["PhysicalResourceId"].startswith(f"{stack.name}-Thing-")

    def test_a_failed_delete_of_a_failed_create_fails_the_rollback(self, stack: Stack) -> None:
        """What could not be undone stays visible."""
        failure = '{+"Status": "FAILED", "Reason": "r"}'
        thing = custom_resource(Create=failure, Delete=failure)
        assert stack.create(with_provider(Thing=thing)) == "ROLLBACK_FAILED"


def logged_requests(stack: Stack, group: str) -> list[dict[str, Any]]:
    """Give the requests in a log group whose function may be gone."""
    events = stack._cloud.client("logs").filter_log_events(logGroupName=group)["events"]
    texts = [event["message"] for event in events]
    return [json.loads(text.removeprefix("REQUEST ")) for text in texts if text.startswith("REQUEST ")]
