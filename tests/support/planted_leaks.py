"""Leaks to plant, one of each kind: what a mistake in the provider could do with a secret that it holds.

Each is done while the handler runs, right after it made a key.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import threading
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from access_key_provider.entrypoints import custom_resource
from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.stack import Stack


@dataclass(frozen=True, slots=True)
class Plant:
    """A leak.

    Attributes:
        name: what tests are parametrised with.
        act: leaks a text; what it returns takes the place of the key's id in the answer.
        where: the place where the scanner must see it.
    """

    name: str
    act: Callable[[Stack, str], str | None]
    where: str

    def __str__(self) -> str:
        """Name it in a test's id."""
        return self.name


def _stream(_stack: Stack, text: str) -> None:
    print(f"made {text}")  # noqa: T201 - the leak


def _error_stream(_stack: Stack, text: str) -> None:
    print(f"made {text}", file=sys.stderr)  # noqa: T201 - the leak


def _descriptor(_stack: Stack, text: str) -> None:
    os.write(1, text.encode())


def _error_descriptor(_stack: Stack, text: str) -> None:
    os.write(2, text.encode())


def _log_line(_stack: Stack, text: str) -> None:
    custom_resource.log.info("created", key=text)


def _debug(_stack: Stack, text: str) -> None:
    logging.getLogger("access_key_provider.debugging").debug("made %s", text)


def _extra(_stack: Stack, text: str) -> None:
    logging.getLogger("access_key_provider.debugging").debug("made", extra={"made": text})


def _unpropagated(_stack: Stack, text: str) -> None:
    logger = logging.getLogger("access_key_provider.apart")
    logger.propagate = False
    logger.debug("made %s", text)


def _logged_exception(_stack: Stack, text: str) -> None:
    try:
        raise KeyError(text)  # noqa: TRY301 - the leak
    except KeyError:
        logging.getLogger("access_key_provider.debugging").debug("failed", exc_info=True)


def _warning(_stack: Stack, text: str) -> None:
    warnings.warn(f"made {text}", stacklevel=1)


def _thread(_stack: Stack, text: str) -> None:
    def fail() -> None:
        raise ValueError(text)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()


class _Left(BaseException):
    """Nothing in the handler catches it."""


def _exception(_stack: Stack, text: str) -> None:
    raise _Left(text)


def _exception_behind(_stack: Stack, text: str) -> None:
    try:
        raise ValueError(text)  # noqa: TRY301 - the leak
    except ValueError as error:
        raise _Left("failed") from error


def _hidden_exception_behind(_stack: Stack, text: str) -> None:
    try:
        raise ValueError(text)  # noqa: TRY301 - the leak
    except ValueError:
        raise _Left("failed") from None


def _note(_stack: Stack, text: str) -> None:
    left = _Left("failed")
    left.add_note(text)
    raise left


def _member(_stack: Stack, text: str) -> None:
    left = _Left("failed")
    left.response = text  # type: ignore[attr-defined] # as a ClientError has it
    raise left


def _group(_stack: Stack, text: str) -> None:
    raise BaseExceptionGroup("failed", [_Left(text)])


def _reason(_stack: Stack, text: str) -> None:
    raise ProviderError(f"failed with {text}")


def _data(_stack: Stack, text: str) -> str:
    return text


def _user_tag(stack: Stack, text: str) -> None:
    stack.account.person.tag_user("deploy", "made", text)


def _user_tag_key(stack: Stack, text: str) -> None:
    stack.account.person.tag_user("deploy", text, "made")


def _secret_tag(stack: Stack, text: str) -> None:
    stack.account.client("secretsmanager").tag_resource(
        SecretId=stack.secret_arn, Tags=[{"Key": "made", "Value": text}]
    )


def _label(stack: Stack, text: str) -> None:
    stack.account.person.put_value(stack.secret_arn, "value", text)


