"""Locks of a host that end with the process that holds them, however it ends."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        # Far behind the text: Windows lets nobody read what is locked.
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def opened(path: Path) -> int:
    """Open a file to lock it. Raises OSError."""
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def take(descriptor: int) -> bool:
    """Lock an open file. Return whether nobody else holds it."""
    try:
        _take(descriptor)
    except (BlockingIOError, PermissionError):
        return False
    return True


def take_patiently(descriptor: int, patience: float = float("inf")) -> bool:
    """Lock an open file. Return whether others let go of it within so many seconds; without a number, wait for them."""
    end = time.monotonic() + patience
    while not (taken := take(descriptor)) and time.monotonic() < end:
        time.sleep(0.01)
    return taken


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a lock, after all who were before. Raises OSError if the file can't be opened."""
    descriptor = opened(path)
    try:
        take_patiently(descriptor)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def attempted(path: Path, patience: float = 0) -> Iterator[bool]:
    """Hold a lock if nobody else does. Yield whether to go on: also where there are no locks, because one must.

    Args:
        path: The file of the lock.
        patience: How long to wait for others, in seconds.
    """
    descriptor, alone = -1, True
    try:
        descriptor = opened(path)
        alone = take_patiently(descriptor, patience)
    except OSError:
        pass  # a read-only home, or a file system without locks
    try:
        yield alone
    finally:
        if descriptor >= 0:
            os.close(descriptor)
