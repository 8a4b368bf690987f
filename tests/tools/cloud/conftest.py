"""The embedded AWS account, which the tests of this folder test: it is a tool of the other tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.embedded_account import bootstrapped_cloud, cloud, empty_cloud
from tools.cloud.cloudformation_stack import Stack

if TYPE_CHECKING:
    from local_cloud import LocalCloud

__all__ = ["bootstrapped_cloud", "cloud", "empty_cloud"]


@pytest.fixture
def stack(empty_cloud: LocalCloud) -> Stack:
    """Give a stack that does not exist yet, in an empty account."""
    return Stack(empty_cloud)
