"""Searches all that a test on the embedded account left behind for the secret access keys that were made in it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from support.leak_scanner import LeakScanner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.leak_scanner import Text

    from local_cloud import CdkResult, LocalCloud

# A file of an app's assets or of a package cache is as large as this at most, or it was not written by the test.
_LARGEST = 4_000_000
_READS_OF_A_STACK = ("describe_stack_events", "describe_stack_resources", "get_template")


@dataclass
class CloudHunt:
    """What one test wrote, and the account that it wrote to.

    Attributes:
        cloud: the account.
        directory: the test's own directory, where its cloud assemblies are.
        outputs: what each run of the CDK command line has written.
    """

    cloud: LocalCloud
    directory: Path
    outputs: list[CdkResult] = field(default_factory=list)
    _server_log_from: int = field(default=0, init=False)
    _issued_before: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        """Leave out what earlier tests have made and logged."""
        self._issued_before = len(self.cloud.secret_access_keys())
        self._server_log_from = len(self._server_log())

    def check(self) -> LeakScanner:
        """Search everything, if a key was made. Raises LeakError."""
        hunt = LeakScanner(self.cloud.secret_access_keys()[self._issued_before :])
        if tuple(hunt.secrets):
            hunt.check(self._texts())
        return hunt

    def _texts(self) -> Iterator[tuple[str, Text]]:
        for number, result in enumerate(self.outputs, 1):
            yield f"output {number} of cdk {' '.join(result.arguments)}", result.output
        for folder in (self.directory, *self.cloud.directory.glob("cdk.out.*")):
            for path in folder.rglob("*"):
                if path.is_file() and path.stat().st_size < _LARGEST:
                    yield str(path), path.read_bytes()
        yield "the log of the emulator", self._server_log()[self._server_log_from :]
        yield "the record of calls", json.dumps([str(call) for call in self.cloud.calls()])
        yield from self._stacks()
        yield from self._function_logs()

    def _server_log(self) -> bytes:
        return b"".join(path.read_bytes() for path in sorted(self.cloud.directory.glob("*.log")))

    def _stacks(self) -> Iterator[tuple[str, Text]]:
        client = self.cloud.client("cloudformation")
        yield "the stacks", _written(client.describe_stacks())
        for stack in client.list_stacks()["StackSummaries"]:
            for read in _READS_OF_A_STACK:
                try:
                    answer = getattr(client, read)(StackName=stack["StackId"])
                except client.exceptions.ClientError:
                    # A stack that is deleted has not everything to tell.
                    continue
                yield f"{read} of {stack['StackName']}", _written(answer)

    def _function_logs(self) -> Iterator[tuple[str, Text]]:
        logs = self.cloud.client("logs")
        for group in logs.describe_log_groups()["logGroups"]:
            name = group["logGroupName"]
            for stream in logs.describe_log_streams(logGroupName=name)["logStreams"]:
                named = {"logGroupName": name, "logStreamName": stream["logStreamName"]}
                yield f"the log {name}", _written(logs.get_log_events(**named))


def _written(answer: dict[str, Any]) -> str:
    return json.dumps({name: value for name, value in answer.items() if name != "ResponseMetadata"}, default=str)
