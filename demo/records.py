"""What a whole run has seen and written, to look back at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo.keyring import Keyring
from demo.notes import Notes

if TYPE_CHECKING:
    from pathlib import Path

    from demo.report import Report
    from local_cloud import LocalCloud


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
