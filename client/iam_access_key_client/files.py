"""Replace a file so that a reader, a crash or a full disk finds the old text or the new one, never a part."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from iam_access_key_client.errors import ClientError


def expanded(path: str | Path) -> Path:
    """Return a path with the user's home in the place of `~`. Raises ClientError if there is no home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ClientError(
            "this user has no home; set HOME, or say where: IAM_ACCESS_KEY_HOME or --home, "
            "AWS_CONFIG_FILE, AWS_SHARED_CREDENTIALS_FILE"
        ) from None


def read(path: Path) -> str:
    """Return the text of a file, with bytes that are not UTF-8 and ends of lines as they are; empty without a file.

    Raises:
        ClientError: It is a device, a pipe or a folder. A rename would take its place: of /dev/null, for everybody.
        OSError: It can't be read.
    """
    if path.exists() and not path.is_file():
        raise ClientError(f"{path} is no regular file; name another one")
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""


def is_gone(path: str) -> bool:
    """Tell whether a file was deleted. One that can't be seen from here may be there: a service may hide folders."""
    try:
        os.stat(path)  # noqa: PTH116 - Path.exists differs between versions of Python
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        pass
    return False


def replace(path: Path, text: str, *, private: bool = False) -> None:
    """Write a text to a file by an atomic rename, through symbolic links. A new file has 0600.

    Owner, mode and, on Linux, the access control list and the security label stay; but a private file has 0600 again.

    Callers hold a lock, so the name of the new file beside it is always the same: what a crash left is overwritten.

    Raises:
        OSError: The file is as before.
    """
    target = Path(os.path.realpath(path))
    new = target.with_name(f".{target.name}.iam-access-key")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))
            file.flush()
            # By the open file: in a folder of somebody else, its name may be a link to another file by now.
            opened = new if os.name == "nt" else file.fileno()
            _keep_access(target, opened)
            if private:
                os.chmod(opened, 0o600)  # noqa: PTH101
            os.fsync(file.fileno())
        os.replace(new, target)  # noqa: PTH105 - the tests make each call of os fail
    except OSError:
        new.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _keep_access(old: Path, new: Path | int) -> None:
    try:
        found = old.stat()
    except FileNotFoundError:
        return
    if hasattr(os, "chown") and (found.st_uid, found.st_gid) != (os.getuid(), os.getgid()):
        os.chown(new, found.st_uid, found.st_gid)
    os.chmod(new, stat.S_IMODE(found.st_mode))  # noqa: PTH101
    with suppress(OSError, AttributeError):  # a file system or a system without attributes
        for name in os.listxattr(old):
            with suppress(OSError):
                os.setxattr(new, name, os.getxattr(old, name))


def _sync_folder(folder: Path) -> None:
    """Keep the rename through a power failure, where there is such a call: not on Windows, CIFS and others."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
