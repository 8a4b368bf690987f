"""STS: whose key it is, whether it works, and what a key's role may do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from contract.subjects import Key, Secret, not_sent, refused

if TYPE_CHECKING:
    from contract.implementations import Implementation


def test_a_key_says_whose_it_is(aws: Implementation, iam: Any, user: str, key: Key) -> None:
    """GetCallerIdentity names the user, its id and the account."""
    identity = key.identity(aws)
    assert identity["Arn"] == f"arn:aws:iam::{aws.account_id}:user/{user}"
    assert identity["UserId"] == iam.get_user(UserName=user)["User"]["UserId"]
    assert identity["Account"] == aws.account_id


def test_a_key_works_while_it_is_active(aws: Implementation, iam: Any, user: str, key: Key) -> None:
    """An Inactive key is rejected, and works again when it is Active again."""
    iam.update_access_key(UserName=user, AccessKeyId=key.id, Status="Inactive")
    with refused("InvalidClientTokenId", status=403):
        key.identity(aws)
    iam.update_access_key(UserName=user, AccessKeyId=key.id, Status="Active")
    assert key.identity(aws)["Arn"].endswith(user)


def test_a_deleted_key_is_rejected(aws: Implementation, iam: Any, user: str, key: Key) -> None:
    """It is unknown like one that never was."""
    iam.delete_access_key(UserName=user, AccessKeyId=key.id)
    with refused("InvalidClientTokenId", status=403):
        key.identity(aws)


def test_a_wrong_secret_is_rejected(aws: Implementation, key: Key) -> None:
    """The signature counts, not the id."""
    with refused("SignatureDoesNotMatch", status=403):
        Key(key.id, "wrong").identity(aws)


def test_a_new_key_is_rejected_at_first(aws: Implementation, iam: Any, user: str) -> None:
    """It takes a while until a key is known everywhere; those that were known before stay so."""
    before = Key.made(iam, user)
    aws.reject_new_keys(2)
    new = Key.made(iam, user)
    for _ in range(2):
        with refused("InvalidClientTokenId"):
            new.identity(aws)
    assert new.identity(aws)["Arn"].endswith(user)
    assert before.identity(aws)["Arn"].endswith(user)


def test_a_renamed_users_key_has_the_new_name(aws: Implementation, iam: Any, user: str, key: Key) -> None:
    """The key is the user's, whatever it is called."""
    iam.update_user(UserName=user, NewUserName="renamed")
    assert key.identity(aws)["Arn"].endswith("user/renamed")


def test_a_session_is_temporary_credentials(aws: Implementation, user: str, secret: Secret) -> None:
    """AssumeRole answers with an id, a secret, a token and a time, and names role and session."""
    answer = aws.assume(aws.add_role("r", user, secret.arn), RoleSessionName="Create-Key", DurationSeconds=900)
    session = answer["Credentials"]
    assert session["AccessKeyId"].startswith("ASIA")
    assert session["SecretAccessKey"]
    assert session["SessionToken"]
    assert session["Expiration"].tzinfo is not None
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{aws.account_id}:assumed-role/r/Create-Key"


def test_a_role_that_does_not_exist_is_denied(aws: Implementation) -> None:
    """STS does not tell a missing role from a forbidden one."""
    with refused("AccessDenied", status=403):
        aws.assume("arn:aws:iam::999999999999:role/cdk-iam-access-key/shop/missing")


def test_a_session_name_has_its_characters(aws: Implementation, user: str, secret: Secret) -> None:
    """Spaces are refused, and more than 64 characters."""
    role = aws.add_role("r", user, secret.arn)
    for name in ("no spaces", "a" * 65):
        with refused("ValidationError", status=400):
            aws.assume(role, RoleSessionName=name)


def test_a_session_lasts_a_quarter_of_an_hour_at_least(aws: Implementation, user: str, secret: Secret) -> None:
    """The SDK does not ask for less."""
    role = aws.add_role("r", user, secret.arn)
    with not_sent():
        aws.assume(role, DurationSeconds=899)


