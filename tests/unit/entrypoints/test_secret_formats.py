"""A secret that is written otherwise: at birth, when the format changes, by every way to rotate, and back again."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fakes.faults import PROCESS_DEATH
from support.smtp_server import smtp_endpoints
from support.stack import SWEEP

from access_key_provider.model.errors import RotationError
from access_key_provider.model.secret_format import SecretFormat, ses_smtp_password
from access_key_provider.model.state import NewAccessKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.stack import Stack

ENV_FILE = {
    "SecretFormat": "AWS_ACCESS_KEY_ID={access_key_id}\nAWS_SECRET_ACCESS_KEY={secret_access_key}\n",
    "SecretFormatKind": "env_file",
}
SMTP = {
    "SecretFormat": '{"username": "{access_key_id}", "password": "{ses_smtp_password:us-east-2}"}',
    "SecretFormatKind": "json",
}
KEPT = {"GracePeriod": "3600", "RetentionPeriod": "86400"}


def value(stack: Stack) -> str:
    """Return what a reader gets."""
    secrets = stack.account.client("secretsmanager")
    return str(secrets.get_secret_value(SecretId=stack.secret_arn)["SecretString"])


def made(stack: Stack) -> dict[str, str]:
    """Return the secrets of all keys that were made."""
    return {key.id: key.secret for key in stack.account.state.users["deploy"].keys.values()}


def expected(stack: Stack, properties: dict[str, str]) -> str:
    """Return what a reader should get of the current key."""
    current, _ = stack.current_key()
    return SecretFormat(properties["SecretFormat"]).document(NewAccessKey(current, made(stack)[current]))


@pytest.mark.parametrize("properties", [ENV_FILE, SMTP], ids=["env file", "SMTP"])
def test_a_key_is_born_in_the_format(stack: Stack, properties: dict[str, str]) -> None:
    """And everything else holds as for any key."""
    stack.deploy("1", **properties)
    assert value(stack) == expected(stack, properties)
    stack.check_deployed(stack.properties(**properties))


def test_an_smtp_password_is_the_keys_own(stack: Stack) -> None:
    """The secret access key itself is not in the secret."""
    stack.deploy("1", **SMTP)
    (secret,) = made(stack).values()
    document = json.loads(value(stack))
    assert document["password"] == ses_smtp_password(secret, "us-east-2")
    assert secret not in value(stack)


def test_a_change_of_the_format_rotates(stack: Stack) -> None:
    """With the overlap of any rotation: what is stored can't be read back and written anew."""
    stack.deploy("1", **KEPT)
    first, _ = stack.current_key()
    stack.deploy("1", **KEPT, **ENV_FILE)
    second, _ = stack.current_key()
    assert stack.keys() == {first: "Active", second: "Active"}
    assert value(stack) == expected(stack, ENV_FILE)
    stack.check_deployed(stack.properties(**KEPT, **ENV_FILE))


@pytest.mark.parametrize("before", [{}, SMTP], ids=["default", "SMTP"])
def test_a_rollback_goes_back_to_the_very_key(stack: Stack, before: dict[str, str]) -> None:
    """And with it to the very document, which no third key could have."""
    stack.deploy("1", **KEPT, **before)
    first, document = stack.current_key(), value(stack)
    update = stack.update(stack.properties("1", **KEPT, **ENV_FILE))
    assert stack.deliver(update) == "SUCCESS"
    assert stack.current_key() != first
    assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
    assert (stack.current_key(), value(stack)) == (first, document)
    assert len(made(stack)) == 2
    stack.check_deployed(stack.properties(**KEPT, **before))


def test_the_same_format_is_the_same_key(stack: Stack) -> None:
    """A deployment that changes something else, or only how the key is proven, makes none."""
    stack.deploy("1", **ENV_FILE)
    stack.deploy("1", **ENV_FILE, Description="other")
    stack.deploy("1", **ENV_FILE, ProveSmtpPort="587")
    assert len(made(stack)) == 1


