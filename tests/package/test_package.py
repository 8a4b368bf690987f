"""The library as people get it: built, installed away from the checkout, and used from there."""

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cdk_iam_access_key._shared.lambda_asset import GUARD_PACKAGE, HANDLER_PACKAGE, SHARED_PACKAGE, handler_asset

ROOT = Path(__file__).parents[2]
SITE_PACKAGES = Path(sysconfig.get_path("purelib"))
# The handler package of each function, by the stack that has it.
PACKAGES = {"Keys": HANDLER_PACKAGE, "Guard": GUARD_PACKAGE}
# What the Python runtime of Lambda has beside the standard library.
RUNTIME = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six.py", "urllib3")
SYNTH = """
import json, pathlib, sys
import cdk_iam_access_key
from aws_cdk import App, Stack, aws_iam as iam
from cdk_iam_access_key._shared.lambda_asset import handler_asset

app = App(outdir="cdk.out")
keys = Stack(app, "Keys")
cdk_iam_access_key.AccessKey(keys, "Key", user=iam.User(keys, "User"))
cdk_iam_access_key.RootAccessKeyGuard(Stack(app, "Guard"), "Guard")
app.synth()
print(json.dumps({
    "package": cdk_iam_access_key.__file__,
    "version": cdk_iam_access_key.__version__,
    "hashes": {stack: handler_asset(package).hash for stack, package in json.loads(sys.argv[1]).items()},
    "path": sys.path,
}))
"""
IMPORT = """
import importlib, pathlib, sys

asset, runtime, *handlers = sys.argv[1:]
standard_library = list(sys.path)
sys.path[:0] = [asset, runtime]
for module in sorted(pathlib.Path(asset).rglob("*.py")):
    name = ".".join(module.relative_to(asset).with_suffix("").parts).removesuffix(".__init__")
    importlib.import_module(name)
    print(name)
allowed = (asset, runtime, *standard_library)
foreign = {m.__file__ for m in list(sys.modules.values()) if getattr(m, "__file__", None)}
foreign = sorted(f for f in foreign if not f.startswith(allowed))
assert not foreign, foreign
for handler in handlers:
    module, _, function = handler.rpartition(".")
    assert callable(getattr(sys.modules[module], function)), handler
"""


