"""What a whole run has seen and written, to look back at, and what is noted while a command runs."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from demo.keyring import Keyring

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from demo.report import Report
    from local_cloud import LocalCloud

_SECONDS_BETWEEN = 0.25


class Notes:
    """Each secret access key that is published, and each line that a function logs.

    A deployment that is rolled back takes back the key that it made, and a first one that fails the log too.
    """

    def __init__(self, cloud: LocalCloud, keyring: Keyring) -> None:
        self._keyring = keyring
        self._secrets = cloud.client("secretsmanager")
        self._logs = cloud.client("logs")
        self._versions: set[str] = set()
        self._lines: dict[tuple[str, int, str], str] = {}

    @property
    def log(self) -> tuple[str, ...]:
        """The lines noted so far."""
        return tuple(self._lines.values())

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Take notes again and again while the block runs, and once more after it."""
        over = threading.Event()

        def take_until_over() -> None:
            while not over.wait(_SECONDS_BETWEEN):
                self._take()

        thread = threading.Thread(target=take_until_over, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self._take()

    def _take(self) -> None:
        # What was listed may be deleted before it is read; an account that fails is for the command to report.
        with contextlib.suppress(ClientError, BotoCoreError):
            self._note_secrets()
        with contextlib.suppress(ClientError, BotoCoreError):
            self._note_log_lines()

    def _note_secrets(self) -> None:
        for secret in self._secrets.list_secrets()["SecretList"]:
            for version in secret["SecretVersionsToStages"].keys() - self._versions:
                # A version that a rotation has announced has no value yet; the others are read all the same.
                with contextlib.suppress(ClientError):
                    value = self._secrets.get_secret_value(SecretId=secret["ARN"], VersionId=version)
                    self._keyring.add(value["SecretString"])
                    self._versions.add(version)

    def _note_log_lines(self) -> None:
        for group in self._logs.describe_log_groups()["logGroups"]:
            for event in self._logs.filter_log_events(logGroupName=group["logGroupName"])["events"]:
                line = event["message"].rstrip()
                self._lines[event["logStreamName"], event["timestamp"], line] = line


class Records:
    """The keys, the notes and the texts of one run, whichever stacks it deploys.

    Args:
        cloud: The account.
        report: What is printed.

    Attributes:
        outputs: What commands printed.
        published: What everybody who may look at a stack can read.
        told: The events that the provider sent.
        directories: Where commands wrote files.
    """

    def __init__(self, cloud: LocalCloud, report: Report) -> None:
        self.keyring = Keyring(cloud)
        self.notes = Notes(cloud, self.keyring)
        self.outputs: list[str] = []
        self.published: list[str] = []
        self.told: list[str] = []
        self.directories: list[Path] = []
        self._report = report

    def written(self) -> dict[str, bytes]:
        """Give everything that was written anywhere, by what it is called."""
        files = [path for directory in self.directories for path in directory.rglob("*") if path.is_file()]
        return {
            "what this demo printed": self._report.printed.encode(),
            "what commands printed": "\n".join(self.outputs).encode(),
            "the stacks' templates, outputs and events": "\n".join(self.published).encode(),
            "the functions' logs": "\n".join(self.notes.log).encode(),
            "the provider's events": "\n".join(self.told).encode(),
            **{str(path): path.read_bytes() for path in files},
        }