def test_an_interrupted_change_of_the_format_is_not_taken_for_done(stack: Stack) -> None:
    """The key of the old format is current as long as the new one is not."""
    stack.deploy("1")
    denial = stack.account.deny("secretsmanager:PutSecretValue")
    assert stack.deliver(stack.update(stack.properties(**ENV_FILE))) == "FAILED"
    stack.check_deployed(stack.properties())
    stack.account.denials.remove(denial)
    stack.deploy("1", **ENV_FILE)
    stack.check_deployed(stack.properties(**ENV_FILE))


def test_secrets_manager_rotates_in_the_format(stack: Stack) -> None:
    """It sends no properties: the ledger has the format."""
    schedule = {"RotationSchedule": "rate(30 days)", **KEPT, **ENV_FILE}
    stack.deploy("1", **schedule)
    first, _ = stack.current_key()
    stack.rotate()
    assert stack.current_key()[0] != first
    assert value(stack) == expected(stack, ENV_FILE)
    stack.check_deployed(stack.properties(**schedule))


def test_a_rotation_that_began_in_a_format_that_is_rolled_back_is_given_up(stack: Stack) -> None:
    """It ran between the failed deployment and its rollback: readers never get the format of the one that failed."""
    schedule = {"RotationSchedule": "rate(30 days)", **KEPT}
    stack.deploy("1", **schedule)
    before = value(stack)
    stack.account.fail(PROCESS_DEATH, "dynamodb:PutItem", phase="after")
    update = stack.update(stack.properties("1", **schedule, **ENV_FILE))
    assert stack.deliver(update) is None, "it has said what is declared now, and died"
    stack.account.heal()
    event = stack.begin_rotation()
    stack.account.clock.sleep(120)
    stack.invoke(event("createSecret"), "worker")
    assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
    for step in ("setSecret", "testSecret", "finishSecret", "createSecret"):
        with pytest.raises(RotationError, match="rotate again"):
            stack.invoke(event(step), "worker")
    assert value(stack) == before
    stack.check_deployed(stack.properties(**schedule))
    stack.rotate("f" * 32)
    stack.check_deployed(stack.properties(**schedule))


def test_an_operator_rotates_in_the_format(stack: Stack) -> None:
    """The same. What is shown names no format."""
    stack.deploy("1", **KEPT, **ENV_FILE)
    report = stack.operate("Rotate")
    assert value(stack) == expected(stack, ENV_FILE)
    assert "AWS_ACCESS_KEY_ID" not in json.dumps(report)


def test_an_undo_goes_back_to_the_format_before(stack: Stack) -> None:
    """The key as it was read before; the next rotation has the declared format again."""
    stack.deploy("1", **KEPT)
    before = value(stack)
    stack.deploy("1", **KEPT, **ENV_FILE)
    stack.operate("Undo")
    assert value(stack) == before
    stack.deploy("1", **KEPT, **ENV_FILE, Description="other")
    assert value(stack) == before, "what a person took back comes back by itself"
    stack.sweep(timedelta(days=3))
    stack.deploy("2", **KEPT, **ENV_FILE)
    assert value(stack) == expected(stack, ENV_FILE)


def test_an_entry_without_a_format_is_read_as_the_default(stack: Stack) -> None:
    """It was written before there were formats: nothing rotates, and what rotates is written as before."""
    stack.deploy("1", **KEPT)
    first, _ = stack.current_key()
    assert "secret_format" not in str(stack.entry)
    stack.deploy("1", **KEPT, Description="other")
    assert stack.current_key()[0] == first
    stack.operate("Rotate")
    assert json.loads(value(stack)).keys() == {"accessKeyId", "secretAccessKey"}


def test_a_lost_entry_of_a_formatted_key_is_recorded_again(stack: Stack) -> None:
    """CloudFormation says which serial is deployed, and the format is part of it."""
    stack.deploy("1", **KEPT, **ENV_FILE)
    first, _ = stack.current_key()
    del stack.account.state.tables["ledger"].items[stack.secret_arn]
    stack.deploy("1", **KEPT, **ENV_FILE, Description="other")
    assert stack.current_key()[0] == first


