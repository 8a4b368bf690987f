"""Versions of a secret: written once, current by themselves when they are the first."""

from __future__ import annotations

from typing import Any

import pytest
from contract.subjects import CURRENT, PREVIOUS, WRITES, Secret, not_sent, refused, version

from access_key_provider.model.state import version_id

_MISSING = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:missing-AbCdEf"


def test_a_secret_without_a_value_has_no_version(secret: Secret) -> None:
    """DescribeSecret names no version, and there is nothing to read."""
    assert secret.labels() == {}
    with refused("ResourceNotFoundException"):
        secret.value()


def test_the_first_version_becomes_current_by_itself(secret: Secret) -> None:
    """AWSCURRENT comes on top of the label given, and the answer says so."""
    answer = secret.put(1, "one")
    assert (answer["ARN"], answer["VersionId"]) == (secret.arn, version(1))
    assert set(answer["VersionStages"]) == {"one", CURRENT}
    assert secret.labels() == {version(1): {"one", CURRENT}}


def test_the_next_version_with_a_label_is_not_current(secret: Secret) -> None:
    """A label that is not AWSCURRENT leaves AWSCURRENT where it is."""
    secret.put(1, "one", value="first")
    answer = secret.put(2, "two", value="second")
    assert answer["VersionStages"] == ["two"]
    assert secret.labels() == {version(1): {"one", CURRENT}, version(2): {"two"}}
    assert secret.value(VersionStage=CURRENT) == "first"


def test_a_version_without_labels_becomes_current(secret: Secret) -> None:
    """AWSCURRENT moves to it and AWSPREVIOUS to the one it left."""
    secret.put(1)
    secret.put(2)
    assert secret.labels() == {version(1): {PREVIOUS}, version(2): {CURRENT}}


def test_labels_given_beside_awscurrent_stay(secret: Secret) -> None:
    """All of them are attached."""
    secret.put(1)
    secret.put(2, CURRENT, "two", "serial")
    assert secret.labels() == {version(1): {PREVIOUS}, version(2): {CURRENT, "two", "serial"}}


def test_a_label_given_again_moves(secret: Secret) -> None:
    """A label sits on one version."""
    secret.put(1, "one", "shared")
    secret.put(2, "two", "shared")
    assert secret.labels() == {version(1): {CURRENT, "one"}, version(2): {"two", "shared"}}


def test_the_version_that_awscurrent_leaves_keeps_its_labels(secret: Secret) -> None:
    """AWSPREVIOUS joins them."""
    secret.put(1, "one")
    secret.put(2, CURRENT)
    assert secret.labels() == {version(1): {"one", PREVIOUS}, version(2): {CURRENT}}


def test_a_repeated_token_with_the_same_value_does_nothing(secret: Secret) -> None:
    """The answer is as before, and no label moves or is added."""
    first = secret.put(1, "one")
    secret.put(2, "two")
    repeated = secret.put(1, "one", "two", "more")
    assert repeated["VersionId"] == first["VersionId"]
    assert secret.labels() == {version(1): {"one", CURRENT}, version(2): {"two"}}


def test_a_repeated_token_with_another_value_is_refused(secret: Secret) -> None:
    """The version keeps its value and its labels."""
    secret.put(1, "one")
    with refused("ResourceExistsException", status=400):
        secret.put(1, "two", value="other")
    assert secret.value() == "v"
    assert secret.labels() == {version(1): {"one", CURRENT}}


def test_a_token_has_at_least_32_characters(secret: Secret) -> None:
    """The SDK does not send a shorter one."""
    with not_sent():
        secret.client.put_secret_value(SecretId=secret.arn, SecretString="v", ClientRequestToken="t" * 31)


def test_a_token_has_at_most_64_characters(secret: Secret) -> None:
    """64 are taken, 65 are refused."""
    secret.client.put_secret_value(SecretId=secret.arn, SecretString="v", ClientRequestToken="t" * 64)
    with refused("ValidationException", "InvalidParameterException"):
        secret.client.put_secret_value(SecretId=secret.arn, SecretString="v", ClientRequestToken="t" * 65)


def test_a_value_is_needed(secret: Secret) -> None:
    """A version without a value is refused."""
    with refused("InvalidRequestException", "InvalidParameterException"):
        secret.client.put_secret_value(SecretId=secret.arn, ClientRequestToken=version(1))
    assert secret.labels() == {}


def test_a_secret_has_at_most_twenty_labels(secret: Secret) -> None:
    """AWSCURRENT counts, and so do the labels of other versions; one that moves is not one more."""
    secret.put(1, CURRENT, *(f"label-{number}" for number in range(19)))
    with refused("LimitExceededException", status=400):
        secret.put(2, "one-more")
    assert secret.labels().keys() == {version(1)}
    secret.put(2, "label-1")
    with refused("LimitExceededException"):
        secret.move("one-more", to=2)
    assert secret.labels()[version(2)] == {"label-1"}


def test_a_label_has_at_most_256_characters(secret: Secret) -> None:
    """256 are taken, 257 are refused."""
    secret.put(1, "a" * 256)
    with refused("ValidationException", "InvalidParameterException"):
        secret.put(2, "a" * 257)
    assert secret.labels() == {version(1): {"a" * 256, CURRENT}}


def test_a_version_that_lost_its_labels_is_still_there(secret: Secret) -> None:
    """It is not described any more, its token is still taken, and it can be labelled again."""
    secret.put(1, "one")
    secret.put(2, "two")
    secret.move("two", of=2)
    assert secret.labels() == {version(1): {"one", CURRENT}}
    with refused("ResourceExistsException"):
        secret.put(2, "two", value="other")
    secret.move("again", to=2)
    assert secret.labels() == {version(1): {"one", CURRENT}, version(2): {"again"}}


@pytest.mark.parametrize("method", ["describe_secret", *WRITES])
def test_a_secret_that_does_not_exist_is_not_found(secrets: Any, method: str) -> None:
    """Every call says so."""
    with refused("ResourceNotFoundException"):
        getattr(secrets, method)(SecretId=_MISSING, **WRITES.get(method, {}))


def test_a_missing_secret_is_a_bad_request(secrets: Any) -> None:
    """Secrets Manager refuses with status 400 whatever is wrong."""
    with refused("ResourceNotFoundException", status=400):
        secrets.describe_secret(SecretId=_MISSING)


def test_a_secret_made_again_has_another_arn(secrets: Any, secret: Secret) -> None:
    """The end of an ARN is random, so the old one is not found."""
    secrets.delete_secret(SecretId=secret.arn, ForceDeleteWithoutRecovery=True)
    again = secrets.create_secret(Name="shop/deploy")["ARN"]
    assert again != secret.arn
    assert again[:-6] == secret.arn[:-6]
    with refused("ResourceNotFoundException"):
        secrets.describe_secret(SecretId=secret.arn)


def test_what_the_provider_writes_fits(secret: Secret) -> None:
    """The version's id and the label of a key have lengths and characters that Secrets Manager takes."""
    key_id = "AKIAIOSFODNN7EXAMPLE"
    version = version_id("0123456789abcdef", key_id)
    secret.client.put_secret_value(
        SecretId=secret.arn, ClientRequestToken=version, SecretString="v", VersionStages=[key_id]
    )
    assert secret.labels() == {version: {key_id, CURRENT}}
