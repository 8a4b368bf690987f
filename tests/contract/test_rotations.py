"""The version that a rotation of Secrets Manager begins with, and what may become of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from contract.subjects import CURRENT, PREVIOUS, Secret, refused, version

if TYPE_CHECKING:
    from contract.implementations import Implementation

PENDING = "AWSPENDING"


@dataclass(frozen=True)
class Rotated(Secret):
    """A secret that is being rotated, and what the pending version's value is put with."""

    proof: dict[str, str]

    def store(self, value: str) -> None:
        """Put the value of the pending version, as the provider does."""
        self.client.put_secret_value(
            SecretId=self.arn,
            ClientRequestToken=version(2),
            SecretString=value,
            VersionStages=[PENDING, "two"],
            **self.proof,
        )


@pytest.fixture
def secret(aws: Implementation, secrets: Any) -> Rotated:
    """Make a secret with a current version, and begin to rotate it."""
    made = Secret(secrets, secrets.create_secret(Name="shop/deploy")["ARN"])
    made.put(1, "one", value="first")
    made.move(CURRENT, to=1)
    return Rotated(secrets, made.arn, aws.begin_rotation(made.arn, version(2)))


def test_it_begins_with_a_version_that_has_no_value(secret: Rotated) -> None:
    """Its id is the token, and AWSPENDING its only label; AWSCURRENT stays where it is."""
    assert secret.labels() == {version(1): {"one", CURRENT}, version(2): {PENDING}}
    with refused("ResourceNotFoundException"):
        secret.value(VersionId=version(2))
    assert secret.value() == "first"


def test_the_pending_version_takes_one_value(secret: Rotated) -> None:
    """The same once more does nothing, another one is refused: a key that is stored can't be replaced."""
    secret.store("second")
    secret.store("second")
    with refused("ResourceExistsException"):
        secret.store("third")
    assert secret.value(VersionId=version(2)) == "second"
    assert secret.labels() == {version(1): {"one", CURRENT}, version(2): {PENDING, "two"}}


def test_it_ends_with_both_labels_on_the_new_version(secret: Rotated) -> None:
    """AWSPENDING may stay beside AWSCURRENT, and the next rotation takes it along."""
    secret.store("second")
    secret.move(CURRENT, to=2, of=1)
    assert secret.labels() == {version(1): {"one", PREVIOUS}, version(2): {PENDING, CURRENT, "two"}}
    assert secret.value() == "second"


def test_the_next_one_takes_awspending_along(aws: Implementation, secret: Rotated) -> None:
    """From the version that is current by then."""
    secret.store("second")
    secret.move(CURRENT, to=2, of=1)
    aws.begin_rotation(secret.arn, version(3))
    assert secret.labels() == {version(1): {"one", PREVIOUS}, version(2): {CURRENT, "two"}, version(3): {PENDING}}


def test_another_one_is_refused_while_the_first_is_not_finished(aws: Implementation, secret: Rotated) -> None:
    """No version is made for it."""
    secret.store("second")
    with refused("InvalidRequestException"):
        aws.begin_rotation(secret.arn, version(3))
    assert secret.labels() == {version(1): {"one", CURRENT}, version(2): {PENDING, "two"}}


def test_one_that_was_given_up_makes_room_for_another(aws: Implementation, secret: Rotated) -> None:
    """Who takes AWSPENDING off gives a rotation up; what else is on the version stays."""
    secret.store("second")
    secret.move(PENDING, of=2)
    aws.begin_rotation(secret.arn, version(3))
    assert secret.labels() == {version(1): {"one", CURRENT}, version(2): {"two"}, version(3): {PENDING}}
