"""The embedded account opens short sessions of its member accounts' root users, which do one task."""

from __future__ import annotations

import datetime as dt
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from cloud.account import new_key, refused

from local_cloud import Account, RootFaults, RootKey
from local_cloud.organization import BOTH_FEATURES, Feature, Role

if TYPE_CHECKING:
    from local_cloud import LocalCloud

pytestmark = pytest.mark.thorough

MEMBER = "200000000001"
OTHER = "200000000002"
CLOSED = "200000000003"
TASKS = "arn:aws:iam::aws:policy/root-task/"
AUDIT, DELETE = f"{TASKS}IAMAuditRootUserCredentials", f"{TASKS}IAMDeleteRootUserCredentials"
NEVER_USED = RootKey("AKIAROOTNEVERUSED001")
USED = RootKey(
    "AKIAROOTWASUSED00001",
    "Inactive",
    dt.datetime(2021, 3, 4, 5, 6, 7, tzinfo=dt.UTC),
    dt.datetime(2022, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
    "s3",
    "eu-central-1",
)


def caller(cloud: LocalCloud, resource: str, **more: Any) -> dict[str, str]:
    """Make a user that may open root sessions of some accounts, and a key."""
    statement = {"Effect": "Allow", "Action": "sts:AssumeRoot", "Resource": resource, **more}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam = cloud.client("iam")
    iam.create_user(UserName="guard")
    iam.put_user_policy(UserName="guard", PolicyName="p", PolicyDocument=document)
    return new_key(cloud, "guard")


@pytest.fixture
def guard(empty_cloud: LocalCloud) -> dict[str, str]:
    """Fill the organization and make a user that may open root sessions in all accounts."""
    organization = empty_cloud.organization
    organization.configure(features=BOTH_FEATURES)
    organization.seed([Account(MEMBER), Account(OTHER), Account(CLOSED, state="SUSPENDED")])
    organization.set_root_keys({MEMBER: [NEVER_USED, USED]})
    return caller(empty_cloud, "*")


def assume(
    cloud: LocalCloud, key: dict[str, str], account: str = MEMBER, task: str = AUDIT, **more: Any
) -> dict[str, str]:
    """Open a root session, as the arguments of `LocalCloud.client`."""
    answer = cloud.client("sts", **key).assume_root(TargetPrincipal=account, TaskPolicyArn={"arn": task}, **more)
    found = answer["Credentials"]
    return {
        "access_key_id": found["AccessKeyId"],
        "secret_access_key": found["SecretAccessKey"],
        "session_token": found["SessionToken"],
    }


class TestAssumeRoot:
    """Who gets a session."""

    @pytest.mark.parametrize("target", [MEMBER, f"arn:aws:iam::{MEMBER}:root"])
    def test_it_gives_credentials_of_the_root_user(self, cloud: LocalCloud, guard: dict[str, str], target: str) -> None:
        """By the account's id or its root user's ARN, for 15 minutes at most."""
        answer = cloud.client("sts", **guard).assume_root(TargetPrincipal=target, TaskPolicyArn={"arn": AUDIT})
        left = answer["Credentials"]["Expiration"] - dt.datetime.now(dt.UTC)
        assert dt.timedelta(seconds=890) < left <= dt.timedelta(seconds=900)
        session = assume(cloud, guard, target)
        assert session["access_key_id"].startswith("ASIA")
        told = cloud.client("sts", **session).get_caller_identity()
        assert (told["Account"], told["Arn"]) == (MEMBER, f"arn:aws:iam::{MEMBER}:root")

    def test_the_credentials_are_checked_and_expire(self, cloud: LocalCloud, guard: dict[str, str]) -> None:
        """A wrong secret, no token and a session that is over are refused."""
        session = assume(cloud, guard, DurationSeconds=5)
        with refused("SignatureDoesNotMatch"):
            cloud.client("iam", **session | {"secret_access_key": "wrong"}).list_access_keys()
        with refused("InvalidClientTokenId"):
            cloud.client("iam", **session | {"session_token": ""}).list_access_keys()
        time.sleep(5.1)
        with refused("ExpiredToken"):
            cloud.client("iam", **session).list_access_keys()

    @pytest.mark.parametrize(
        ("condition", "allowed"),
        [
            ({"StringEquals": {"sts:TaskPolicyArn": AUDIT}}, True),
            ({"ArnEquals": {"sts:TaskPolicyArn": AUDIT}}, True),
            ({"ForAnyValue:StringEquals": {"sts:TaskPolicyArn": [DELETE, AUDIT]}}, True),
            ({"StringEquals": {"sts:TaskPolicyArn": DELETE}}, False),
            ({"ArnNotLike": {"sts:TaskPolicyArn": f"{TASKS}*"}}, False),
        ],
    )
    def test_the_policies_of_the_caller_decide(
        self, empty_cloud: LocalCloud, condition: dict[str, Any], *, allowed: bool
    ) -> None:
        """On the root user as the resource, and on the task."""
        empty_cloud.organization.configure(features=BOTH_FEATURES)
        empty_cloud.organization.seed([Account(MEMBER), Account(OTHER)])
        key = caller(empty_cloud, f"arn:aws:iam::{MEMBER}:root", Condition=condition)
        if allowed:
            assume(empty_cloud, key)
        else:
            with refused("AccessDenied"):
                assume(empty_cloud, key)
        with refused("AccessDenied", "sts:AssumeRoot"):
            assume(empty_cloud, key, OTHER)

    @pytest.mark.parametrize("target", [CLOSED, "200000000099", "111122223333"])
    def test_the_target_is_an_active_member(self, cloud: LocalCloud, guard: dict[str, str], target: str) -> None:
        """Not a suspended account, not a stranger, not the management account."""
        with refused("AccessDenied"):
            assume(cloud, guard, target)

    @pytest.mark.parametrize(
        ("target", "task", "more"),
        [
            (MEMBER, "arn:aws:iam::aws:policy/AdministratorAccess", {}),
            ("arn:aws:iam::200000000001:user/somebody", AUDIT, {}),
            ("not-an-account", AUDIT, {}),
        ],
    )
    def test_what_is_not_valid_is_refused(
        self, cloud: LocalCloud, guard: dict[str, str], target: str, task: str, more: dict[str, Any]
    ) -> None:
        """Another policy than those for root tasks, another principal."""
        with refused("ValidationError"):
            assume(cloud, guard, target, task, **more)

    def test_a_session_is_no_longer_than_15_minutes(self, cloud: LocalCloud, guard: dict[str, str]) -> None:
        """Also if the client does not check that."""
        with refused("ValidationError", "901"):
            assume(cloud, guard, DurationSeconds=901)

    def test_a_root_user_gets_none(self, cloud: LocalCloud, guard: dict[str, str]) -> None:
        """Neither the account's own nor a root session."""
        with refused("AccessDenied"):
            assume(cloud, {})
        with refused("AccessDenied"):
            assume(cloud, assume(cloud, guard), OTHER)

    @pytest.mark.parametrize("features", [[], ["RootSessions"], ["RootCredentialsManagement"]])
    def test_the_features_are_needed(self, cloud: LocalCloud, guard: dict[str, str], features: list[Feature]) -> None:
        """Both of them for a task about credentials."""
        cloud.organization.configure(features=features)
        with refused("AccessDenied"):
            assume(cloud, guard)

    @pytest.mark.parametrize(("role", "allowed"), [("delegated", True), ("member", False), ("alone", False)])
    def test_the_role_of_the_account_decides(
        self, cloud: LocalCloud, guard: dict[str, str], role: Role, *, allowed: bool
    ) -> None:
        """The delegated administrator may what the management account may, which is no target of it either."""
        organization = cloud.organization
        organization.configure(role=role)
        if not allowed:
            with refused("AccessDenied"):
                assume(cloud, guard)
            return
        organization.seed([Account(MEMBER)])
        assert len(cloud.client("iam", **assume(cloud, guard)).list_access_keys()["AccessKeyMetadata"]) == 2
        with refused("AccessDenied"):
            assume(cloud, guard, organization.management_account)

    def test_an_account_may_fail_or_be_busy(self, cloud: LocalCloud, guard: dict[str, str]) -> None:
        """As a test has set, and no other account."""
        cloud.organization.set_root_keys({}, {MEMBER: RootFaults(throttled=2), OTHER: RootFaults(denied=True)})
        for _ in range(2):
            with refused("Throttling"):
                assume(cloud, guard)
        assume(cloud, guard)
        with refused("AccessDenied"):
            assume(cloud, guard, OTHER)

    def test_all_calls_share_a_rate(self, cloud: LocalCloud, guard: dict[str, str]) -> None:
        """When it is used up, the next call is throttled until a token has come."""
        cloud.organization.limit_assume_root(rate=2, burst=2)
        assume(cloud, guard)
        assume(cloud, guard, OTHER)
        with refused("Throttling"):
            assume(cloud, guard)
        time.sleep(0.6)
        assume(cloud, guard)
        cloud.organization.limit_assume_root(rate=0)
        for _ in range(5):
            assume(cloud, guard)

    def test_what_is_issued_is_hunted_and_not_recorded(self, cloud: LocalCloud, guard: dict[str, str]) -> None:
        """The record of calls names the account and the task; the hunt knows how secrets and tokens begin."""
        known = len(cloud.secret_access_keys())
        cloud.clear_calls()
        sessions = [assume(cloud, guard) for _ in range(3)]
        (call, *_) = cloud.calls()
        assert (call.name, call.parameters["TargetPrincipal"]) == ("sts:AssumeRoot", MEMBER)
        assert call.parameters["TaskPolicyArn.arn"] == AUDIT
        hunted = cloud.secret_access_keys()[known:]
        assert len(hunted) == 2
        for session in sessions:
            assert session["secret_access_key"].startswith(hunted[0])
            assert session["session_token"].startswith(hunted[1])
            assert len(session["secret_access_key"]) == 40
        assume(cloud, guard)
        assert len(cloud.secret_access_keys()) == known + 4


class TestRootSession:
    """What a session does."""

    def test_it_reads_the_keys_of_its_account(self, cloud: LocalCloud, guard: dict[str, str]) -> None:
        """Their status, their age, their last use, and nothing of other accounts."""
        iam = cloud.client("iam", **assume(cloud, guard))
        found = iam.list_access_keys()["AccessKeyMetadata"]
        assert [(key["AccessKeyId"], key["Status"], key["CreateDate"]) for key in found] == [
            (key.access_key_id, key.status, key.created) for key in (NEVER_USED, USED)
        ]
        never = iam.get_access_key_last_used(AccessKeyId=NEVER_USED.access_key_id)
        assert never["UserName"] == "<root_account>"
        assert never["AccessKeyLastUsed"] == {"Region": "N/A", "ServiceName": "N/A"}
        last = iam.get_access_key_last_used(AccessKeyId=USED.access_key_id)["AccessKeyLastUsed"]
        assert last == {"LastUsedDate": USED.last_used, "Region": USED.region, "ServiceName": USED.service}
        assert iam.get_account_summary()["SummaryMap"]["AccountAccessKeysPresent"] == 1
        assert iam.get_user()["User"]["Arn"] == f"arn:aws:iam::{MEMBER}:root"
        assert iam.list_mfa_devices()["MFADevices"] == iam.list_signing_certificates()["Certificates"] == []
        with refused("NoSuchEntity"):
            iam.get_login_profile()
        other = cloud.client("iam", **assume(cloud, guard, OTHER))
        assert other.list_access_keys()["AccessKeyMetadata"] == []
        with refused("AccessDenied"):
            other.get_access_key_last_used(AccessKeyId=USED.access_key_id)

    def test_it_deletes_if_that_is_its_task(self, cloud: LocalCloud, guard: dict[str, str]) -> None:
        """Once, its own account's keys."""
        iam = cloud.client("iam", **assume(cloud, guard, task=DELETE))
        iam.delete_access_key(AccessKeyId=USED.access_key_id)
        assert cloud.organization.root_keys() == {MEMBER: (NEVER_USED,)}
        for missing in (USED.access_key_id, "AKIANOSUCHKEY0000001"):
            with refused("NoSuchEntity"):
                iam.delete_access_key(AccessKeyId=missing)
        with refused("NoSuchEntity"):
            cloud.client("iam", **assume(cloud, guard, OTHER, DELETE)).delete_access_key(
                AccessKeyId=NEVER_USED.access_key_id
            )
        with refused("NoSuchEntity"):
            iam.delete_login_profile()
        assert cloud.organization.root_keys() == {MEMBER: (NEVER_USED,)}

    @pytest.mark.parametrize("task", [AUDIT, DELETE])
    def test_it_does_nothing_else(self, cloud: LocalCloud, guard: dict[str, str], task: str) -> None:
        """No other action, no other service, no user."""
        iam = cloud.client("iam")
        users_key = new_key(cloud, "guard")["access_key_id"]
        session = assume(cloud, guard, task=task)
        iam = cloud.client("iam", **session)
        for call, arguments in (
            (iam.create_access_key, {}),
            (iam.update_access_key, {"AccessKeyId": USED.access_key_id, "Status": "Active"}),
            (iam.list_access_keys, {"UserName": "guard"}),
            (iam.get_user, {"UserName": "guard"}),
            (iam.get_access_key_last_used, {"AccessKeyId": users_key}),
            (iam.delete_access_key, {"AccessKeyId": users_key, "UserName": "guard"}),
            (iam.create_login_profile, {"Password": "not-a-password"}),
            (iam.list_users, {}),
            (cloud.client("s3", **session).list_buckets, {}),
            (
                cloud.client("sts", **session).assume_role,
                {"RoleArn": f"arn:aws:iam::{MEMBER}:role/r", "RoleSessionName": "session"},
            ),
        ):
            with refused("AccessDenied"):
                call(**arguments)
        if task == AUDIT:
            with refused("AccessDenied"):
                iam.delete_access_key(AccessKeyId=USED.access_key_id)
        else:
            with refused("AccessDenied"):
                iam.get_account_summary()
        with refused("AccessDeniedException"):
            cloud.client("organizations", **session).list_accounts()
        assert cloud.organization.root_keys() == {MEMBER: (NEVER_USED, USED)}

    def test_its_calls_fail_as_set(self, cloud: LocalCloud, guard: dict[str, str]) -> None:
        """Reading with an error; deleting before it is done, then after it is done."""
        faults = RootFaults(last_use_error="ServiceFailure", delete_fails=1, delete_answers_lost=1)
        cloud.organization.set_root_keys({}, {MEMBER: faults, OTHER: RootFaults(list_error="AccessDenied")})
        iam = cloud.client("iam", **assume(cloud, guard, task=DELETE))
        with refused("ServiceFailure"):
            iam.get_access_key_last_used(AccessKeyId=USED.access_key_id)
        with refused("AccessDenied"):
            cloud.client("iam", **assume(cloud, guard, OTHER)).list_access_keys()
        with refused("ServiceFailure"):
            iam.delete_access_key(AccessKeyId=USED.access_key_id)
        assert cloud.organization.root_keys() == {MEMBER: (NEVER_USED, USED)}
        with refused("ServiceFailure"):
            iam.delete_access_key(AccessKeyId=USED.access_key_id)
        assert cloud.organization.root_keys() == {MEMBER: (NEVER_USED,)}
        iam.delete_access_key(AccessKeyId=NEVER_USED.access_key_id)


def test_the_own_accounts_root_keys_are_counted(empty_cloud: LocalCloud) -> None:
    """As 0 or 1, however many; a reset forgets them."""
    iam = empty_cloud.client("iam")
    assert iam.get_account_summary()["SummaryMap"]["AccountAccessKeysPresent"] == 0
    empty_cloud.organization.set_root_keys({empty_cloud.account: [NEVER_USED, USED]})
    assert iam.get_account_summary()["SummaryMap"]["AccountAccessKeysPresent"] == 1
    empty_cloud.reset()
    assert iam.get_account_summary()["SummaryMap"]["AccountAccessKeysPresent"] == 0
    assert empty_cloud.organization.root_keys() == {}
