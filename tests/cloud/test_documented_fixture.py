"""The fixture that the documentation gives to users' own tests."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTATION = ROOT / "docs" / "testing.md"
TEST = """

def test_it(aws_account):
    code = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
    done = subprocess.run([sys.executable, "-c", code], env=aws_account, check=True, capture_output=True, text=True)
    assert done.stdout == "111122223333\\n"
"""


@pytest.mark.thorough
def test_the_documented_fixture_gives_an_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts one in a process of a checkout, and stops it, as it stands in the documentation."""
    (fixture,) = re.findall(r"```python\n(import os.*?)```", DOCUMENTATION.read_text("utf-8"), flags=re.DOTALL)
    (tmp_path / "test_app.py").write_text("import sys\n" + fixture + TEST, "utf-8")
    monkeypatch.setenv("AWS_PROFILE", "somebody-else")
    monkeypatch.setenv("CDK_IAM_ACCESS_KEY_CHECKOUT", str(ROOT))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "test_app.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
