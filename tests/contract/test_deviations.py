"""The table of deviations speaks of tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

from contract.deviations import deviating_tests


def test_every_deviation_is_of_a_test_that_exists() -> None:
    """A test that was renamed takes its entry along."""
    files = Path(__file__).parent.glob("test_*.py")
    tests = {name for file in files for name in re.findall(r"def (test_\w+)\(", file.read_text(encoding="utf-8"))}
    assert deviating_tests() - tests == set()