def _version_id(stack: Stack, text: str) -> None:
    stack.account.client("secretsmanager").put_secret_value(
        SecretId=stack.secret_arn, ClientRequestToken=text, SecretString="value", VersionStages=["made"]
    )


def _parameter(stack: Stack, text: str) -> None:
    with suppress(ClientError):
        stack.account.client_of("secretsmanager").describe_secret(SecretId=text)


def _sent_item(stack: Stack, text: str) -> None:
    item = {"secretArn": {"S": stack.other_arn}, "entry": {"M": {"history": {"L": [{"S": text}]}}}}
    stack.account.client_of("dynamodb").put_item(TableName="ledger", Item=item | {"version": {"N": "1"}})


def _item(stack: Stack, text: str) -> None:
    added = {"entry": {"M": {text: {"S": "made"}}}, "version": {"N": "1"}}
    stack.account.person.change_entry(stack.other_arn, lambda item: item.update(added))


def _event(stack: Stack, text: str) -> None:
    entry = {"Source": "made", "DetailType": "made", "Detail": f'{{"made": "{text}"}}', "Resources": []}
    stack.account.client_of("events").put_events(Entries=[entry])


def _variable(_stack: Stack, text: str) -> None:
    os.environ["MADE"] = text


def _variable_name(_stack: Stack, text: str) -> None:
    os.environ[text] = "made"


def _file(_stack: Stack, text: str) -> None:
    Path("made").write_text(text, encoding="utf-8")


def _temporary_file(_stack: Stack, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", delete=False) as file:
        file.write(text)


def _file_name(_stack: Stack, text: str) -> None:
    Path(text.replace("/", "%2F")).touch()


PLANTS = (
    Plant("standard output", _stream, "standard output"),
    Plant("standard error", _error_stream, "standard error"),
    Plant("past standard output", _descriptor, "file descriptor 1"),
    Plant("past standard error", _error_descriptor, "file descriptor 2"),
    Plant("log line", _log_line, "standard output"),
    Plant("debug record", _debug, "log record of access_key_provider.debugging, DEBUG"),
    Plant("extra of a record", _extra, "log record of access_key_provider.debugging, DEBUG"),
    Plant("record that nobody handles", _unpropagated, "log record of access_key_provider.apart, DEBUG"),
    Plant("logged exception", _logged_exception, "log record of access_key_provider.debugging, DEBUG"),
    Plant("warning", _warning, "a warning"),
    Plant("exception of a thread", _thread, "an exception that ended a thread"),
    Plant("exception", _exception, "an exception that left the handler"),
    Plant("exception behind", _exception_behind, "an exception that left the handler"),
    Plant("hidden exception behind", _hidden_exception_behind, "an exception that left the handler"),
    Plant("note of an exception", _note, "an exception that left the handler"),
    Plant("member of an exception", _member, "an exception that left the handler"),
    Plant("group of exceptions", _group, "an exception that left the handler"),
    Plant("reason", _reason, "answer 1"),
    Plant("data", _data, "answer 1"),
    Plant("user's tag", _user_tag, "tags of user deploy"),
    Plant("key of a user's tag", _user_tag_key, "tags of user deploy"),
    Plant("secret's tag", _secret_tag, "tags of secret shop/deploy"),
    Plant("label", _label, "version ids and labels of secret shop/deploy"),
    Plant("version id", _version_id, "version ids and labels of secret shop/deploy"),
    Plant("parameter of a call", _parameter, "parameters of secretsmanager:DescribeSecret"),
    Plant("item that is sent", _sent_item, "parameters of dynamodb:PutItem"),
    Plant("item of the ledger", _item, "the ledger"),
    Plant("event", _event, "parameters of events:PutEvents"),
    Plant("environment variable", _variable, "the environment variables"),
    Plant("name of an environment variable", _variable_name, "the environment variables"),
    Plant("file", _file, "file made"),
    Plant("temporary file", _temporary_file, "file tmp"),
    Plant("name of a file", _file_name, "the names of files"),
)
