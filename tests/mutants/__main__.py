"""Plants bugs in a copy of the checkout, one at a time, and shows which test finds each.

    python -m tests.mutants [NAME ...]

The bugs are in `planted.toml`. Ends with `N of N killed`, and with exit code 1 if a bug lives or can't be planted any more.
The copy is made in a temporary directory; the checkout is not touched.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parent.parent
_COPIED = ("constructs", "lambda", "local_cloud", "tests", "pyproject.toml", "README.md", "app.py", "cdk.json")
_JOBS = 2
_SECONDS = 1200
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)

Mutant = dict[str, Any]


def main() -> int:
    """Plant what is named, or everything."""
    planted: list[Mutant] = tomllib.loads((_HERE / "planted.toml").read_text())["mutant"]
    chosen = [mutant for mutant in planted if not sys.argv[1:] or mutant["name"] in sys.argv[1:]]
    with ThreadPoolExecutor(_JOBS) as workers:
        killed = sum(workers.map(_plant, chosen))
    print(f"{killed} of {len(chosen)} killed")
    return 0 if killed == len(chosen) else 1


def _plant(mutant: Mutant) -> bool:
    """Plant one bug, run its tests, and tell whether one of them failed."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as directory:
        copy = Path(directory)
        for name in _COPIED:
            source = _ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy / name)
        module = copy / "lambda" / mutant["module"]
        text = module.read_text()
        if text.count(mutant["before"]) != 1:
            print(f"can't be planted any more: {mutant['name']}", flush=True)
            return False
        module.write_text(text.replace(mutant["before"], mutant["after"]))
        found = _finder(copy, mutant["tests"])
    print(f"{'killed' if found else 'LIVES '} {mutant['name']}{f': {found}' if found else ''}", flush=True)
    return bool(found)


def _finder(copy: Path, tests: list[str]) -> str:
    """Name the first test that fails; empty if none does."""
    for folder in tests:
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:randomly", "-p", "no:cacheprovider"]
        try:
            done = subprocess.run(
                [*command, "-m", "not thorough", folder],
                cwd=copy,
                env={
                    **os.environ,
                    "PYTHONPATH": ":".join(str(copy / part) for part in ("constructs", "lambda", ".", "tests")),
                },
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"{folder} does not end"
        if done.returncode:
            failed = _FAILED.search(done.stdout)
            return failed[1] if failed else folder
    return ""


if __name__ == "__main__":
    sys.exit(main())
