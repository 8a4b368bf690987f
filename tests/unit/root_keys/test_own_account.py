"""The check of one account: at a deployment, and by schedule. An error is never "no key"."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from unit.root_keys.organization import OWN, connection_lost, denied, failed_inside, throttled

from lambda_shared.errors import ProviderError
from root_access_keys import main, own_account

if TYPE_CHECKING:
    from collections.abc import Callable

    from unit.root_keys.account import Deployment

FAIL, WARN = {"OnFound": "Fail"}, {"OnFound": "Warn"}
METRIC = "CdkIamAccessKey", "RootAccessKeysPresent"
BEFORE = "guards/RootResource9F6B2A10/0123456789abcdef"


def check(deployment: Deployment, kind: str, properties: Any, physical_id: str | None = None) -> dict[str, Any]:
    """Send a request to the function."""
    return deployment.request(main.own_account, kind, properties, physical_id)


@pytest.mark.parametrize("properties", [FAIL, WARN])
@pytest.mark.parametrize(("kind", "before"), [("Create", None), ("Update", BEFORE)])
def test_without_a_key_it_succeeds(deployment: Deployment, kind: str, before: str, properties: Any) -> None:
    """And says nothing but the metric."""
    given = check(deployment, kind, properties, before)
    assert (given["Status"], given["Reason"]) == ("SUCCESS", "")
    assert deployment.account.metrics == [(*METRIC, 0.0)]
    assert deployment.account.events == []


@pytest.mark.parametrize(("kind", "before"), [("Create", None), ("Update", BEFORE)])
@pytest.mark.parametrize(("properties", "status"), [(FAIL, "FAILED"), (WARN, "SUCCESS")])
def test_a_key_is_told(deployment: Deployment, kind: str, before: str, properties: Any, status: str) -> None:
    """By the answer with what to do about it, by the metric, and by an event."""
    deployment.account.own_root_keys = 2
    given = check(deployment, kind, properties, before)
    assert given["Status"] == status
    assert f"the root user of account {OWN} has an access key" in given["Reason"]
    assert "Sign in as the root user, open the account menu, Security credentials" in given["Reason"]
    assert ("on_found=RootKeyAction.WARN" in given["Reason"]) == (status == "FAILED")
    assert deployment.account.metrics == [(*METRIC, 1.0)]
    (event,) = deployment.account.events
    assert (event["Source"], event["DetailType"]) == ("cdk-iam-access-key", "Root Access Key Found")
    assert json.loads(event["Detail"])["Account"] == OWN


def test_a_request_that_comes_again_is_checked_again(deployment: Deployment) -> None:
    """A Create has no id yet that could say what was checked."""
    assert check(deployment, "Create", FAIL)["Status"] == "SUCCESS"
    deployment.account.own_root_keys = 1
    assert check(deployment, "Create", FAIL)["Status"] == "FAILED"


@pytest.mark.parametrize("entry", [main.own_account, main.organization])
@pytest.mark.parametrize("properties", [FAIL, {}, None, [], "x"])
@pytest.mark.parametrize("physical_id", [BEFORE, "guards/RootResource9F6B2A10", None])
def test_a_delete_succeeds(deployment: Deployment, entry: Any, properties: Any, physical_id: str | None) -> None:
    """Without a call, whatever there is, with the id that it was given."""
    deployment.account.own_root_keys = 1
    given = deployment.request(entry, "Delete", properties, physical_id)
    assert (given["Status"], deployment.account.log) == ("SUCCESS", [])
    assert given["PhysicalResourceId"] == (physical_id or "RootResource9F6B2A10")


@pytest.mark.parametrize(
    ("entry", "module"),
    [
        pytest.param(main.own_account, "own_account", id="account"),
        pytest.param(main.organization, "preflight", id="organization"),
    ],
)
def test_a_function_that_can_not_start_answers(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, entry: Any, module: str
) -> None:
    """A deployment fails with what is wrong, and the stack can go all the same."""
    monkeypatch.setitem(sys.modules, f"root_access_keys.{module}", None)
    given = deployment.request(entry, "Create", FAIL)
    assert (given["Status"], "ModuleNotFoundError while importing" in given["Reason"]) == ("FAILED", True)
    assert deployment.request(entry, "Delete", FAIL, given["PhysicalResourceId"])["Status"] == "SUCCESS"


@pytest.mark.parametrize("fault", [denied, throttled, failed_inside, connection_lost])
@pytest.mark.parametrize("properties", [FAIL, WARN])
def test_what_iam_does_not_tell_is_not_no_key(
    deployment: Deployment, fault: Callable[[], BaseException], properties: Any
) -> None:
    """It fails, within the time that CloudFormation waits, and no metric says 0."""
    deployment.account.lasting["iam:GetAccountSummary", None] = fault
    given = check(deployment, "Create", properties)
    assert (given["Status"], deployment.account.metrics) == ("FAILED", [])
    assert "GetAccountSummary" in given["Reason"] or "could not be reached" in given["Reason"]
    assert deployment.clock.slept.total_seconds() < 105
    with pytest.raises(ProviderError):
        main.own_account({"Operation": "Check"}, deployment.context)
    assert deployment.account.metrics == []


def test_an_answer_without_the_number_is_not_no_key(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fails, and says what is missing."""
    monkeypatch.setattr(deployment.account, "iam_get_account_summary", lambda *_: {"SummaryMap": {"Users": 1}})
    assert "no AccountAccessKeysPresent" in check(deployment, "Create", WARN)["Reason"]


