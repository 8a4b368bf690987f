"""Runs the synth tests with the oldest and the newest versions that the library allows, on each Python that there is.

    python -m tests.compat [ARGUMENT OF PYTEST ...]

Each pair gets a virtual environment of its own, which is thrown away. Then checkov, in another one, looks at the
template of `tests/synth/test_compliance.py`. Ends with `N of N work`, and with exit code 1 if one does not. Node comes
from the environment that this runs in.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent.parent
_TESTS = _ROOT / "tests" / "synth"
_OLDEST_PYTHON, _LATEST_PYTHON = 11, 30
_JOBS = 2
_TOOLS = ("pytest", "jsonschema", "hypothesis", "python-dotenv")
# What needs these is left out: they have requirements of their own.
_OTHER_TOOLS = re.compile(r"^from (?:cdk_nag|cfnlint)\b", re.MULTILINE)
_QUIET = ("-q", "--disable-pip-version-check")
_CHECK = re.compile(r"CKV2?_AWS_\d+")
_MINIMUM = re.compile(r"([a-z0-9-]+)>=([0-9.]+),<[0-9]+")
_ASK = "import sys; print(sys.version_info[1])"


def main() -> int:
    """Try each Python with each set of versions."""
    pairs = list(product(_pythons(), ("oldest", "newest")))
    with ThreadPoolExecutor(_JOBS) as workers:
        working = sum(workers.map(_try, *zip(*pairs, strict=True))) + _checkov_finds_what_the_page_lists()
    print(f"{working} of {len(pairs) + 1} work")
    return 0 if working == len(pairs) + 1 else 1


def requirements(versions: str) -> list[str]:
    """Return what to install: what pyproject.toml declares, in its oldest versions or in the newest that it allows.

    Raises:
        ValueError: A requirement has neither a minimum nor one version.
    """
    declared: list[str] = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    if versions == "newest":
        return declared
    oldest = []
    for requirement in declared:
        found = _MINIMUM.fullmatch(requirement)
        if found is None and "==" not in requirement:
            raise ValueError(f"a requirement must have a minimum, as in name>=1,<2, got {requirement}; change it")
        oldest.append(f"{found[1]}=={found[2]}" if found else requirement)
    return oldest


def _pythons() -> list[str]:
    """Find one interpreter of each version, on the path or where pyenv keeps them."""
    folders = [*os.get_exec_path(), *map(str, Path.home().glob(".pyenv/versions/*/bin"))]
    found: dict[int, str] = {}
    for minor in range(_OLDEST_PYTHON, _LATEST_PYTHON):
        for folder in folders:
            python = shutil.which(f"python3.{minor}", path=folder)
            if python is not None and minor not in found and _minor(python) == minor:
                found[minor] = python
    return list(found.values())


def _minor(python: str) -> int | None:
    asked = subprocess.run([python, "-c", _ASK], capture_output=True, text=True, check=False)
    # One of pyenv's shims answers for no version.
    return int(asked.stdout) if asked.returncode == 0 else None


def _try(python: str, versions: str) -> bool:
    with tempfile.TemporaryDirectory(prefix="compat-") as folder:
        own = _environment(python, Path(folder), *requirements(versions), *_TOOLS)
        done = own and _run(
            # The name and the version of the library, as it asks for its own.
            [own, "-m", "pip", "install", *_QUIET, "--no-deps", str(_ROOT)],
            [
                *(own, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not thorough", str(_TESTS)),
                *(
                    f"--ignore={file}"
                    for file in _TESTS.glob("test_*.py")
                    if _OTHER_TOOLS.search(file.read_text("utf-8"))
                ),
                *sys.argv[1:],
            ],
        )
        result = "FAILED" if done is None else done.strip().splitlines()[-1]
        print(f"{python} with the {versions} versions: {result}", flush=True)
        return done is not None


def _checkov_finds_what_the_page_lists() -> bool:
    listed = set(_CHECK.findall((_ROOT / "docs" / "compliance.md").read_text("utf-8")))
    with tempfile.TemporaryDirectory(prefix="compat-") as folder:
        own = _environment(sys.executable, Path(folder), "checkov")
        if own is None or _run([sys.executable, "-m", "tests.compat.template", folder]) is None:
            print("checkov: FAILED")
            return False
        checkov = str(Path(own).with_name("checkov"))
        asked = [checkov, "-f", f"{folder}/Stack.template.json", "--framework", "cloudformation", "-o", "json"]
        report = subprocess.run([*asked, "--skip-download"], capture_output=True, text=True, check=False)
        found = {one["check_id"] for one in json.loads(report.stdout)["results"]["failed_checks"]}
    print(f"checkov: {'as listed' if found == listed else f'found {found}, listed are {listed}'}")
    return found == listed


def _environment(python: str, folder: Path, *packages: str) -> str | None:
    """Make a virtual environment and return its interpreter; None if that fails."""
    own = str(folder / "venv" / "bin" / "python")
    made = _run([python, "-m", "venv", str(folder / "venv")], [own, "-m", "pip", "install", *_QUIET, *packages])
    return None if made is None else own


def _run(*steps: list[str]) -> str | None:
    """Run one step after the other, and return the output of the last; None, and show it, if one fails."""
    environment = os.environ | {
        "JSII_NODE": str(Path(sys.executable).with_name("node")),
        "PYTHONPATH": os.pathsep.join(str(_ROOT / part) for part in ("constructs", "lambda", "", "tests")),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    output = ""
    for step in steps:
        done = subprocess.run(step, cwd=_ROOT, env=environment, capture_output=True, text=True, check=False)
        output = done.stdout
        if done.returncode:
            print(f"{' '.join(step[:5])} failed\n{done.stdout[-4000:]}{done.stderr[-2000:]}", flush=True)
            return None
    return output


if __name__ == "__main__":
    sys.exit(main())