class TestKeyRole:
    """A session of a key's role reaches one user and one secret."""

    @pytest.fixture
    def session(self, aws: Implementation, user: str, secret: Secret) -> Any:
        """Give clients of a session."""
        credentials = aws.assume(aws.add_role("r", user, secret.arn))["Credentials"]
        keys = (credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"])
        return lambda service: aws.signed(service, *keys)

    def test_it_may_do_what_its_key_needs(self, session: Any, user: str, secret: Secret) -> None:
        """Every action that the provider uses, on its own user and secret."""
        iam, secrets = session("iam"), session("secretsmanager")
        made = iam.create_access_key(UserName=user)["AccessKey"]["AccessKeyId"]
        iam.tag_user(UserName=user, Tags=[{"Key": made, "Value": "v"}])
        assert iam.list_user_tags(UserName=user)["Tags"] == [{"Key": made, "Value": "v"}]
        Secret(secrets, secret.arn).put(1, made)
        Secret(secrets, secret.arn).move("serial", to=1)
        assert secrets.describe_secret(SecretId=secret.arn)["ARN"] == secret.arn
        assert iam.get_access_key_last_used(AccessKeyId=made)["UserName"] == user
        iam.update_access_key(UserName=user, AccessKeyId=made, Status="Inactive")
        iam.delete_access_key(UserName=user, AccessKeyId=made)
        iam.untag_user(UserName=user, TagKeys=[made])
        assert iam.list_access_keys(UserName=user)["AccessKeyMetadata"] == []

    @pytest.mark.parametrize(
        ("method", "parameters"),
        [
            ("create_access_key", {}),
            ("list_access_keys", {}),
            ("list_user_tags", {}),
            ("tag_user", {"Tags": [{"Key": "AKIA", "Value": "v"}]}),
        ],
    )
    def test_it_may_not_touch_another_user(
        self, session: Any, iam: Any, method: str, parameters: dict[str, Any]
    ) -> None:
        """Not even to look, and nothing is made."""
        iam.create_user(UserName="other")
        with refused("AccessDenied", status=403):
            getattr(session("iam"), method)(UserName="other", **parameters)
        assert iam.list_access_keys(UserName="other")["AccessKeyMetadata"] == []

    def test_it_may_not_tell_whether_another_user_exists(self, session: Any) -> None:
        """The policy is asked before the user is looked for."""
        with refused("AccessDenied", status=403):
            session("iam").list_access_keys(UserName="nobody")

    def test_it_may_not_ask_about_another_users_key(self, session: Any, iam: Any) -> None:
        """GetAccessKeyLastUsed names no user, and is still about one."""
        iam.create_user(UserName="other")
        with refused("AccessDenied", status=403):
            session("iam").get_access_key_last_used(AccessKeyId=Key.made(iam, "other").id)

    @pytest.mark.parametrize("method", ["describe_secret", "put_secret_value"])
    def test_it_may_not_touch_another_secret(self, session: Any, secrets: Any, method: str) -> None:
        """Not even to look."""
        other = secrets.create_secret(Name="other")["ARN"]
        value = {"SecretString": "v"} if method == "put_secret_value" else {}
        with refused("AccessDeniedException"):
            getattr(session("secretsmanager"), method)(SecretId=other, **value)

    def test_it_may_not_tag_its_secret(self, session: Any, secret: Secret) -> None:
        """Tags may decide who has access to it."""
        with refused("AccessDeniedException"):
            Secret(session("secretsmanager"), secret.arn).tag(team="shop")
        assert secret.tags() == {}

    def test_it_may_not_read_its_secret(self, session: Any, secret: Secret) -> None:
        """Writing is not reading."""
        secret.put(1)
        with refused("AccessDeniedException"):
            session("secretsmanager").get_secret_value(SecretId=secret.arn)

    def test_a_denied_call_about_a_secret_is_a_bad_request(self, session: Any, secrets: Any) -> None:
        """Secrets Manager refuses with status 400 whatever is wrong."""
        other = secrets.create_secret(Name="other")["ARN"]
        with refused("AccessDeniedException", status=400):
            session("secretsmanager").describe_secret(SecretId=other)

    def test_an_unknown_token_is_rejected(self, aws: Implementation, user: str) -> None:
        """Temporary credentials that nobody issued work nowhere."""
        with refused("InvalidClientTokenId", status=403):
            aws.signed("iam", "ASIAIOSFODNN7EXAMPLE", "s" * 40, "token").list_access_keys(UserName=user)
        with refused("UnrecognizedClientException", status=400):
            aws.signed("secretsmanager", "ASIAIOSFODNN7EXAMPLE", "s" * 40, "token").describe_secret(SecretId="s")
