"""What a deployment checks: the own account, and that the guard of an organization can work. And units of accounts."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from root_keys.organization import OWN, Key, Member, Organization, denied
from root_keys.state_machine import run, settings

from access_key_provider import answer, calls
from root_access_keys import main

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE, TWO, THREE = "200000000000", "300000000000", "400000000000"
UNIT, BELOW = "ou-ab12-34cd56ef", "ou-ab12-78ab90cd"
LONG_AGO = datetime.now(UTC) - timedelta(days=400)
CONTEXT = SimpleNamespace(
    invoked_function_arn=f"arn:aws:lambda:eu-central-1:{OWN}:function:guard",
    get_remaining_time_in_millis=lambda: 120_000,
    aws_request_id="1",
    log_stream_name="log",
)


@pytest.fixture
def organization(monkeypatch: pytest.MonkeyPatch) -> Iterator[Organization]:
    """Give an organization with two units, one in the other, and no patience with refusals."""
    monkeypatch.setattr(calls, "_SECONDS_FOR_A_NEW_ROLE", 0.0)
    members = {account: Member([Key(f"AKIAROOT{account}", LONG_AGO)]) for account in (ONE, TWO, THREE)}
    units = {UNIT: ([ONE], [BELOW]), BELOW: ([TWO], [])}
    with Organization(members, units=units).installed() as account:
        yield account


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Collect what CloudFormation is answered."""
    given: list[dict[str, Any]] = []

    def put(_url: str, content: bytes) -> int:
        given.append(json.loads(content))
        return 200

    monkeypatch.setattr(answer, "_put", put)
    return given


def request(kind: str, properties: dict[str, Any], physical_id: str | None = None) -> dict[str, Any]:
    """Write a request of CloudFormation."""
    event = {
        "RequestType": kind,
        "ResponseURL": "https://localhost/1",
        "StackId": f"arn:aws:cloudformation:eu-central-1:{OWN}:stack/shop/1",
        "RequestId": "1",
        "ResourceType": "Custom::Check",
        "LogicalResourceId": "Check",
        "ResourceProperties": properties,
    }
    return event if physical_id is None else event | {"PhysicalResourceId": physical_id}


@pytest.mark.parametrize(("on_found", "status"), [("Fail", "FAILED"), ("Warn", "SUCCESS")])
def test_a_root_key_fails_a_deployment_or_is_told(
    organization: Organization, answers: list[dict[str, Any]], on_found: str, status: str
) -> None:
    """By the answer, the metric and the event in both cases."""
    organization.own_root_keys = 2
    main.own_account(request("Create", {"OnFound": on_found}), CONTEXT)
    assert answers[0]["Status"] == status
    assert "Sign in as the root user" in answers[0]["Reason"]
    assert [metric["Value"] for metric in organization.metrics] == [1.0]
    assert [event["DetailType"] for event in organization.events] == ["Root Access Key Found"]


def test_no_root_key_is_told_by_the_metric_alone(organization: Organization, answers: list[dict[str, Any]]) -> None:
    """The deployment goes through."""
    main.own_account(request("Create", {"OnFound": "Fail"}), CONTEXT)
    assert (answers[0]["Status"], organization.events) == ("SUCCESS", [])
    assert [metric["Value"] for metric in organization.metrics] == [0.0]


def test_a_rollback_and_a_deletion_check_nothing(organization: Organization, answers: list[dict[str, Any]]) -> None:
    """They must succeed, whatever there is."""
    main.own_account(request("Create", {"OnFound": "Fail"}), CONTEXT)
    deployed = answers[0]["PhysicalResourceId"]
    organization.own_root_keys = 1
    main.own_account(request("Update", {"OnFound": "Fail", "CheckedAt": "now"}, deployed), CONTEXT)
    main.own_account(request("Update", {"OnFound": "Fail"}, deployed), CONTEXT)
    main.own_account(request("Delete", {"OnFound": "Fail"}, deployed), CONTEXT)
    assert [one["Status"] for one in answers] == ["SUCCESS", "FAILED", "SUCCESS", "SUCCESS"]
    assert {one["PhysicalResourceId"] for one in answers} == {deployed}


