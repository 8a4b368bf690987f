"""Who may do what on the fake: the function, a key's role, a role that does not work yet, a session that is over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract.fake_sessions import ONCE, ROLE, signed
from contract.subjects import refused
from fakes.aws import Role
from fakes.sts import Credentials

if TYPE_CHECKING:
    from fakes.aws import FakeAccount


def event(source: str = "cdk-iam-access-key") -> dict[str, str]:
    """Make an event."""
    return {"Source": source, "DetailType": "Access Key Deactivated", "Detail": "{}"}


def test_the_function_itself_puts_its_own_events(account: FakeAccount) -> None:
    """And no others; a key's role puts none."""
    events = account.client_of("events", config=ONCE)
    assert events.put_events(Entries=[event()])["FailedEntryCount"] == 0
    with refused("AccessDeniedException"):
        events.put_events(Entries=[event(), event("aws.health")])
    with refused("AccessDeniedException"):
        signed(account, "events").put_events(Entries=[event()])
    assert len(account.state.events) == 1


def test_the_function_itself_touches_no_user_and_no_secret(account: FakeAccount) -> None:
    """For that it assumes a key's role, and no other."""
    with refused("AccessDenied"):
        account.client_of("iam", config=ONCE).list_access_keys(UserName="deploy")
    arn = account.person.make_secret("s")
    with refused("AccessDeniedException"):
        account.client_of("secretsmanager", config=ONCE).describe_secret(SecretId=arn)
    with refused("AccessDenied"):
        account.client_of("sts", config=ONCE).assume_role(
            RoleArn="arn:aws:iam::123456789012:role/another", RoleSessionName="test"
        )


def test_a_role_is_for_its_own_user_secret_and_tags(account: FakeAccount) -> None:
    """Everything else is denied, and tags that are not the provider's too."""
    arn, other = account.person.make_secret("one"), account.person.make_secret("two")
    account.person.make_user("other")
    account.roles[ROLE] = Role(ROLE, "deploy", arn)
    iam, secrets = signed(account, "iam"), signed(account, "secretsmanager")
    iam.list_access_keys(UserName="deploy")
    secrets.describe_secret(SecretId=arn)
    with refused("AccessDenied"):
        iam.list_access_keys(UserName="other")
    with refused("AccessDeniedException"):
        secrets.describe_secret(SecretId=other)
    with refused("AccessDeniedException"):
        secrets.get_secret_value(SecretId=arn)
    with refused("AccessDenied"):
        iam.tag_user(UserName="deploy", Tags=[{"Key": "team", "Value": "v"}])
    with refused("AccessDenied"):
        iam.untag_user(UserName="deploy", TagKeys=["AKIAIOSFODNN7EXAMPLE", "team"])
    with refused("AccessDeniedException"):
        secrets.tag_resource(SecretId=arn, Tags=[{"Key": "cdk-iam-access-key:t", "Value": "v"}])
    with refused("AccessDeniedException"):
        secrets.untag_resource(SecretId=arn, TagKeys=["cdk-iam-access-key:t"])


def test_a_new_role_is_denied_for_a_while(account: FakeAccount) -> None:
    """First it can't be assumed, then its policy does not work yet."""
    account.roles[ROLE] = Role(ROLE, "deploy", assume_denials=2, call_denials=1)
    sts = account.client_of("sts", config=ONCE)
    for _ in range(2):
        with refused("AccessDenied"):
            sts.assume_role(RoleArn=ROLE, RoleSessionName="test")
    made = sts.assume_role(RoleArn=ROLE, RoleSessionName="test")["Credentials"]
    credentials = Credentials(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    iam = account.client_of("iam", credentials, ONCE)
    with refused("AccessDenied"):
        iam.list_access_keys(UserName="deploy")
    assert iam.list_access_keys(UserName="deploy")["AccessKeyMetadata"] == []


def test_the_sessions_of_a_role_end_with_it(account: FakeAccount) -> None:
    """A role that is deleted takes its credentials along."""
    iam = signed(account, "iam")
    iam.list_access_keys(UserName="deploy")
    del account.roles[ROLE]
    with refused("InvalidClientTokenId"):
        iam.list_access_keys(UserName="deploy")


def test_a_session_expires(account: FakeAccount) -> None:
    """By the account's own clock."""
    iam, secrets = signed(account, "iam"), signed(account, "secretsmanager")
    account.clock.sleep(3600)
    with refused("ExpiredToken"):
        iam.list_access_keys(UserName="deploy")
    with refused("ExpiredTokenException"):
        secrets.describe_secret(SecretId="s")


def test_a_session_of_a_session_lasts_an_hour_at_most(account: FakeAccount) -> None:
    """The function has a session itself, and AWS limits what it can get from there."""
    with refused("ValidationError"):
        account.client_of("sts", config=ONCE).assume_role(RoleArn=ROLE, RoleSessionName="test", DurationSeconds=3601)
