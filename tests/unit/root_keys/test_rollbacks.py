"""Rollbacks of a stack with a check in it: none fails for what the check finds, and whoever goes back is checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from unit.root_keys.organization import connection_lost, denied, failed_inside, throttled
from unit.root_keys.test_own_account import FAIL, METRIC, WARN, check

if TYPE_CHECKING:
    from collections.abc import Callable

    from unit.root_keys.account import Deployment


def test_a_rollback_of_its_own_failure_checks_nothing(deployment: Deployment) -> None:
    """What was deployed can be deployed again, also while there is a key; after it a change is checked as before."""
    deployed = check(deployment, "Create", WARN)["PhysicalResourceId"]
    deployment.account.own_root_keys = 1
    failed = check(deployment, "Update", FAIL, deployed)
    assert (failed["Status"], failed["PhysicalResourceId"]) == ("FAILED", deployed)
    deployment.account.log.clear()
    back = check(deployment, "Update", WARN, deployed)
    assert (back["Status"], back["PhysicalResourceId"], deployment.account.log) == ("SUCCESS", deployed, [])
    assert check(deployment, "Update", FAIL, deployed)["Status"] == "FAILED"
    deployment.account.own_root_keys = 0
    assert check(deployment, "Update", FAIL, deployed)["Status"] == "SUCCESS"


def became_warning(deployment: Deployment) -> str:
    """Deploy FAIL, let a key come, and deploy WARN; return the id of that."""
    deployed = check(deployment, "Create", FAIL)["PhysicalResourceId"]
    deployment.account.own_root_keys = 1
    warned = check(deployment, "Update", WARN, deployed)
    assert warned["Status"] == "SUCCESS"
    deployment.account.events.clear()
    deployment.account.log.clear()
    return str(warned["PhysicalResourceId"])


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_IN_PROGRESS", "IMPORT_ROLLBACK_IN_PROGRESS"])
def test_a_rollback_after_its_own_success_goes_through(
    deployment: Deployment, capsys: pytest.CaptureFixture[str], status: str
) -> None:
    """Something else of the stack failed: what is found is told as ever, and does not keep the stack."""
    warned = became_warning(deployment)
    deployment.account.stack_status = status
    back = check(deployment, "Update", FAIL, warned)
    assert (back["Status"], back["PhysicalResourceId"] != warned) == ("SUCCESS", True)
    assert "Sign in as the root user" in back["Reason"]
    assert deployment.account.metrics[-1] == (*METRIC, 1.0)
    assert len(deployment.account.events) == 1
    assert deployment.account.log.count("cloudformation:DescribeStacks") == 1
    assert "not failed: the stack rolls back" in capsys.readouterr().out


@pytest.mark.parametrize("status", ["UPDATE_IN_PROGRESS", "CREATE_IN_PROGRESS"])
def test_a_person_who_goes_back_is_checked(deployment: Deployment, status: str) -> None:
    """The same request as that of a rollback, in a deployment: it fails while there is a key, and again afterwards."""
    warned = became_warning(deployment)
    deployment.account.stack_status = status
    given = check(deployment, "Update", FAIL, warned)
    assert (given["Status"], given["PhysicalResourceId"]) == ("FAILED", warned)
    deployment.account.stack_status = "UPDATE_ROLLBACK_IN_PROGRESS"
    assert check(deployment, "Update", WARN, warned)["Status"] == "SUCCESS"
    deployment.account.stack_status = "UPDATE_IN_PROGRESS"
    assert check(deployment, "Update", FAIL, warned)["Status"] == "FAILED"


@pytest.mark.parametrize("fault", [denied, throttled, failed_inside, connection_lost])
def test_a_status_that_can_not_be_read_is_no_rollback(
    deployment: Deployment, capsys: pytest.CaptureFixture[str], fault: Callable[[], BaseException]
) -> None:
    """It fails in time with what was found, and the log says why it was not told from a rollback."""
    warned = became_warning(deployment)
    deployment.account.stack_status = "UPDATE_ROLLBACK_IN_PROGRESS"
    deployment.account.lasting["cloudformation:DescribeStacks", None] = fault
    given = check(deployment, "Update", FAIL, warned)
    assert (given["Status"], "Sign in as the root user" in given["Reason"]) == ("FAILED", True)
    assert deployment.clock.slept.total_seconds() < 105
    assert "it can't be told whether the stack rolls back" in capsys.readouterr().out


def test_a_rollback_goes_through_whatever_fails_in_it(deployment: Deployment) -> None:
    """A right that is gone, and properties of another release: nothing of them keeps the stack."""
    warned = became_warning(deployment)
    deployment.account.stack_status = "UPDATE_ROLLBACK_IN_PROGRESS"
    deployment.account.lasting["iam:GetAccountSummary", None] = denied
    back = check(deployment, "Update", FAIL, warned)
    assert (back["Status"], "GetAccountSummary: AccessDenied" in back["Reason"]) == ("SUCCESS", True)
    deployment.account.lasting.clear()
    back = check(deployment, "Update", ["hush"], warned)
    assert (back["Status"], "hush" in back["Reason"]) == ("SUCCESS", False)


def test_nobody_asks_for_the_status_without_need(deployment: Deployment) -> None:
    """A Create is never a rollback, and a check that finds nothing fails nothing."""
    deployed = check(deployment, "Create", WARN)["PhysicalResourceId"]
    check(deployment, "Update", FAIL, deployed)
    deployment.account.own_root_keys = 1
    deployment.account.stack_status = "ROLLBACK_IN_PROGRESS"
    assert check(deployment, "Create", FAIL)["Status"] == "FAILED"
    assert "cloudformation:DescribeStacks" not in deployment.account.log