def test_what_can_not_be_told_elsewhere_still_fails_the_deployment(
    organization: Organization, answers: list[dict[str, Any]]
) -> None:
    """With the advice, not with the failure of the metric."""
    organization.own_root_keys = 1
    organization.faults = {(1, "before"): denied}
    main.own_account(request("Create", {"OnFound": "Fail"}), CONTEXT)
    assert "Sign in as the root user" in answers[0]["Reason"]


def test_an_error_is_never_no_key(organization: Organization, answers: list[dict[str, Any]]) -> None:
    """It fails a deployment, and a check by schedule."""
    organization.faults = {(0, "before"): denied, (1, "before"): denied}
    main.own_account(request("Create", {"OnFound": "Warn"}), CONTEXT)
    assert (answers[0]["Status"], organization.metrics) == ("FAILED", [])
    with pytest.raises(Exception, match="GetAccountSummary: AccessDenied"):
        main.own_account({"Operation": "Check"}, CONTEXT)
    main.own_account({"Operation": "Check"}, CONTEXT)
    assert len(organization.metrics) == 1
    with pytest.raises(ValueError, match="neither a request of CloudFormation nor a check"):
        main.own_account({"Operation": "Delete"}, CONTEXT)


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ([], "missing: RootCredentialsManagement, RootSessions"),
        (["RootCredentialsManagement"], "aws iam enable-organizations-root-sessions"),
        ("OrganizationNotFoundException", f"account {OWN} is in no organization"),
        ("AccountNotManagementOrDelegatedAdministratorException", f"register-delegated-administrator .* {OWN}"),
        ("OrganizationNotInAllFeaturesModeException", "enable all features"),
        ("ServiceAccessNotEnabledException", "enable-aws-service-access --service-principal iam.amazonaws.com"),
    ],
)
def test_the_missing_step_is_named(
    organization: Organization, answers: list[dict[str, Any]], features: Any, words: str
) -> None:
    """The very command, and the deployment fails."""
    organization.features = features
    main.organization(request("Create", settings()), CONTEXT)
    assert answers[0]["Status"] == "FAILED"
    assert re.search(words, answers[0]["Reason"])


@pytest.mark.parametrize(
    ("accounts", "named"),
    [
        ({"Only": ["500000000000"]}, "500000000000 is not in the organization"),
        ({"Excluding": ["500000000000"]}, "500000000000 is not in the organization"),
        ({"OrganizationalUnits": ["ou-ab12-00000000"]}, "ou-ab12-00000000 is no organizational unit"),
        ({"OrganizationalUnits": ["r-zz99"]}, "r-zz99 is no organizational unit"),
        ({"Only": [ONE]}, ""),
        ({"OrganizationalUnits": [UNIT]}, ""),
    ],
)
def test_what_is_selected_must_exist(
    organization: Organization, answers: list[dict[str, Any]], accounts: dict[str, list[str]], named: str
) -> None:
    """A slip in an id fails the deployment, not a run months later."""
    assert organization
    main.organization(request("Create", settings(**accounts)), CONTEXT)
    assert answers[0]["Status"] == ("FAILED" if named else "SUCCESS")
    assert named in answers[0]["Reason"]


@pytest.mark.parametrize(
    ("accounts", "seen", "skipped"),
    [
        ({"OrganizationalUnits": [UNIT]}, {ONE, TWO}, {}),
        ({"OrganizationalUnits": [UNIT, BELOW], "Excluding": [TWO]}, {ONE}, {TWO: "excluded"}),
        ({"Only": [THREE, "500000000000"]}, {THREE}, {"500000000000": "not in the organization"}),
    ],
    ids=["units below units", "but one", "one that has left"],
)
def test_a_run_looks_at_what_was_selected(
    organization: Organization, accounts: dict[str, list[str]], seen: set[str], skipped: dict[str, str]
) -> None:
    """No account twice, and those left out are named."""
    summary = run(organization, "one", settings(**accounts))
    assert {key["AccountId"] for key in summary["Found"]} == seen
    assert {item["AccountId"]: item["Why"] for item in summary["Skipped"]} == skipped


def test_a_unit_that_is_gone_fails_the_run(organization: Organization) -> None:
    """And is named: the settings are wrong."""
    del organization.units[BELOW]
    assert run(organization, "one", settings(OrganizationalUnits=[BELOW])) is None
    assert f"{BELOW} is no organizational unit" in organization.notices[0]["Message"]