def test_a_format_costs_no_call(stack: Stack) -> None:
    """The same calls in the same order as for a plain key."""
    calls: list[list[str]] = []
    for properties in ({}, SMTP):
        with stack.forked() as fork:
            fork.account.log.clear()
            fork.deploy("1", "2", **KEPT, **properties)
            fork.invoke(SWEEP, "worker")
            calls.append(fork.account.log.names())
    assert calls[0] == calls[1]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({**SMTP, "SecretFormat": SMTP["SecretFormat"][:-1] + ', "x": "a"b"}'}, "is no JSON object"),
        ({**ENV_FILE, "SecretFormat": ENV_FILE["SecretFormat"] + "X=a b\n"}, "no env file"),
    ],
)
def test_what_a_token_made_invalid_fails_before_any_write(stack: Stack, change: dict[str, Any], reason: str) -> None:
    """A value that only the deployment knows; the rollback finds everything as it was."""
    stack.deploy("1")
    stack.account.log.clear()
    update = stack.update(stack.properties("1", **change))
    assert stack.deliver(update) == "FAILED"
    assert reason in stack.answers[-1]["Reason"]
    assert stack.account.log.entries == []
    assert stack.deliver(stack.roll_back(update)) == "SUCCESS"
    stack.check_deployed(stack.properties())


# --- the proof of SMTP passwords

PROVEN = {**SMTP, "SecretFormat": SMTP["SecretFormat"].replace("us-east-2", "us-east-1"), "ProveSmtpPort": "587"}


def accepts(stack: Stack) -> Callable[[str, str, str], bool]:
    """Be SES, which knows the passwords of keys that are Active."""

    def check(host: str, user: str, password: str) -> bool:
        right = ses_smtp_password(made(stack)[user], host.split(".")[1])
        return stack.keys().get(user) == "Active" and password == right

    return check


def test_smtp_passwords_are_proven_before_a_key_is_published(stack: Stack, tmp_path: Path) -> None:
    """By a real login, for a first key and in each way to rotate; no reader gets an unproven password.

    The first version of a secret is current at once: Secrets Manager does that. Its readers wait for the deployment.
    """
    seen: list[tuple[str, bool]] = []

    def check(host: str, user: str, password: str) -> bool:
        current = any("AWSCURRENT" in labels for labels in versions(stack).values() if user in labels)
        seen.append((user, current))
        return accepts(stack)(host, user, password)

    properties = {"RotationSchedule": "rate(30 days)", **KEPT, **PROVEN}
    with smtp_endpoints(tmp_path, check) as endpoints:
        stack.deploy("1", **properties)
        stack.rotate()
        stack.sweep(timedelta(days=3))
        stack.operate("Rotate")
    assert [current for _, current in seen] == [True] * 2 + [False] * 4
    assert list(dict.fromkeys(user for user, _ in seen)) == list(made(stack))
    assert endpoints.connected_to == [("email-smtp.us-east-1.amazonaws.com", 587)] * 6
    stack.check_deployed(stack.properties(**properties))


def versions(stack: Stack) -> dict[str, list[str]]:
    """List the labels of each version."""
    described = stack.account.client("secretsmanager").describe_secret(SecretId=stack.secret_arn)
    found: dict[str, list[str]] = described["VersionIdsToStages"]
    return found


def test_the_wait_for_smtp_keeps_the_lease(stack: Stack, tmp_path: Path) -> None:
    """A new key is refused for a while; nobody else takes over meanwhile."""
    with smtp_endpoints(tmp_path, accepts(stack)) as endpoints:
        endpoints.refusals = 40
        stack.deploy("1", **PROVEN)
    lease = [entry for entry in stack.account.log.entries if entry.name == "dynamodb:PutItem"]
    assert len(lease) > 10
    stack.check_deployed(stack.properties(**PROVEN))


def test_an_smtp_password_that_never_works_leaves_nothing(stack: Stack, tmp_path: Path) -> None:
    """Neither a first key, nor a newer one: the previous key stays current."""
    with smtp_endpoints(tmp_path, lambda *_: False):
        assert stack.deliver(stack.create(stack.properties(**PROVEN))) == "FAILED"
        assert "its SMTP password did not work" in stack.answers[-1]["Reason"]
        stack.check_deployed(None)
    stack.deploy("1", **SMTP)
    with smtp_endpoints(tmp_path, lambda *_: False):
        assert stack.deliver(stack.update(stack.properties("2", **PROVEN))) == "FAILED"
    stack.check_deployed(stack.properties(**SMTP))
