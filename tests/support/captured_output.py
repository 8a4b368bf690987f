"""Captures everything that leaves the process while the functions run, for a scanner to search.

Around whatever stands for AWS::

    with capturing() as output:      # AWS is in place already: its requests and the answers are watched
        main.handler(event, context)
    output.add_account(iam, secretsmanager, users, secret_arns)
    LeakScanner(secrets, output.urls).check(output.values)
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import sys
import tempfile
import threading
import traceback
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from botocore.client import BaseClient
from fakes.endpoint import SignedEndpoint

from access_key_provider import main
from lambda_shared import cfn_response
from lambda_shared.custom_resource import quieten_loggers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

# They stand for AWS, which sees everything.
_AWS = frozenset({"moto", "responses", "werkzeug"})
# The parameters that are there to take the secret; CloudTrail hides them.
_TAKE_THE_SECRET = {"PutSecretValue": "SecretString", "PutParameter": "Value"}


def everything_to_debug() -> None:
    """Let every logger log everything: the root, the provider's, and those that have a level of their own."""
    logging.getLogger().setLevel(logging.DEBUG)
    logging.getLogger("access_key_provider").setLevel(logging.DEBUG)
    for logger in _loggers():
        if logger.level != logging.NOTSET:
            logger.setLevel(logging.DEBUG)


