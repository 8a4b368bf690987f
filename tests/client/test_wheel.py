"""The distribution as people get it: built, installed away from the checkout, and run from there."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "client" / "iam_access_key_client"


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command without what this process's environment says about Python."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_wheel_has_the_package_and_runs(tmp_path: Path) -> None:
    """Nothing of the CDK is in it or asked for, and the command is there."""
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT / "client", cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    (metadata,) = (content.decode() for name, content in files.items() if name.endswith(".dist-info/METADATA"))
    assert {name: content for name, content in files.items() if ".dist-info/" not in name} == {
        path.relative_to(ROOT / "client").as_posix(): path.read_bytes()
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    assert "Name: iam-access-key-client" in metadata
    assert "Requires-Python: >=3.9" in metadata
    requirements = [line for line in metadata.splitlines() if line.startswith("Requires-Dist: ")]
    assert requirements == [
        "Requires-Dist: botocore<2,>=1.31",
        "Requires-Dist: keyring>=24; extra == 'keyring'",
    ]
    venv.create(tmp_path / "venv", with_pip=False)
    scripts = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    install = ("install", "--no-deps", "--no-index", "--disable-pip-version-check", wheel)
    run(sys.executable, "-m", "pip", "--python", scripts / "python", *install, cwd=tmp_path)
    assert "credentials" in run(scripts / "iam-access-key", "--help", cwd=tmp_path)
    # What a renewal imports, with the SDK of this environment and no other of its packages' code.
    (site_packages,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    (site_packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    code = "import iam_access_key_client.aws as aws; print(aws.__file__)"
    assert run(scripts / "python", "-P", "-c", code, cwd=tmp_path).startswith(str(tmp_path))
