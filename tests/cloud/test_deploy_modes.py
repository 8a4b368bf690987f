"""The ways of the CDK command line to deploy, in `docs/deploying.md`: what each does to the key of the example app."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from cloud.stacks import Account

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local_cloud import CdkCli, LocalCloud

pytestmark = pytest.mark.thorough

STACK = "AccessKeyExample"
FAIL = {"fail": "true"}


@dataclass
class Example:
    """The deployed example app, and its key.

    Attributes:
        account: Where it is.
        cdk: The command line on it.
        serial: The serial of the next command.
    """

    account: Account
    cdk: CdkCli
    serial: str = "1"

    def run(self, *arguments: str, fails: bool = False, context: Mapping[str, str] | None = None) -> str:
        """Run a command with the serial; give what it said."""
        return self.cdk.run(*arguments, fails=fails, context={"serial": self.serial, **(context or {})}).output

    def deploy(self, *options: str, fails: bool = False, context: Mapping[str, str] | None = None) -> str:
        """Deploy with options; give what the command line said."""
        return self.run("deploy", "--require-approval", "never", *options, fails=fails, context=context)

    @property
    def status(self) -> str:
        """The stack's status."""
        stacks = self.account.cloud.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        return str(stacks[0]["StackStatus"])

    @property
    def current(self) -> str:
        """The key that readers of the secret get, after a look at the invariants."""
        (secret,) = self.account.entries()
        (user,) = self.account.iam.list_users()["Users"]
        self.account.check(user["UserName"], secret)
        assert self.account.works(secret)
        return str(self.account.value(secret)["accessKeyId"])


@pytest.fixture
def example(cdk: CdkCli, bootstrapped_cloud: LocalCloud) -> Example:
    """Deploy the example app with the serial 1, in express mode."""
    example = Example(Account(bootstrapped_cloud), cdk)
    example.deploy("--express")
    return example


def test_no_rollback_goes_on_or_back(example: Example) -> None:
    """A plain deployment is refused until the stack is complete; the same mode, or `cdk rollback`, goes on."""
    first = example.current
    example.serial = "2"
    example.deploy("--no-rollback", fails=True, context=FAIL)
    second = example.current
    assert (example.status, second == first) == ("UPDATE_FAILED", False)
    assert "paused fail state" in example.deploy(fails=True)
    example.run("rollback")
    assert (example.status, example.current) == ("UPDATE_ROLLBACK_COMPLETE", first)
    example.deploy("--no-rollback", fails=True, context=FAIL)
    example.deploy("--no-rollback")
    assert (example.status, example.current) == ("UPDATE_COMPLETE", second)
    example.cdk.destroy()
    assert example.account.entries() == {}


def test_express_mode_goes_on_in_express_mode_only(example: Example) -> None:
    """Neither a plain deployment nor `cdk rollback` helps; with `--rollback` nothing is left to go on from."""
    first = example.current
    example.serial = "2"
    example.deploy("--express", fails=True, context=FAIL)
    second = example.current
    assert (example.status, second == first) == ("UPDATE_FAILED", False)
    assert "in UPDATE_FAILED after an express deployment" in example.deploy(fails=True)
    assert "RollbackStack is not supported" in example.run("rollback", fails=True)
    example.serial = "1"
    example.deploy("--express")
    assert (example.status, example.current) == ("UPDATE_COMPLETE", first)
    example.serial = "2"
    example.deploy("--express", "--rollback", fails=True, context=FAIL)
    assert (example.status, example.current) == ("UPDATE_ROLLBACK_COMPLETE", first)
    example.run("destroy", "--force", "--express")
    assert example.account.entries() == {}


def test_what_does_not_deploy_does_not_rotate(example: Example) -> None:
    """Hotswap leaves the key alone; a change set rotates when it is executed; nothing of ours drifts by a rotation."""
    first = example.current
    example.serial = "2"
    example.deploy("--hotswap")
    example.run("publish-assets", STACK, "--unstable=publish-assets")
    example.deploy("--method=prepare-change-set")
    assert example.current == first
    example.run("deploy", STACK, "--method=execute-change-set")
    second = example.current
    assert second != first
    assert "No drift detected" in example.run("drift", "--fail")
    example.serial = "1"
    example.deploy("--hotswap-fallback")
    assert example.current == first
    example.serial = "2"
    example.deploy("--method=direct", "--concurrency", "2", "--no-staging")
    assert example.current == second


def test_a_key_that_was_orphaned_stays_in_the_ledger(example: Example) -> None:
    """`cdk orphan` sends nothing; the provider, which is still there, goes on with the key."""
    first = example.current
    example.run("orphan", f"{STACK}/AccessKey", "--unstable=orphan", "--yes")
    assert example.current == first
