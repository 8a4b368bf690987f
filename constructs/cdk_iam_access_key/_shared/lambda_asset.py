"""The code of a function: its handler package, what the handler packages share, and crhelper, nothing else.

Everything needed is already installed, so staging runs no Docker, no pip and no network. The hash is computed
here, over relative paths and bytes: it is the same for a checkout, an editable install and the wheel, so that the
way the library was installed never updates anybody's function.
"""

import hashlib
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from stat import S_IFREG
from tempfile import TemporaryDirectory
from typing import cast
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from aws_cdk import Stage
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

HANDLER_PACKAGE = "access_key_provider"
# The functions of the guards.
GUARD_PACKAGE = "root_access_keys"
# How requests are answered and calls are made.
SHARED_PACKAGE = "lambda_shared"
CRHELPER_VERSION = "2.0.12"
# Of its modules as they are published: whoever can write to the environment that synthesizes must not be able to add to
# functions that manage keys. A new version comes with a new digest, and both are reviewed.
CRHELPER_DIGEST = "1f4cd60078686f46a64f3c7c8ada7f1ab095a071f834e6980632226f02fa0e8b"

# What the CDK takes a relative path from, because its process began here. An app may go elsewhere before it is
# synthesized, to the folder of its `app.py` say.
_BEGAN_IN = Path.cwd()
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_READABLE_FILE = S_IFREG | 0o644


@dataclass(frozen=True, slots=True)
class HandlerAsset:
    """The files of a function, by their POSIX path in it."""

    files: dict[str, bytes]

    @property
    def hash(self) -> str:
        """Digest the paths and the contents, whatever wrote them and in whichever order."""
        digest = hashlib.sha256()
        for path, content in sorted(self.files.items()):
            # The lengths keep two different sets of files from running together into the same bytes.
            digest.update(f"{len(path)} {path} {len(content)} ".encode())
            digest.update(content)
        return digest.hexdigest()

    def code(self, scope: Construct) -> lambda_.Code:
        """Write the files to an archive in the cloud assembly, which Lambda gets as it is.

        `cdk deploy --no-staging` uploads it from there, when the app has ended. Its size is what a deployment uploads
        and a cold start loads; the comments in it are cheap that way.
        """
        assembly = _BEGAN_IN / cast("Stage", Stage.of(scope)).asset_outdir
        digest = self.hash
        archive = assembly / f"cdk-iam-access-key.{digest}.zip"
        # Moved there when it is complete: another synthesis may be reading it.
        with TemporaryDirectory(prefix=f"{archive.name}.", dir=assembly) as folder:
            written = Path(folder) / archive.name
            self.write(written)
            written.replace(archive)
        return lambda_.Code.from_asset(str(archive), asset_hash=digest)

    def write(self, archive: Path) -> None:
        """Write the files to an archive, the same bytes each time."""
        with ZipFile(archive, "w") as writer:
            for path, content in sorted(self.files.items()):
                entry = ZipInfo(path, _LONG_AGO)
                # Lambda runs them as another user, who must be able to read them.
                entry.external_attr = _READABLE_FILE << 16
                writer.writestr(entry, content, ZIP_DEFLATED)


def handler_asset(package: str = HANDLER_PACKAGE) -> HandlerAsset:
    """Collect a handler package, the shared one and crhelper from where they are installed.

    Args:
        package: The handler package.

    Raises:
        RuntimeError: A package is missing, or crhelper is missing, not of the pinned version, or was changed.
    """
    folders = [_handler(package), _handler(SHARED_PACKAGE)]
    own = {path: content for folder in folders for path, content in _modules(folder).items()}
    return HandlerAsset({**own, **_crhelper_modules()})


def _handler(name: str) -> Path:
    package = Path(__file__).resolve().parents[1]
    shipped = package / "_lambda" / name
    checkout = package.parents[1] / "lambda" / name
    for folder in (shipped, checkout):
        if (folder / "__init__.py").is_file():
            return folder
    raise RuntimeError(
        f"the handler must be in {shipped} (installed) or in {checkout} (checkout), found neither; "
        "install cdk-iam-access-key again"
    )


def _crhelper_modules() -> dict[str, bytes]:
    try:
        found = distribution("crhelper")
    except PackageNotFoundError:
        found = None
    if found is None or found.version != CRHELPER_VERSION:
        raise RuntimeError(
            f"crhelper must be installed in version {CRHELPER_VERSION}, "
            f"found {found.version if found else 'none'}; run pip install crhelper=={CRHELPER_VERSION}"
        )
    folder = Path(str(found.locate_file("crhelper")))
    modules = _modules(folder)
    digest = HandlerAsset(modules).hash
    if digest != CRHELPER_DIGEST:
        raise RuntimeError(
            f"crhelper {CRHELPER_VERSION} must have the modules that it was published with, found others in {folder}: "
            f"their digest is {digest}, not {CRHELPER_DIGEST}; find out who changed them, then run "
            f"pip install --force-reinstall --no-cache-dir crhelper=={CRHELPER_VERSION}"
        )
    return modules


def _modules(folder: Path) -> dict[str, bytes]:
    paths = {file: file.relative_to(folder) for file in folder.rglob("*.py")}
    # An editor's lock or backup file may end in .py too, but its stem is no name that Python can import.
    return {
        f"{folder.name}/{path.as_posix()}": file.read_bytes()
        for file, path in paths.items()
        if all(part.isidentifier() for part in path.with_suffix("").parts)
    }
