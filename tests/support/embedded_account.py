"""The embedded AWS account of a test process: the fixtures that every `conftest.py` of its tests imports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local_cloud import CdkCli, LocalCloud

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def cloud() -> Iterator[LocalCloud]:
    """Run an account for the whole session; what earlier tests left is still in it."""
    with LocalCloud() as account:
        yield account


@pytest.fixture
def empty_cloud(cloud: LocalCloud) -> LocalCloud:
    """Give the account with nothing in it and no call recorded."""
    cloud.reset()
    return cloud


@pytest.fixture
def bootstrapped_cloud(empty_cloud: LocalCloud) -> LocalCloud:
    """Give the account with nothing in it but what `cdk bootstrap` makes, and no call recorded."""
    CdkCli(empty_cloud).bootstrap()
    empty_cloud.clear_calls()
    return empty_cloud
