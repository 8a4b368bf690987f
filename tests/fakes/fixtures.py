"""The fixture that puts a fake account in AWS's place; import it into a conftest to use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.aws import FakeAccount

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def account() -> Iterator[FakeAccount]:
    """Give an account with nothing in it that the provider takes for AWS; the test must end without a violation."""
    account = FakeAccount()
    with account.installed():
        yield account
    assert account.violations == []
