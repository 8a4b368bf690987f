"""What the cases start from: a stack on the fake account, nothing deployed yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def stack() -> Iterator[Stack]:
    """Give a stack; at the end, no key may have been deleted while it was Active, and no unmanaged one touched."""
    with Stack.on_fake_account() as made:
        yield made
        made.check_always_but_vanished()
        assert made.account.violations == []
