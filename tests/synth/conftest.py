"""What the synth tests start from: no account, no network, one jsii kernel for all of them."""

import os
import sys
from pathlib import Path

import pytest

# The kernel is a Node process, and one that is too old for it warns at length; the environment brings its own.
_NODE = Path(sys.executable).with_name("node")
if _NODE.exists():
    os.environ.setdefault("JSII_NODE", str(_NODE))

from aws_cdk import App, Stack  # noqa: E402 - the import starts the kernel
from aws_cdk import aws_iam as iam  # noqa: E402


@pytest.fixture
def app(tmp_path: Path) -> App:
    """Make an app whose output goes with the test."""
    return App(outdir=str(tmp_path / "cdk.out"))


@pytest.fixture
def stack(app: App) -> Stack:
    """Make a stack that may be deployed to any account and region."""
    return Stack(app, "Stack")


@pytest.fixture
def user(stack: Stack) -> iam.User:
    """Make a user of the stack."""
    return iam.User(stack, "User")
