"""Versions and labels of one secret, on the fake account."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from fakes.faults import CONNECTION_LOST, SERVER_ERROR

from access_key_provider.aws.secrets_manager import SecretsManagerVersions
from access_key_provider.model.errors import ConflictError, SecretUnavailableError
from access_key_provider.model.state import SecretDescription, SecretState, SecretVersion
from lambda_shared.errors import AccessDeniedError, CallError, OutcomeUnknownError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes.aws import FakeAccount

    from access_key_provider.aws.sts import Credentials
    from lambda_shared.aws_calls import RetryingCaller

FIRST, SECOND = (f"{digit * 8}-2222-4333-8444-555555555555" for digit in "12")


def labels_of(secret: SecretsManagerVersions) -> dict[str, set[str]]:
    """List the labels of each version."""
    return {version.id: set(version.labels) for version in secret.describe().versions}


def test_a_secret_without_a_value_has_no_versions(secret: SecretsManagerVersions) -> None:
    """It can be written to."""
    assert secret.describe() == SecretDescription(SecretState.WRITABLE)


def test_a_version_is_written_with_its_labels(account: FakeAccount, secret: SecretsManagerVersions, arn: str) -> None:
    """Secrets Manager makes the first one current by itself, and says so."""
    assert secret.put(FIRST, "value", ("AKIA1",)) == {"AKIA1", "AWSCURRENT"}
    assert secret.put(SECOND, "another", ("AKIA2",)) == {"AKIA2"}
    assert secret.describe().versions == (
        SecretVersion(FIRST, frozenset({"AKIA1", "AWSCURRENT"})),
        SecretVersion(SECOND, frozenset({"AKIA2"})),
    )
    assert account.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"] == "value"


def test_a_version_is_written_again_with_the_same_value(secret: SecretsManagerVersions) -> None:
    """What a repeated request does."""
    assert secret.put(FIRST, "value", ("AKIA1",)) == secret.put(FIRST, "value", ("AKIA1",))


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize("fault", [CONNECTION_LOST, SERVER_ERROR])
def test_a_write_whose_answer_is_lost_is_made_again(
    account: FakeAccount, secret: SecretsManagerVersions, fault: object, phase: str
) -> None:
    """The version's id makes it the same write; after three times its outcome is not known."""
    account.fail(fault, "secretsmanager:PutSecretValue", phase=phase, times=2)  # type: ignore[arg-type]
    assert secret.put(FIRST, "value", ("AKIA1",)) == {"AKIA1", "AWSCURRENT"}
    account.fail(fault, "secretsmanager:PutSecretValue", phase=phase, times=3)  # type: ignore[arg-type]
    with pytest.raises(OutcomeUnknownError):
        secret.put(SECOND, "value", ("AKIA2",))


def test_awscurrent_is_moved_only_from_where_it_is(secret: SecretsManagerVersions) -> None:
    """Compared and swapped in one call; somebody else was faster otherwise."""
    secret.put(FIRST, "value", ("AKIA1",))
    secret.put(SECOND, "another", ("AKIA2",))
    secret.move_current(SECOND, FIRST)
    assert labels_of(secret) == {FIRST: {"AKIA1", "AWSPREVIOUS"}, SECOND: {"AKIA2", "AWSCURRENT"}}
    for to, moved_from in ((FIRST, FIRST), (SECOND, FIRST), (FIRST, None), ("3" * 36, SECOND)):
        with pytest.raises(ConflictError) as conflict:
            secret.move_current(to, moved_from)
        assert conflict.value.changed_nothing
    assert labels_of(secret)[SECOND] == {"AKIA2", "AWSCURRENT"}


def test_a_label_is_removed_and_is_a_conflict_if_it_is_not_there(secret: SecretsManagerVersions) -> None:
    """It is on another version, or on none."""
    secret.put(FIRST, "value", ("AKIA1", "x"))
    secret.remove_label(FIRST, "x")
    assert labels_of(secret) == {FIRST: {"AKIA1", "AWSCURRENT"}}
    with pytest.raises(ConflictError):
        secret.remove_label(FIRST, "x")


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (lambda account, arn: account.person.schedule_deletion(arn), SecretState.SCHEDULED_FOR_DELETION),
        (lambda account, arn: account.person.delete_secret(arn), SecretState.MISSING),
        (lambda account, arn: account.person.replicate_from(arn, "eu-west-1"), SecretState.REPLICA),
    ],
)
def test_a_secret_that_can_not_be_written_to(
    account: FakeAccount,
    secret: SecretsManagerVersions,
    arn: str,
    change: Callable[[FakeAccount, str], None],
    state: SecretState,
) -> None:
    """It is described as what it is, and a write that comes too late says why."""
    change(account, arn)
    assert secret.describe().state is state
    assert not secret.describe().writable
    with pytest.raises((SecretUnavailableError, CallError)):
        secret.put(FIRST, "value", ("AKIA1",))


@pytest.mark.parametrize("shown", [{"RotationEnabled": True}, {"RotationEnabled": False}, {}])
def test_whether_a_rotation_is_on_is_seen(
    secret: SecretsManagerVersions, monkeypatch: pytest.MonkeyPatch, shown: dict[str, bool]
) -> None:
    """The daily check needs it; of a secret that never was rotated the member is missing."""
    monkeypatch.setattr(secret, "_client", SimpleNamespace(describe_secret=lambda **_: shown, meta=secret._client.meta))
    assert secret.describe().rotation_enabled is shown.get("RotationEnabled", False)


def test_a_write_for_a_rotation_says_so(
    account: FakeAccount, credentials: Credentials, call: RetryingCaller, arn: str
) -> None:
    """Secrets Manager refuses it without the token that it gave with the step."""
    token = account.person.begin_rotation(arn, FIRST)
    with pytest.raises(CallError):
        SecretsManagerVersions(credentials, arn, call).put(FIRST, "value", ("AWSPENDING", "AKIA1"))
    stored = SecretsManagerVersions(credentials, arn, call, token).put(FIRST, "value", ("AWSPENDING", "AKIA1"))
    assert "AWSPENDING" in stored


def test_a_key_management_service_that_denies_is_named(account: FakeAccount, secret: SecretsManagerVersions) -> None:
    """The value is not: what AWS says may quote parameters."""
    account.switches.kms_denies = True
    with pytest.raises(AccessDeniedError) as denied:
        secret.put(FIRST, "the value", ("AKIA1",))
    assert "by KMS" in str(denied.value)
    assert "the value" not in str(denied.value)


def test_a_denial_names_the_action_and_the_secret(
    account: FakeAccount, secret: SecretsManagerVersions, arn: str
) -> None:
    """Whatever the call."""
    secret.put(FIRST, "value", ("AKIA1",))
    account.deny("secretsmanager:*")
    for act in (
        secret.describe,
        lambda: secret.put(SECOND, "x", ("AKIA2",)),
        lambda: secret.remove_label(FIRST, "AKIA1"),
        lambda: secret.move_current(FIRST, None),
    ):
        with pytest.raises(AccessDeniedError, match=rf"^secretsmanager:\w+ on {arn} was denied by a service control"):
            act()


def test_there_is_no_way_to_read_a_value() -> None:
    """The provider never does, and may not."""
    names = [name for name in dir(SecretsManagerVersions) if not name.startswith("_")]
    assert sorted(names) == ["describe", "move_current", "put", "remove_label"]
