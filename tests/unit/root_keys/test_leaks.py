"""The credentials of the root sessions leave no function, whatever fails wherever, however loud the loggers are."""

from __future__ import annotations

import json
import logging
import traceback
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError, ParamValidationError
from support.leak_scanner import LeakError, LeakScanner
from unit.root_keys import state_machine
from unit.root_keys.account import Account
from unit.root_keys.guard_settings import settings
from unit.root_keys.organization import Key, Member, connection_lost, failed_inside, killed
from unit.root_keys.state_machine import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONG_AGO = datetime.now(UTC) - timedelta(days=400)
ACCOUNT = "200000000000"


class TellingAccount(Account):
    """An account whose secrets are as long as AWS's, and whose errors quote the secrets of the last session."""

    def sts_assume_root(self, given: dict[str, Any], signer: str) -> dict[str, Any]:
        """Give a session with credentials of the usual length."""
        answer = super().sts_assume_root(given, signer)
        number = len(self.sessions)
        secret, token = f"wJalrXUtnFEMI/K7MDENG+bPxRfiCY{number:010}", f"FwoGZXIvYXdzEBYaD/{number:0300}=="
        answer["Credentials"] |= {"SecretAccessKey": secret, "SessionToken": token}
        self.secrets += [secret, token]
        return answer

    def quoting(self, make: Callable[[str], BaseException]) -> Callable[[], BaseException]:
        """Make a fault whose text holds what it must not."""
        return lambda: make(" ".join(self.secrets[-2:]))


def client_error(text: str) -> BaseException:
    """Refuse in words that quote what was sent."""
    return ClientError({"Error": {"Code": "ValidationError", "Message": text}}, "ListAccessKeys")


def invalid_parameters(text: str) -> BaseException:
    """Refuse before anything is sent, as botocore does, with what it was given."""
    return ParamValidationError(report=text)


def unexpected(text: str) -> BaseException:
    """Fail with an error that nobody knows of."""
    return RuntimeError(text)


def _named(fault: Any) -> str:
    return fault.__name__


FAULTS = [client_error, invalid_parameters, unexpected]
SILENT = [failed_inside, connection_lost, killed]


@contextmanager
def searched(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> Iterator[TellingAccount]:
    """Search all that leaves while runs are made."""
    texts: list[tuple[str, str]] = []
    step = state_machine.step

    def watched(handler: Any, event: dict[str, Any]) -> Any:
        def loud(*arguments: Any) -> Any:
            _everything_to_debug()
            try:
                return handler(*arguments)
            except Exception as error:
                # As Lambda prints it and returns it.
                texts.append(("an exception", "".join(traceback.format_exception(error)) + repr(error.args)))
                raise

        returned = step(loud, event)
        texts.append(("what a step returned", json.dumps(returned)))
        return returned

    members = {ACCOUNT: Member([Key("AKIAOFTHEROOTUNUSED1", LONG_AGO), Key("AKIAOFTHEROOTUNUSED2", LONG_AGO)])}
    with TellingAccount(members).installed() as account, mock.patch.object(state_machine, "step", watched):
        assert isinstance(account, TellingAccount)
        caplog.clear()
        yield account
    printed = capsys.readouterr()
    texts += [("standard output", printed.out), ("standard error", printed.err)]
    texts += [(f"the log of {one.name}", f"{one.getMessage()} {one.exc_text} {one.args!r}") for one in caplog.records]
    texts += [(name, content.decode()) for name, content in account.objects.items()]
    texts += [("notices", json.dumps(account.notices)), ("events", json.dumps(account.events))]
    LeakScanner([secret for secret in account.secrets if len(secret) >= 32]).check(texts)


def _everything_to_debug() -> None:
    for name in ("", *logging.root.manager.loggerDict):
        logging.getLogger(name).setLevel(logging.DEBUG)


@pytest.fixture(autouse=True)
def levels() -> Iterator[None]:
    """Give all loggers back as they were."""
    loggers = [logging.getLogger(name) for name in ("", *logging.root.manager.loggerDict)]
    before = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


def calls(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> tuple[int, int]:
    """Count the calls of a run that plans and of one that deletes."""
    with searched(caplog, capsys) as account:
        run(account, "plan", settings())
        planned = len(account.log)
        run(account, "run", settings())
        assert len(account.deleted) == 2
        assert len(account.sessions) == 3
        return planned, len(account.log)


def test_no_credentials_leave(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    """A plan and a deletion without a fault."""
    assert calls(caplog, capsys)[1] > 15


@pytest.mark.parametrize(
    "fault", [*FAULTS, *(pytest.param(fault, marks=pytest.mark.thorough) for fault in SILENT)], ids=_named
)
def test_no_credentials_leave_with_an_error(
    fault: Any, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever call it is that fails, and although the error quotes them."""
    planned, end = calls(caplog, capsys)
    for index in range(planned, end):
        with searched(caplog, capsys) as account:
            run(account, "plan", settings())
            account.faults[index, "before"] = fault if fault in SILENT else account.quoting(fault)
            run(account, "run", settings())
            assert not account.faults, "the fault was never met"


@pytest.mark.parametrize("where", ["result", "output", "exception"])
def test_the_search_finds_what_leaves(
    where: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would not be worth much else."""

    def leaking() -> None:
        with searched(caplog, capsys) as account:
            run(account, "plan", settings())
            secret = account.secrets[-1]
            if where == "result":
                account.objects["runs/plan/summary.json"] = json.dumps({"Why": secret}).encode()
            elif where == "output":
                print(f"token: {secret}")  # noqa: T201 - it leaks
            else:
                with mock.patch("root_access_keys.start.begin", side_effect=KeyError(secret)), _shown():
                    run(account, "run", settings())

    with pytest.raises(LeakError, match="secret access key"):
        leaking()


@contextmanager
def _shown() -> Iterator[None]:
    """Let errors be raised with all that is in them."""
    with mock.patch("root_access_keys.start.log.redacted", lambda error, **_: error):
        yield
