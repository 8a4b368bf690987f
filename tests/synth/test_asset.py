"""What is uploaded as the function's code."""

import json
import os
import shutil
import stat
import tempfile
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace
from zipfile import ZipFile

import crhelper
import pytest
from aws_cdk import App, Stack, Stage
from synth.templates import of_type

from cdk_iam_access_key import AccessKeyProvider, RootAccessKeyGuard
from cdk_iam_access_key._shared import lambda_asset
from cdk_iam_access_key._shared.lambda_asset import GUARD_PACKAGE, HANDLER_PACKAGE, HandlerAsset, handler_asset

# What a deployment uploads and a cold start reads. The ledger and the lease brought it from 84 to 100 KB; formats,
# copies and adoption to 120; consumers to 135.
LIMIT = 144 * 1024


def test_asset_is_the_handler_and_crhelper_and_nothing_else() -> None:
    """Only modules of the three packages go along, byte for byte as they are installed."""
    packages = [Path(__file__).parents[2] / "lambda" / name for name in ("access_key_provider", "lambda_shared")]
    installed = Path(crhelper.__file__).parent
    expected = {
        file.relative_to(folder.parent).as_posix(): file
        for folder in (*packages, installed)
        for file in folder.rglob("*.py")
    }
    files = handler_asset().files
    assert files == {path: file.read_bytes() for path, file in expected.items()}
    assert {
        "access_key_provider/main.py",
        "access_key_provider/model/state.py",
        "lambda_shared/__init__.py",
        "crhelper/resource_helper.py",
    } <= files.keys()


def archive_of(asset: HandlerAsset, stack: Stack, outdir: Path) -> Path:
    """Write an asset to the cloud assembly of a stack and return the file."""
    asset.code(stack)
    return outdir / f"cdk-iam-access-key.{asset.hash}.zip"


def test_asset_is_small(stack: Stack, tmp_path: Path) -> None:
    """A hundred and forty kilobytes, half of them words for whoever reads them, are read at once by a cold start."""
    assert archive_of(handler_asset(), stack, tmp_path / "cdk.out").stat().st_size <= LIMIT


def test_hash_depends_on_paths_and_contents_only() -> None:
    """The order of the files is of no importance, each path and each byte is."""
    one = HandlerAsset({"a/b.py": b"1", "a/c.py": b"2"})
    assert one.hash == HandlerAsset({"a/c.py": b"2", "a/b.py": b"1"}).hash
    others = [
        HandlerAsset({"a/b.py": b"1", "a/c.py": b"3"}),
        HandlerAsset({"a/b.py": b"1", "a/d.py": b"2"}),
        HandlerAsset({"a/b.py": b"1"}),
        HandlerAsset({"a/b.py": b"2", "a/c.py": b"1"}),
        HandlerAsset({"a/b.py": b"1\r\n", "a/c.py": b"2"}),
    ]
    assert len({one.hash, *(other.hash for other in others)}) == 6