@dataclass(frozen=True)
class Installed:
    """An environment that has the wheel, and the app that was synthesized in it."""

    prefix: Path
    facts: dict[str, Any]
    output: Path


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command without what this process's environment says about Python."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command, cwd=cwd, env={**inherited, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def contents(wheel: Path) -> dict[str, bytes]:
    """Return what is in a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the source distribution from the checkout and the wheel from the source distribution."""
    folder = tmp_path_factory.mktemp("built")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    """Return the wheel."""
    (wheel,) = built.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Install the wheel in a clean environment, and synthesize an app there."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    install = ("install", "--no-deps", "--no-index", "--disable-pip-version-check", wheel)
    run(sys.executable, "-m", "pip", "--python", python, *install, cwd=folder)
    # The dependencies, behind the wheel: a folder named in a .pth file is searched, but its own .pth files, of which
    # one leads to the checkout, are not read. Only now, or pip would find the library installed already.
    (site_packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (site_packages / "dependencies.pth").write_text(f"{SITE_PACKAGES}\n")
    app = folder / "app"
    app.mkdir()
    (app / "app.py").write_text(SYNTH)
    facts = json.loads(run(python, "-P", "app.py", json.dumps(PACKAGES), cwd=app))
    return Installed(prefix=folder / "venv", facts=facts, output=app / "cdk.out")


@pytest.fixture(scope="module", params=PACKAGES)
def stack(request: pytest.FixtureRequest) -> str:
    """Name a stack that has a function of ours."""
    return str(request.param)


@pytest.fixture(scope="module")
def staged(installed: Installed, stack: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack the function's code of a stack of the app that was synthesized."""
    manifest = json.loads((installed.output / f"{stack}.assets.json").read_text())
    (archive,) = (path for entry in manifest["files"].values() if (path := entry["source"]["path"]).endswith(".zip"))
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(installed.output / archive) as files:
        files.extractall(folder)
    return folder


def test_wheel_has_the_library_and_the_handler_and_nothing_else(wheel: Path) -> None:
    """No test, example, byte code or emulator is shipped, and types and handlers are."""
    library = {
        path.relative_to(ROOT / "constructs").as_posix(): path.read_bytes()
        for path in (ROOT / "constructs" / "cdk_iam_access_key").rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    handlers = {
        f"cdk_iam_access_key/_lambda/{path.relative_to(ROOT / 'lambda').as_posix()}": path.read_bytes()
        for package in (HANDLER_PACKAGE, GUARD_PACKAGE, SHARED_PACKAGE)
        for path in (ROOT / "lambda" / package).rglob("*.py")
    }
    files = {name: content for name, content in contents(wheel).items() if ".dist-info/" not in name}
    assert files == {**library, **handlers}
    assert "cdk_iam_access_key/py.typed" in files
    assert {f"cdk_iam_access_key/_lambda/{package}/main.py" for package in PACKAGES.values()} <= files.keys()


def test_wheel_asks_for_exactly_one_crhelper(wheel: Path) -> None:
    """The version whose files go into the asset is the version that gets installed."""
    (metadata,) = (
        content.decode() for name, content in contents(wheel).items() if name.endswith(".dist-info/METADATA")
    )
    assert "Requires-Dist: crhelper==2.0.12" in metadata.splitlines()
    assert "License-Expression: Apache-2.0" in metadata.splitlines()


def test_wheel_is_the_same_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """The way through the source distribution loses and adds nothing."""
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT, cwd=tmp_path)
    (direct,) = tmp_path.glob("*.whl")
    assert contents(direct) == contents(wheel)


def test_source_distribution_has_what_it_takes_to_build(built: Path) -> None:
    """The sources, the licence and the project file are there, byte code and local settings are not."""
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as source:
        names = {name.partition("/")[2] for name in source.getnames()}
    assert {
        "pyproject.toml",
        "LICENSE",
        "README.md",
        "constructs/cdk_iam_access_key/py.typed",
        "lambda/access_key_provider/main.py",
        "lambda/lambda_shared/__init__.py",
        "lambda/root_access_keys/main.py",
    } <= names
    assert {name.partition("/")[0] for name in names} <= {
        *("pyproject.toml", "LICENSE", "README.md", "CHANGELOG.md", "PKG-INFO", ".gitignore"),
        *("constructs", "lambda"),
    }
    assert not [name for name in names if name.endswith(".pyc")]


def test_installed_library_is_used_and_the_checkout_is_not(installed: Installed, wheel: Path) -> None:
    """What follows is about the wheel: no module and no path leads to the checkout's sources."""
    assert Path(installed.facts["package"]).is_relative_to(installed.prefix)
    assert installed.facts["version"] == wheel.name.split("-")[1]
    sources = [path for path in installed.facts["path"] if Path(path).is_relative_to(ROOT)]
    assert sources in ([], [str(SITE_PACKAGES)])


def test_installed_library_stages_the_same_asset(installed: Installed, stack: str, staged: Path) -> None:
    """The way the library was installed never updates anybody's function."""
    checkout = handler_asset(PACKAGES[stack])
    assert installed.facts["hashes"][stack] == checkout.hash
    files = {path.relative_to(staged).as_posix(): path.read_bytes() for path in staged.rglob("*") if path.is_file()}
    assert files == checkout.files


def test_staged_asset_imports_in_lambda(installed: Installed, stack: str, staged: Path, tmp_path: Path) -> None:
    """With nothing but itself and what the runtime brings, each module can be imported, and each handler is there."""
    for name in RUNTIME:
        (tmp_path / name).symlink_to(SITE_PACKAGES / name)
    template = json.loads((installed.output / f"{stack}.template.json").read_text())
    functions = [one for one in template["Resources"].values() if one["Type"] == "AWS::Lambda::Function"]
    handlers = {function["Properties"]["Handler"] for function in functions}
    imported = run(
        *(sys.executable, "-I", "-S", "-B", "-W", "error", "-c", IMPORT, staged, tmp_path, *handlers),
        cwd=tmp_path,
        AWS_REGION="eu-west-1",
        AWS_DEFAULT_REGION="eu-west-1",
    ).split()
    assert {f"{PACKAGES[stack]}.main", "lambda_shared.cfn_response", "crhelper.resource_helper"} <= set(imported)
    assert len(imported) == len(list(staged.rglob("*.py")))
    assert handlers
