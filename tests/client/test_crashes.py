"""Killed at each call of the operating system, and refused by it at each: a key is never lost, a file never torn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.client_crashes import KILLED, NEW, OLD

ROOT = Path(__file__).parents[2]
FILES = [
    "".join(f"AWS_{n}={v}\n" for n, v in zip(("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"), p, strict=True))
    for p in ((OLD.access_key_id, OLD.secret_access_key), (NEW.access_key_id, NEW.secret_access_key))
]


def strike(scenario: str, kind: str) -> list[dict[str, Any]]:
    """Return what happened at each call."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "tests" / "support" / "client_crashes.py"), scenario, kind],
        env={**environment, "PYTHONPATH": str(ROOT / "client")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("kind", ["kill", "half"])
@pytest.mark.parametrize("scenario", ["enrol", "credentials", "write"])
def test_killed_at_each_call(scenario: str, kind: str) -> None:
    """The store is what it was or what it was to be, and the next run goes on from there; nothing is left behind."""
    struck = strike(scenario, kind)
    assert len(struck) >= (15 if kind == "kill" else 1)
    current = OLD if scenario == "enrol" else NEW
    for case in struck:
        assert case["said"]["code"] == KILLED
        *stored, config, written = case["texts"]
        assert not stored or json.loads(stored[0])["keys"][0]["accessKeyId"] in {
            OLD.access_key_id,
            current.access_key_id,
        }
        assert config.startswith("[default]\n")
        assert config.endswith("region = eu-central-1\n")
        assert written in ["", *FILES]
        assert case["again"]["code"] == 0, case
        printed = json.loads(case["credentials"]["out"])
        assert printed["AccessKeyId"] == current.access_key_id
        assert printed["SecretAccessKey"] == current.secret_access_key
        assert case["leftovers"] == []
        if scenario == "write":
            assert case["seen"] == FILES[1]


@pytest.mark.parametrize(
    "kind", ["ENOSPC", "EROFS+", *(pytest.param(kind, marks=pytest.mark.thorough) for kind in ("EROFS", "EIO", "EIO+"))]
)
def test_key_is_given_out_whatever_the_disk_says(kind: str) -> None:
    """A full disk or a read-only home costs a line on standard error, never the key."""
    struck = strike("credentials", kind)
    assert len(struck) >= 15
    for case in struck:
        said = case["said"]
        assert said["code"] == 0, said
        assert json.loads(said["out"])["AccessKeyId"] == NEW.access_key_id
        assert said["err"].count("\n") <= 1
        # What is not stored is not acknowledged.
        stored = json.loads(case["texts"][0])["keys"][0]["accessKeyId"]
        assert said["sent"] == 0 or stored == NEW.access_key_id
        assert json.loads(case["credentials"]["out"])["AccessKeyId"] == NEW.access_key_id
        assert case["leftovers"] == []


@pytest.mark.parametrize("scenario", ["enrol", "write"])
def test_full_disk_is_told(scenario: str) -> None:
    """What can't be written is as before, the code says so, and the next run does it."""
    for case in strike(scenario, "ENOSPC"):
        said = case["said"]
        assert said["code"] in {0, 1}, said
        assert said["code"] == 0 or "No space left" in said["err"]
        assert case["texts"][-1] in ["", *FILES]
        assert case["again"]["code"] == 0
        assert case["leftovers"] == []
        if scenario == "write":
            assert case["seen"] == FILES[1]
