"""UpdateSecretVersionStage: a compare-and-swap of one label."""

from __future__ import annotations

import pytest
from contract.subjects import CURRENT, PREVIOUS, Secret, refused, version


@pytest.fixture(autouse=True)
def _two_versions(secret: Secret) -> None:
    """Begin with a current version and one that has a label only."""
    secret.put(1, "one")
    secret.put(2, "two")


BEGINNING = {version(1): {"one", CURRENT}, version(2): {"two"}}


def test_a_new_label_is_attached(secret: Secret) -> None:
    """A label that is nowhere needs no version to leave, and joins those that are there."""
    secret.move("serial", to=2)
    assert secret.labels() == {version(1): {"one", CURRENT}, version(2): {"two", "serial"}}


def test_a_label_attached_where_it_is_stays(secret: Secret) -> None:
    """Attaching it once more does nothing."""
    secret.move("two", to=2)
    secret.move("two", to=2)
    assert secret.labels() == BEGINNING
    described = secret.client.describe_secret(SecretId=secret.arn)["VersionIdsToStages"]
    assert described[version(2)] == ["two"]


def test_a_label_moves_from_where_it_is(secret: Secret) -> None:
    """The version that it leaves must be named."""
    secret.move("two", to=1, of=2)
    assert secret.labels() == {version(1): {"one", "two", CURRENT}}


def test_a_label_does_not_move_from_nowhere(secret: Secret) -> None:
    """Not naming the version that it leaves is refused, and it stays."""
    with refused("InvalidParameterException", status=400):
        secret.move("two", to=1)
    assert secret.labels() == BEGINNING


def test_a_label_does_not_move_from_elsewhere(secret: Secret) -> None:
    """Naming a version that does not have it is refused, and it stays."""
    secret.put(3, "three")
    with refused("InvalidParameterException", status=400):
        secret.move("two", to=1, of=3)
    assert secret.labels() == {**BEGINNING, version(3): {"three"}}


def test_awscurrent_moves_and_takes_awsprevious_along(secret: Secret) -> None:
    """AWSPREVIOUS sits on the version that AWSCURRENT left; other labels stay."""
    secret.move(CURRENT, to=2, of=1)
    assert secret.labels() == {version(1): {"one", PREVIOUS}, version(2): {"two", CURRENT}}


def test_awscurrent_moves_back(secret: Secret) -> None:
    """Both labels change places, as a rollback needs it."""
    secret.move(CURRENT, to=2, of=1)
    secret.move(CURRENT, to=1, of=2)
    assert secret.labels() == {version(1): {"one", CURRENT}, version(2): {"two", PREVIOUS}}


def test_awsprevious_is_the_last_one_only(secret: Secret) -> None:
    """It leaves the version before the previous one."""
    secret.put(3, "three")
    secret.move(CURRENT, to=2, of=1)
    secret.move(CURRENT, to=3, of=2)
    assert secret.labels() == {version(1): {"one"}, version(2): {"two", PREVIOUS}, version(3): {"three", CURRENT}}


@pytest.mark.parametrize("of", [None, 2])
def test_awscurrent_moves_only_from_where_it_is(secret: Secret, of: int | None) -> None:
    """A swap whose comparison fails is refused, and nothing moves."""
    with refused("InvalidParameterException", status=400):
        secret.move(CURRENT, to=2, of=of)
    assert secret.labels() == BEGINNING


def test_a_swap_that_was_done_is_not_done_again(secret: Secret) -> None:
    """That is what the SDK meets when the answer was lost and it asks again."""
    secret.move(CURRENT, to=2, of=1)
    with refused("InvalidParameterException"):
        secret.move(CURRENT, to=2, of=1)
    assert secret.labels() == {version(1): {"one", PREVIOUS}, version(2): {"two", CURRENT}}


def test_awscurrent_never_goes(secret: Secret) -> None:
    """It can be moved and not removed."""
    with refused("InvalidParameterException"):
        secret.move(CURRENT, of=1)
    assert secret.labels() == BEGINNING


def test_a_label_is_removed(secret: Secret) -> None:
    """A version to leave and none to go to."""
    secret.move("one", of=1)
    assert secret.labels() == {version(1): {CURRENT}, version(2): {"two"}}


def test_a_label_is_not_removed_from_elsewhere(secret: Secret) -> None:
    """Naming a version that does not have it is refused, whether another has it or none."""
    for label in ("one", "none"):
        with refused("InvalidParameterException"):
            secret.move(label, of=2)
    assert secret.labels() == BEGINNING


def test_moving_another_label_leaves_awsprevious(secret: Secret) -> None:
    """AWSPREVIOUS follows AWSCURRENT and nothing else."""
    secret.move(CURRENT, to=2, of=1)
    secret.move("one", to=2, of=1)
    assert secret.labels() == {version(1): {PREVIOUS}, version(2): {"one", "two", CURRENT}}


def test_awsprevious_can_be_removed(secret: Secret) -> None:
    """Unlike AWSCURRENT."""
    secret.move(CURRENT, to=2, of=1)
    secret.move(PREVIOUS, of=1)
    assert secret.labels() == {version(1): {"one"}, version(2): {"two", CURRENT}}


def test_a_label_needs_a_version_to_leave_or_to_go_to(secret: Secret) -> None:
    """Naming neither is refused."""
    with refused("InvalidParameterException", "InvalidRequestException"):
        secret.move("two")
    assert secret.labels() == BEGINNING


@pytest.mark.parametrize("missing", ["to", "of"])
def test_versions_must_exist(secret: Secret, missing: str) -> None:
    """Naming one that is not there is refused, and nothing moves."""
    with refused("ResourceNotFoundException", "InvalidParameterException"):
        secret.move("two", to=9 if missing == "to" else 1, of=9 if missing == "of" else 2)
    assert secret.labels() == BEGINNING


def test_reading_by_label_and_by_version(secret: Secret) -> None:
    """A value is found by either."""
    secret.put(3, "three", value="third")
    assert secret.value(VersionStage="three") == secret.value(VersionId=version(3)) == "third"
    assert secret.value(VersionStage=CURRENT) == "v"


def test_reading_without_a_label_reads_awscurrent(secret: Secret) -> None:
    """Also after it has moved."""
    secret.put(3, "three", value="third")
    secret.move(CURRENT, to=3, of=1)
    assert secret.value() == "third"
