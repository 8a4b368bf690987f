"""Who runs with a key in its environment: `exec` marks its child by a locked file, which says which key it has.

On POSIX the child inherits the open file, so the lock lives as long as the child and its own children do. On Windows
`exec` stays and holds it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from iam_access_key_client import locks

if TYPE_CHECKING:
    from pathlib import Path

_LONGEST = 128


def begin(prefix: Path) -> int:
    """Mark a use of a key that is not known yet. Return the open, locked file. Raises OSError."""
    with suppress(OSError):  # one may be of another user
        others(prefix, "")  # nobody else removes marks where nothing is acknowledged
    while True:
        path = prefix.with_name(f"{prefix.name}.use-{os.getpid()}-{os.urandom(4).hex()}")
        descriptor = locks.opened(path)
        locks.take_patiently(descriptor)
        try:
            if os.path.samestat(path.stat(), os.fstat(descriptor)):
                return descriptor
        except FileNotFoundError:
            pass  # somebody took it for a remainder, before the lock
        os.close(descriptor)


def name(descriptor: int, access_key_id: str) -> None:
    """Say which key is used."""
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, access_key_id.encode())


def others(prefix: Path, access_key_id: str) -> bool:
    """Tell whether somebody runs with another key than this one. Remove marks of those who have ended."""
    return True in {_uses_another(path, access_key_id) for path in prefix.parent.glob(f"{prefix.name}.use-*")}


def _uses_another(path: Path, access_key_id: str) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        if not locks.take(descriptor):
            return os.read(descriptor, _LONGEST).decode() != access_key_id
        if os.name != "nt":
            path.unlink(missing_ok=True)  # before the lock is gone, or it could be of somebody who begins now
    finally:
        os.close(descriptor)
    if os.name == "nt":  # removes no file that somebody has open
        with suppress(OSError):
            path.unlink()
    return False