def test_leftovers_in_the_folder_change_nothing(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte code, type stubs and an editor's files stay out, whichever directory synth runs in."""
    before = handler_asset()
    copy = tmp_path / "access_key_provider"
    with ZipFile(archive_of(before, stack, tmp_path / "cdk.out")) as files:
        files.extractall(tmp_path)
    (copy / "__pycache__").mkdir()
    (copy / "model.orig").mkdir()
    for leftover in (
        *("__pycache__/main.cpython-311.pyc", "main.pyi", "main.py.orig", ".#main.py", "notes.txt"),
        *("model/.#state.py", "model.orig/state.py"),
    ):
        (copy / leftover).write_bytes(b"leftover")
    monkeypatch.setattr(lambda_asset, "_handler", lambda name: tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert handler_asset() == before
    assert handler_asset().hash == before.hash


@pytest.mark.parametrize(
    ("module", "changed"),
    [
        ("access_key_provider/planning/deployment.py", {HANDLER_PACKAGE}),
        ("access_key_provider/main.py", {HANDLER_PACKAGE}),
        ("root_access_keys/decision.py", {GUARD_PACKAGE}),
        ("lambda_shared/log.py", {HANDLER_PACKAGE, GUARD_PACKAGE}),
    ],
)
def test_a_comment_changes_the_assets_that_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, changed: set[str]
) -> None:
    """And no other: a comment in a rule of the provider must not make a dry run of a guard's next run."""
    shutil.copytree(Path(__file__).parents[2] / "lambda", tmp_path / "lambda")
    monkeypatch.setattr(lambda_asset, "_handler", lambda name: tmp_path / "lambda" / name)
    packages = (HANDLER_PACKAGE, GUARD_PACKAGE)
    before = {package: handler_asset(package).hash for package in packages}
    with (tmp_path / "lambda" / module).open("a") as file:
        file.write("# a comment\n")
    assert {package for package in packages if handler_asset(package).hash != before[package]} == changed


def test_staged_files_have_fixed_permissions_and_times(stack: Stack, tmp_path: Path) -> None:
    """Lambda's user can read the files whatever the umask was, and no temporary directory is left."""
    umask = os.umask(0o077)
    try:
        archive = archive_of(handler_asset(), stack, tmp_path / "cdk.out")
    finally:
        os.umask(umask)
    with ZipFile(archive) as files:
        assert {entry.external_attr >> 16 for entry in files.infolist()} == {stat.S_IFREG | 0o644}
        assert {entry.date_time[0] for entry in files.infolist()} == {1980}
    assert [file.name for file in archive.parent.iterdir()] == [archive.name]


def synthesized(outdir: Path) -> tuple[dict[str, object], Path]:
    """Return the function's properties and the archive of its asset, from an app of its own."""
    app = App(outdir=str(outdir))
    stack = Stack(app, "Stack")
    AccessKeyProvider(stack, "Provider")
    properties, worker = (one["Properties"] for one in of_type(stack, "AWS::Lambda::Function").values())
    assert properties["Code"] == worker["Code"]
    manifest = json.loads((outdir / "Stack.assets.json").read_text())
    (source,) = (path for entry in manifest["files"].values() if (path := entry["source"]["path"]).endswith(".zip"))
    return properties, outdir / source


def test_two_synths_give_the_same_asset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The template and the files are the same from another directory, and name no place of this machine."""
    first, staged = synthesized(tmp_path / "one")
    monkeypatch.chdir(tmp_path)
    second, again = synthesized(tmp_path / "two")
    assert first == second
    for archive in (staged, again):
        with ZipFile(archive) as files:
            assert {name: files.read(name) for name in files.namelist()} == handler_asset().files
    for place in (tempfile.gettempdir(), str(Path(__file__).parents[2])):
        assert place not in json.dumps(first)


NO_STAGING = {"aws:cdk:disable-asset-staging": True}


@pytest.mark.parametrize("staging", [True, False], ids=["staging", "no staging"])
def test_what_the_assembly_names_is_there_after_the_app_has_ended(tmp_path: Path, *, staging: bool) -> None:
    """Also with `cdk deploy --no-staging`, in stages, and for the guards; the hashes are the same either way."""
    hashes = {handler_asset(package).hash for package in (HANDLER_PACKAGE, GUARD_PACKAGE)}
    app = App(outdir=str(tmp_path), context={} if staging else NO_STAGING)
    for scope in (app, Stage(app, "Stage"), Stage(Stage(app, "Outer"), "Inner")):
        stack = Stack(scope, "Stack")
        AccessKeyProvider(stack, "Provider")
        RootAccessKeyGuard(stack, "Guard")
    app.synth()
    manifests = list(tmp_path.rglob("*.assets.json"))
    assert len(manifests) == 3
    for manifest in manifests:
        files = json.loads(manifest.read_text())["files"].values()
        sources = [manifest.parent / one["source"]["path"] for one in files if one["source"]["packaging"] == "file"]
        archives = [source for source in sources if source.suffix == ".zip"]
        assert len(archives) == 2
        assert all(ZipFile(archive).testzip() is None for archive in archives)
        assert not staging or all(tmp_path in archive.resolve().parents for archive in archives)
    assert {file.name.split(".")[1] for file in tmp_path.glob("cdk-iam-access-key.*.zip")} == hashes


def test_an_app_that_goes_elsewhere_keeps_its_assembly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path is one from where the process began, for the CDK and for the archive."""
    app = App(outdir=os.path.relpath(tmp_path / "out"))
    monkeypatch.chdir(tmp_path)
    AccessKeyProvider(Stack(app, "Stack"), "Provider")
    app.synth()
    assert list((tmp_path / "out").glob("*.zip"))


def test_an_assembly_that_is_used_again_does_not_grow(tmp_path: Path) -> None:
    """One archive a version of the code, however often an app is synthesized and however many functions it has."""
    for context in ({}, {}, NO_STAGING, {}):
        app = App(outdir=str(tmp_path), context=context)
        AccessKeyProvider(Stack(app, "One"), "Provider")
        AccessKeyProvider(Stack(app, "Two"), "Provider")
        app.synth()
        assert len(list(tmp_path.glob("cdk-iam-access-key.*"))) == 1
        assert len(list(tmp_path.glob("*.zip"))) == 2


def test_two_syntheses_at_once_leave_a_whole_archive(tmp_path: Path) -> None:
    """One that is written again while another reads it is replaced as a whole."""
    app = App(outdir=str(tmp_path))
    stack = Stack(app, "Stack")
    asset = handler_asset()
    archive = archive_of(asset, stack, tmp_path)
    with archive.open("rb") as reader:
        archive_of(asset, stack, tmp_path)
        assert ZipFile(reader).testzip() is None
    assert ZipFile(archive).testzip() is None


def test_nothing_is_written_beside_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Site-packages may be read-only, and so may the directory for temporary files."""
    copy = tmp_path / "lambda"
    shutil.copytree(Path(__file__).parents[2] / "lambda", copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(lambda_asset, "_handler", lambda name: copy / name)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no such directory"))
    before = sorted(copy.rglob("*"))
    AccessKeyProvider(Stack(App(outdir=str(tmp_path / "out")), "Stack"), "Provider")
    assert sorted(copy.rglob("*")) == before


@pytest.mark.parametrize("version", ["2.0.11", "2.0.13"])
def test_other_crhelper_is_refused(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """Another version would be another asset, and is not what the handler was tested with."""
    monkeypatch.setattr(lambda_asset, "distribution", lambda _: SimpleNamespace(version=version))
    with pytest.raises(RuntimeError, match=rf"version 2\.0\.12, found {version}; run pip install crhelper==2\.0\.12"):
        handler_asset()


@pytest.mark.parametrize("change", ["another byte", "another module", "a module less"])
def test_changed_crhelper_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: str) -> None:
    """Whoever can write to the environment that synthesizes can't add to functions that manage keys."""
    package = tmp_path / "crhelper"
    shutil.copytree(Path(crhelper.__file__).parent, package)
    installed = SimpleNamespace(version="2.0.12", locate_file=lambda name: tmp_path / name)
    monkeypatch.setattr(lambda_asset, "distribution", lambda _: installed)
    assert handler_asset().files["crhelper/utils.py"] == (package / "utils.py").read_bytes()
    if change == "another byte":
        (package / "utils.py").write_bytes((package / "utils.py").read_bytes() + b"\n")
    elif change == "another module":
        (package / "more.py").write_text("print(1)")
    else:
        (package / "log_helper.py").unlink()
    with pytest.raises(
        RuntimeError, match=r"crhelper 2\.0\.12 must have the modules that it was published with"
    ) as told:
        handler_asset()
    assert str(package) in str(told.value)
    assert "pip install --force-reinstall --no-cache-dir crhelper==2.0.12" in str(told.value)


def test_missing_crhelper_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install is said, rather than shown as an import error."""

    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(lambda_asset, "distribution", missing)
    with pytest.raises(RuntimeError, match=r"version 2\.0\.12, found none; run pip install"):
        handler_asset()


def test_missing_handler_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken installation says where it looked."""
    package = tmp_path / "site-packages" / "cdk_iam_access_key"
    monkeypatch.setattr(lambda_asset, "__file__", str(package / "_shared" / "lambda_asset.py"))
    with pytest.raises(RuntimeError, match=r"the handler must be in .*_lambda.access_key_provider .* install .* again"):
        handler_asset()


def test_installed_handler_goes_before_a_folder_that_happens_to_lie_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installed library takes the handler that it was shipped with."""
    package = tmp_path / "lib" / "site-packages" / "cdk_iam_access_key"
    shipped, other = package / "_lambda" / "access_key_provider", tmp_path / "lib" / "lambda" / "access_key_provider"
    for folder in (shipped, other):
        for handler in (folder, folder.with_name("lambda_shared")):
            handler.mkdir(parents=True)
            (handler / "__init__.py").write_text(f"# {folder.parts[-2]}")
    monkeypatch.setattr(lambda_asset, "__file__", str(package / "_shared" / "lambda_asset.py"))
    assert handler_asset().files["access_key_provider/__init__.py"] == b"# _lambda"
