"""What the demo prints: the same text on a terminal and in a file, with colours and a clock on a terminal only."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from demo.account import DELETED
from demo.keyring import ACCEPTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rich.console import Console, RenderableType

    from demo.account import KeySeen
    from demo.expectations import Expectation

_OPENING = "The life of an access key: the CDK command line deploys an app"
_INDENT = 5
_LAST_LINES = 30
_STATUS_STYLES = {"Active": "green", "Inactive": "yellow", DELETED: "dim"}


@dataclass(slots=True)
class _Heading:
    number: int
    title: str
    seconds: float = 0.0


@dataclass(slots=True)
class Report:
    """The story of one run.

    Args:
        console: Where it goes. It must record, so that what was printed can be searched.
    """

    console: Console
    _steps: list[_Heading] = field(default_factory=list)
    _held: int = 0

    @property
    def printed(self) -> str:
        """Everything printed so far."""
        return self.console.export_text(clear=False)

    def opening(self, endpoint_url: str, title: str = _OPENING) -> None:
        """Say what this is."""
        self.console.print(title, style="bold")
        self.console.print("to an AWS account on this machine: ministack, IAM enforced,")
        self.console.print(endpoint_url)

    def step(self, title: str, explanation: str, of: int) -> None:
        """Say what happens next."""
        number = len(self._steps) + 1
        self._steps.append(_Heading(number, title))
        self.console.print()
        self.console.print(Text.assemble((f"{number}/{of}  ", "cyan"), (title, "bold")))
        self._indented(Text(explanation))

    @contextlib.contextmanager
    def running(self, command: str) -> Iterator[None]:
        """Show the command that a user would type, and a running clock on a terminal."""
        self._indented(Text(f"$ {command}", style="cyan"))
        with self._clock():
            yield

    @contextlib.contextmanager
    def waiting(self, sentence: str) -> Iterator[None]:
        """Say what is waited for, and show a running clock on a terminal."""
        self._indented(Text(f"waiting until {sentence}", style="cyan"))
        with self._clock():
            yield

    def moment(self, seconds: float, found: str) -> None:
        """Say what there is to see while waiting."""
        self._indented(Text.assemble((f"{seconds:5.1f} s  ", "dim"), (found, _STATUS_STYLES.get(found, ""))))

    def quote(self, lines: Iterable[str]) -> None:
        """Show what a command said."""
        for line in lines:
            self._indented(Text(line, style="dim"))

    @contextlib.contextmanager
    def _clock(self) -> Iterator[None]:
        columns = (
            TextColumn(" " * (_INDENT - 1)),
            SpinnerColumn("line" if self.console.options.ascii_only else "dots"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as progress:
            progress.add_task("")
            yield

    def took(self, seconds: float, verb: str = "took") -> None:
        """Say how long the command took."""
        self._indented(Text(f"{verb} {seconds:.1f} s", style="dim"))

    def step_took(self, seconds: float) -> None:
        """Remember how long the whole step took."""
        self._steps[-1].seconds = seconds

    def facts(self, facts: Mapping[str, str]) -> None:
        """List names and values."""
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim")
        grid.add_column(overflow="fold")
        for name, value in facts.items():
            grid.add_row(name, Text(value))
        self._set_off(grid)

    def keys(self, keys: Iterable[KeySeen]) -> None:
        """Show the user's keys."""
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        for heading in ("Access key id", "Status", "Created UTC", "Secret", "Signed call"):
            table.add_column(heading, no_wrap=True)
        for key in keys:
            table.add_row(
                Text(key.id, style="dim" if key.status == DELETED else "bold"),
                Text(key.status, style=_STATUS_STYLES.get(key.status, "")),
                key.created,
                key.stage,
                Text(key.answer, style="green" if key.answer == ACCEPTED else "red"),
            )
        self._set_off(table if table.row_count else Text("The user has no keys.", style="dim"))

    def holds(self, expectation: Expectation) -> None:
        """Say that an expectation holds."""
        self._held += 1
        self._indented(Text.assemble((self._mark("✓", "ok"), "green"), f" {expectation.sentence}"))

    def does_not_hold(self, expectation: Expectation) -> None:
        """Say what was expected, and what is."""
        self._indented(Text.assemble((self._mark("✗", "NOT"), "bold red"), (f" {expectation.sentence}", "bold")))
        self._indented(Text(f"  expected: {expectation.expected}"))
        self._indented(Text(f"  found:    {expectation.found}"))

    def evidence(self, heading: str, lines: Iterable[str]) -> None:
        """Quote the end of a text that others wrote."""
        self.console.print()
        self._indented(Text(heading, style="bold"))
        for line in list(lines)[-_LAST_LINES:] or ["(nothing)"]:
            self.console.print(Text(" " * _INDENT + line), soft_wrap=True)

    def summary(self) -> None:
        """Sum up a run in which all expectations hold."""
        table = Table.grid(padding=(0, 2))
        table.add_column(justify="right", style="cyan")
        table.add_column()
        table.add_column(justify="right")
        for step in self._steps:
            table.add_row(str(step.number), step.title, f"{step.seconds:.1f} s")
        total = sum(step.seconds for step in self._steps)
        table.add_row("", Text("together", style="bold"), Text(f"{total:.1f} s", style="bold"))
        self.console.print()
        self.console.print("Summary", style="bold")
        self._indented(table)
        self.console.print(Text(f"All {self._held} expectations hold.", style="bold green"))

    def failure(self, reason: str) -> None:
        """Say why the run ends early."""
        self.console.print()
        self.console.print(Text(f"The demo failed: {reason}", style="bold red"), soft_wrap=True)

    def failed_step(self, expectation: Expectation) -> None:
        """Say which expectation does not hold, in which step."""
        step = self._steps[-1]
        self.failure(
            f"{expectation.sentence!r} does not hold in step {step.number}, {step.title!r}: "
            f"expected {expectation.expected}, found {expectation.found}"
        )

    def kept(self) -> None:
        """Say how to use the account that keeps running."""
        lines = {
            ". .venv/bin/activate": "Python and Node of this checkout",
            'eval "$(python -m local_cloud env)"': "point this shell at the account",
            "npx cdk deploy -c serial=4": "give the user another key",
            "npx cdk destroy": "delete the key, then the user",
            "python -m local_cloud down": "stop the account",
        }
        self.console.print()
        self.console.print("The account keeps running. In this directory:", style="bold")
        for command, purpose in lines.items():
            self.console.print(Text.assemble(f"  {command:<36} ", (f"# {purpose}", "dim")), soft_wrap=True)

    def _mark(self, sign: str, word: str) -> str:
        return word if self.console.options.ascii_only else sign

    def _set_off(self, what: RenderableType) -> None:
        self.console.print()
        self._indented(what)
        self.console.print()

    def _indented(self, what: RenderableType) -> None:
        options = self.console.options
        narrower = options.update_width(max(options.max_width - _INDENT, 1))
        for segments in self.console.render_lines(what, narrower, pad=False):
            line = Text.assemble(" " * _INDENT, *((segment.text, segment.style or "") for segment in segments))
            # Blanks at the end of lines are of no use in a file.
            line.rstrip()
            self.console.print(line, soft_wrap=True)