@dataclass(slots=True)
class CapturedOutput:
    """What left.

    Attributes:
        values: what it was, each with the name of where it went.
        urls: the response URLs of the events handled.
        answers: how often CloudFormation was answered.
    """

    values: list[tuple[str, Any]] = field(default_factory=list, repr=False)
    urls: list[str] = field(default_factory=list, repr=False)
    answers: int = 0

    def add(self, where: str, value: Any) -> None:
        """Add a value; nothing is no value."""
        if value:
            self.values.append((where, value))

    def add_lines(self, where: str, text: str) -> None:
        """Add lines, of which some are JSON."""
        others = []
        for line in text.splitlines():
            try:
                self.add(where, json.loads(line))
            except ValueError:
                others.append(line)
        self.add(where, "\n".join(others))

    def add_exception(self, where: str, error: BaseException) -> None:
        """Add what any handler of an exception could show of it, and of all in its chain."""
        self.add(where, "".join(traceback.format_exception(error)))
        for one in _chain(error):
            members = {name: repr(value) for name, value in vars(one).items()}
            self.add(where, f"{one!s}\n{one!r}\n{one.args!r}")
            self.add(where, members)

    def add_account(self, iam: Any, secrets: Any, users: Iterable[str], secret_arns: Iterable[str]) -> None:
        """Add what whoever may list and describe sees of users and secrets."""
        for user in users:
            self.add(f"tags of user {user}", iam.list_user_tags(UserName=user)["Tags"])
            self.add(f"user {user}", iam.get_user(UserName=user)["User"])
            self.add(f"access keys of user {user}", iam.list_access_keys(UserName=user)["AccessKeyMetadata"])
        for arn in secret_arns:
            secret = secrets.describe_secret(SecretId=arn)
            name = secret["Name"]
            self.add(f"tags of secret {name}", secret.get("Tags", []))
            self.add(f"description of secret {name}", secret.get("Description", ""))
            self.add(f"version ids and labels of secret {name}", secret.get("VersionIdsToStages", {}))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """List an exception and all behind it, also what `from None` hides from a traceback."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        waiting += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
        yield one


@contextlib.contextmanager
def capturing(make_loud: Callable[[], None] = everything_to_debug) -> Iterator[CapturedOutput]:
    """Capture what leaves.

    Args:
        make_loud: called before the functions' processes start, to let loggers log as much as they can.
    """
    output = CapturedOutput()
    with (
        _files(output),
        _output(output),
        _warnings(output),
        _threads(output),
        _log(output),
        _requests(output),
        _answers(output),
        _handler(output),
    ):
        make_loud()
        # As `main` does when it is imported.
        quieten_loggers()
        yield output


@contextlib.contextmanager
def _handler(output: CapturedOutput) -> Iterator[None]:
    handle = main.handler

    def watched(event: Any, context: Any) -> Any:
        if isinstance(event, dict) and isinstance(event.get("ResponseURL"), str):
            output.urls.append(event["ResponseURL"])
        try:
            returned = handle(event, context)
        except BaseException as error:
            output.add_exception("an exception that left the handler", error)
            raise
        finally:
            output.add("the environment variables", dict(os.environ))
        # Lambda hands it to whoever invoked the function.
        output.add("what the handler returned", returned)
        return returned

    with mock.patch.object(main, "handler", watched):
        yield


@contextlib.contextmanager
def _answers(output: CapturedOutput) -> Iterator[None]:
    put = cfn_response._put

    def watched(url: str, content: bytes) -> int:
        output.answers += 1
        output.add_lines(f"answer {output.answers}", content.decode())
        return put(url, content)

    with mock.patch.object(cfn_response, "_put", watched):
        yield


@contextlib.contextmanager
def _requests(output: CapturedOutput) -> Iterator[None]:
    """Watch what AWS is asked for: CloudTrail shows it."""
    send, call = SignedEndpoint.send, BaseClient._make_api_call

    def note(service: str, action: str, parameters: dict[str, Any]) -> None:
        shown = {name: value for name, value in parameters.items() if name != _TAKE_THE_SECRET.get(action)}
        output.add(f"parameters of {service}:{action}", shown)

    def watched_send(endpoint: SignedEndpoint, *arguments: Any) -> Any:
        note(*arguments[2:])
        return send(endpoint, *arguments)

    def watched_call(client: Any, action: str, parameters: dict[str, Any]) -> Any:
        note(client.meta.service_model.service_name, action, parameters)
        return call(client, action, parameters)

    with (
        mock.patch.object(SignedEndpoint, "send", watched_send),
        mock.patch.object(BaseClient, "_make_api_call", watched_call),
    ):
        yield


@contextlib.contextmanager
def _log(output: CapturedOutput) -> Iterator[None]:
    """Keep every record that any logger lets pass, whoever it is handed to, and give all loggers back as they were."""
    handle = logging.Logger.handle
    before = {logger: (logger.level, list(logger.handlers)) for logger in (logging.getLogger(), *_loggers())}

    def watched(logger: logging.Logger, record: logging.LogRecord) -> None:
        if record.name.split(".")[0] not in _AWS:
            _note_record(output, record)
        handle(logger, record)

    try:
        with mock.patch.object(logging.Logger, "handle", watched):
            yield
    finally:
        for logger in (logging.getLogger(), *_loggers()):
            level, handlers = before.get(logger, (logging.NOTSET, []))
            if logger.level != level:
                logger.setLevel(level)
            logger.handlers[:] = handlers


def _note_record(output: CapturedOutput, record: logging.LogRecord) -> None:
    where = f"log record of {record.name}, {record.levelname}"
    output.add(where, record.getMessage())
    # A handler that writes JSON shows them one by one, those of `extra` too.
    output.add(where, {name: repr(value) for name, value in vars(record).items()})
    if record.exc_info and record.exc_info[1]:
        output.add_exception(where, record.exc_info[1])


def _loggers() -> list[logging.Logger]:
    return [one for one in list(logging.root.manager.loggerDict.values()) if isinstance(one, logging.Logger)]


@contextlib.contextmanager
def _warnings(output: CapturedOutput) -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        output.add("a warning", f"{warning.message!s}\n{warning.message!r}\n{warning.source!r}")


@contextlib.contextmanager
def _threads(output: CapturedOutput) -> Iterator[None]:
    def watched(unhandled: threading.ExceptHookArgs) -> None:
        if unhandled.exc_value is not None:
            output.add_exception("an exception that ended a thread", unhandled.exc_value)

    with mock.patch.object(threading, "excepthook", watched):
        yield


@contextlib.contextmanager
def _output(output: CapturedOutput) -> Iterator[None]:
    """Keep what is written to the streams, and what goes past them to the descriptors."""
    printed, complained = io.StringIO(), io.StringIO()
    with _descriptor(1, output), _descriptor(2, output):
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complained):
            yield
        for stream in (sys.__stdout__, sys.__stderr__):
            if stream is not None:
                stream.flush()
    output.add_lines("standard output", printed.getvalue())
    output.add("standard error", complained.getvalue())


@contextlib.contextmanager
def _descriptor(number: int, output: CapturedOutput) -> Iterator[None]:
    saved = os.dup(number)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), number)
        try:
            yield
        finally:
            os.dup2(saved, number)
            os.close(saved)
            file.seek(0)
            output.add(f"file descriptor {number}", file.read())


@contextlib.contextmanager
def _files(output: CapturedOutput) -> Iterator[None]:
    """Let what is written to the working folder, or to one for temporary files, be written where it is found."""
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.chdir(folder), mock.patch.object(tempfile, "tempdir", folder):
            yield
        for path in sorted(Path(folder).rglob("*")):
            output.add("the names of files", str(path.relative_to(folder)))
            if path.is_file():
                output.add(f"file {path.relative_to(folder)}", path.read_bytes())