@pytest.mark.parametrize("action", ["iam:GetAccountSummary", "cloudwatch:PutMetricData", "events:PutEvents"])
def test_a_new_role_gets_time(deployment: Deployment, action: str) -> None:
    """Its permissions work some seconds after CloudFormation says that it is there."""
    deployment.account.own_root_keys = 1
    deployment.account.passing[action] = 9
    assert check(deployment, "Create", WARN)["Status"] == "SUCCESS"
    assert 30 < deployment.clock.slept.total_seconds() < 100


@pytest.mark.parametrize("action", ["cloudwatch:PutMetricData", "events:PutEvents"])
def test_what_can_not_be_told_elsewhere(deployment: Deployment, action: str) -> None:
    """A check that nobody hears of fails; the reason is the key if there is one that must not be."""
    deployment.account.own_root_keys = 1
    deployment.account.lasting[action, None] = denied
    assert f"{action.split(':')[1]}: AccessDenied" in check(deployment, "Create", WARN)["Reason"]
    reason = check(deployment, "Create", FAIL)["Reason"]
    assert "has an access key" in reason
    assert "AccessDenied" not in reason


def test_an_event_that_is_not_taken(deployment: Deployment) -> None:
    """EventBridge answers 200 then; a schedule's check fails, so that Lambda tries again and the alarm sees it."""
    deployment.account.own_root_keys = 1
    deployment.account.refused_events = 1
    with pytest.raises(ProviderError, match="PutEvents: InternalFailure") as raised:
        main.own_account({"Operation": "Check"}, deployment.context)
    assert raised.value.__suppress_context__
    main.own_account({"Operation": "Check"}, deployment.context)
    assert len(deployment.account.events) == 1


@pytest.mark.parametrize("keys", [0, 1])
def test_the_scheduled_check_tells(deployment: Deployment, keys: int) -> None:
    """By the metric each time, by an event if there is a key; it answers nobody, and never fails for a key."""
    deployment.account.own_root_keys = keys
    main.own_account({"Operation": "Check"}, deployment.context)
    assert deployment.account.metrics == [(*METRIC, float(keys))]
    assert len(deployment.account.events) == keys
    assert deployment.answers == []


@pytest.mark.parametrize("entry", [main.own_account, main.organization])
@pytest.mark.parametrize("event", [None, [], {}, {"Operation": "Delete"}, {"Operation": "Check", "Secret": "hush"}])
def test_what_nobody_sends_is_refused(deployment: Deployment, entry: Any, event: Any) -> None:
    """Without a call, and without its values in the message."""
    with pytest.raises(ValueError, match="request of CloudFormation") as raised:
        entry(event, deployment.context)
    assert "hush" not in str(raised.value)
    assert deployment.account.log == []


@pytest.mark.parametrize("entry", [main.own_account, main.organization])
def test_requests_that_make_no_sense_are_answered(deployment: Deployment, entry: Any) -> None:
    """With a failure that shows nothing of them."""
    deployment.account.own_root_keys = 1
    assert "must be one of" in deployment.request(entry, "Replace", FAIL)["Reason"]
    for properties in (None, [], "hush"):
        given = deployment.request(entry, "Create", properties)
        assert (given["Status"], "hush" in given["Reason"]) == ("FAILED", False)


def test_a_check_does_not_look_twice(deployment: Deployment) -> None:
    """One call to IAM a check: what was told is what was seen."""
    own_account.check(deployment.context)
    assert deployment.account.log == ["iam:GetAccountSummary", "cloudwatch:PutMetricData"]
