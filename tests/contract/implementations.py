"""The three that keep the contract: the fake, moto, and the embedded AWS. All are spoken to in boto3's language."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from botocore.config import Config
from cloud.invocations import add_listener, events
from fakes.aws import FakeAccount, Role
from fakes.dynamodb import INDEXES, KEY
from fakes.errors import ServiceError, client_error
from fakes.sts import Credentials

if TYPE_CHECKING:
    import botocore.session

    from local_cloud import LocalCloud

# Every call once: what the SDK makes of an answer is no matter of the contract.
_ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1})
_TABLE = "ledger"
# What the function does in its own name, and not in that of a key's role.
_OF_THE_FUNCTION = frozenset({"dynamodb", "events"})
_ROLE_PATH = "/cdk-iam-access-key/shop/"


class Implementation(Protocol):
    """An account with nothing in it."""

    name: str
    account_id: str
    region: str

    def now(self) -> datetime:
        """Tell the time that it dates things with."""
        ...

    def client(self, service: str) -> Any:
        """Give a client that may do anything, signed for the way the provider's are."""
        ...

    def signed(self, service: str, key_id: str, secret: str, token: str | None = None) -> Any:
        """Give a client that signs with credentials."""
        ...

    def add_role(self, name: str, user_name: str, secret_arn: str) -> str:
        """Make the role of a key, with the permissions that the construct gives it, and return its ARN."""
        ...

    def assume(self, role_arn: str, **parameters: Any) -> dict[str, Any]:
        """Assume a role as the function does."""
        ...

    def reject_new_keys(self, calls: int) -> None:
        """Have calls with keys made from now on rejected so often."""
        ...

    def replica_client(self, secret_arn: str) -> Any:
        """Replicate a secret, and give a client of the region where it is a replica."""
        ...

    def make_table(self) -> str:
        """Make a table like the provider's ledger, and return its name."""
        ...

    def begin_rotation(self, secret_arn: str, token: str) -> dict[str, str]:
        """Rotate a secret by a function that does nothing, and return what to put the pending version's value with."""
        ...


class Fake:
    """The fake: the provider's calls go where the provider's go, the others to the administrator's clients."""

    name = "fake"

    def __init__(self) -> None:
        """Begin empty."""
        self.account = FakeAccount()
        self.account_id, self.region = self.account.state.account_id, self.account.state.region
        anything = self.account.roles[self.add_role("anything", None, None)]
        anything.user_tag_keys = ("*",)
        self._session = self.assume(anything.arn)["Credentials"]

    def now(self) -> datetime:
        """Tell the account's time."""
        return self.account.clock.now()

    def client(self, service: str) -> Any:
        """Give a client that may do anything, signed for the way the provider's are."""
        if service in _OF_THE_FUNCTION:
            return self.account.client_of(service, config=_ONCE)
        session = self._session
        signed = self.signed(service, session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])
        return _EitherClient(signed, self.account.client(service))  # type: ignore[arg-type]

    def signed(self, service: str, key_id: str, secret: str, token: str | None = None) -> Any:
        """Give a client that signs with credentials."""
        return self.account.client_of(service, Credentials(key_id, secret, token), _ONCE)

    def add_role(self, name: str, user_name: str | None, secret_arn: str | None) -> str:
        """Make the role of a key."""
        arn = f"arn:aws:iam::{self.account_id}:role{_ROLE_PATH}{name}"
        self.account.roles[arn] = Role(arn, user_name, secret_arn, copies=None if secret_arn is None else frozenset())
        return arn

    def assume(self, role_arn: str, **parameters: Any) -> dict[str, Any]:
        """Assume a role as the function does."""
        named = {"RoleArn": role_arn, "RoleSessionName": "contract"} | parameters
        answer: dict[str, Any] = self.account.client_of("sts", config=_ONCE).assume_role(**named)
        return answer

    def reject_new_keys(self, calls: int) -> None:
        """Have calls with keys made from now on rejected so often."""
        self.account.switches.new_key_rejections = calls

    def replica_client(self, secret_arn: str) -> Any:
        """Make the secret itself the replica: an account here has one region."""
        self.account.person.replicate_from(secret_arn, "eu-west-1")
        return self.client("secretsmanager")

    def make_table(self) -> str:
        """Make a table."""
        self.account.person.make_table(_TABLE)
        return _TABLE

    def begin_rotation(self, secret_arn: str, token: str) -> dict[str, str]:
        """Rotate a secret; the client is that of a role, which must say that it acts for the rotation."""
        try:
            return {"RotationToken": self.account.person.begin_rotation(secret_arn, token)}
        except ServiceError as error:
            raise client_error("secretsmanager", "RotateSecret", error.code, error.message) from error


class _EitherClient:
    """The provider's client, and the administrator's for what the provider never does."""

    _FOR_THE_ADMINISTRATOR = frozenset({"get_secret_value", "tag_resource", "untag_resource"})

    def __init__(self, signed: Any, administrators: Any) -> None:
        self._signed, self._administrators = signed, administrators

    def __getattr__(self, name: str) -> Any:
        known = name in vars(self._signed) or hasattr(type(self._signed), name)
        return getattr(
            self._signed if known and name not in self._FOR_THE_ADMINISTRATOR else self._administrators, name
        )


class Moto:
    """moto; the fixture that makes one has started the mock."""

    name, account_id, region = "moto", "123456789012", "eu-central-1"

    def __init__(self, session: botocore.session.Session) -> None:
        """Make clients from a session that has the models loaded."""
        self._session = session

    def now(self) -> datetime:
        """Tell the machine's time."""
        return datetime.now(UTC)

    def client(self, service: str, region: str | None = None) -> Any:
        """Give a client that may do anything."""
        return self._session.create_client(
            service,
            region_name=region or self.region,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            config=_ONCE,
        )

    def signed(self, service: str, key_id: str, secret: str, token: str | None = None) -> Any:
        """Give a client that signs with credentials."""
        return self._session.create_client(
            service,
            region_name=self.region,
            aws_access_key_id=key_id,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=_ONCE,
        )

    def add_role(self, name: str, user_name: str, secret_arn: str) -> str:
        """Make the role of a key."""
        return _add_role(self, name, user_name, secret_arn)

    def assume(self, role_arn: str, **parameters: Any) -> dict[str, Any]:
        """Assume a role."""
        named = {"RoleArn": role_arn, "RoleSessionName": "contract"} | parameters
        answer: dict[str, Any] = self.client("sts").assume_role(**named)
        return answer

    def reject_new_keys(self, calls: int) -> None:
        """Have nothing to set it with."""

    def replica_client(self, secret_arn: str) -> Any:
        """Replicate a secret to another region."""
        return _replicate(
            self.client("secretsmanager"), secret_arn, lambda region: self.client("secretsmanager", region)
        )

    def make_table(self) -> str:
        """Make a table."""
        return _make_table(self)

    def begin_rotation(self, secret_arn: str, token: str) -> dict[str, str]:
        """Rotate a secret without a function."""
        self.client("secretsmanager").rotate_secret(SecretId=secret_arn, ClientRequestToken=token)
        return {}


class Embedded:
    """The embedded AWS, with IAM enforced."""

    name = "embedded"

    def __init__(self, cloud: LocalCloud) -> None:
        """Begin empty."""
        cloud.reset()
        self._cloud = cloud
        self.account_id, self.region = cloud.account, cloud.region
        self._rotator: str | None = None

    def now(self) -> datetime:
        """Tell the machine's time."""
        return datetime.now(UTC)

    def client(self, service: str) -> Any:
        """Give a client that may do anything."""
        return self._cloud.client(service)

    def signed(self, service: str, key_id: str, secret: str, token: str | None = None) -> Any:
        """Give a client that signs with credentials."""
        return self._cloud.client(service, access_key_id=key_id, secret_access_key=secret, session_token=token or "")

    def add_role(self, name: str, user_name: str, secret_arn: str) -> str:
        """Make the role of a key."""
        return _add_role(self, name, user_name, secret_arn)

    def assume(self, role_arn: str, **parameters: Any) -> dict[str, Any]:
        """Assume a role."""
        named = {"RoleArn": role_arn, "RoleSessionName": "contract"} | parameters
        answer: dict[str, Any] = self.client("sts").assume_role(**named)
        return answer

    def reject_new_keys(self, calls: int) -> None:
        """Have calls with keys made from now on rejected so often."""
        self._cloud.configure(new_key_rejections=calls)

    def replica_client(self, secret_arn: str) -> Any:
        """Have no second region to replicate to."""
        raise NotImplementedError

    def make_table(self) -> str:
        """Make a table."""
        return _make_table(self)

    def begin_rotation(self, secret_arn: str, token: str) -> dict[str, str]:
        """Rotate a secret by a function that only listens, up to its last step."""
        if self._rotator is None:
            self._rotator = add_listener(self._cloud, "rotator")
        self._cloud.client("secretsmanager").rotate_secret(
            SecretId=secret_arn, ClientRequestToken=token, RotationLambdaARN=self._rotator
        )
        events(self._cloud, "rotator", 4, ClientRequestToken=token)
        return {}


def _add_role(aws: Moto | Embedded, name: str, user_name: str, secret_arn: str) -> str:
    iam = aws.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": aws.account_id}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName=name, Path=_ROLE_PATH, AssumeRolePolicyDocument=_policy(trust))["Role"]
    user_arn = f"arn:aws:iam::{aws.account_id}:user/{user_name}"
    actions = ["CreateAccessKey", "DeleteAccessKey", "GetAccessKeyLastUsed", "ListAccessKeys", "UpdateAccessKey"]
    policy = _policy(
        _allowed("iam", [*actions, "ListUserTags", "TagUser", "UntagUser"], user_arn),
        _allowed(
            "secretsmanager",
            ["DescribeSecret", "PutSecretValue", "UpdateSecretVersionStage"],
            secret_arn,
        ),
    )
    iam.put_role_policy(RoleName=name, PolicyName="AccessKey", PolicyDocument=policy)
    return str(role["Arn"])


def _make_table(aws: Moto | Embedded) -> str:
    attributes = {KEY: "S"} | dict(attribute for index in INDEXES.values() for attribute in index.attributes)
    aws.client("dynamodb").create_table(
        TableName=_TABLE,
        KeySchema=[{"AttributeName": KEY, "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in attributes.items()],
        GlobalSecondaryIndexes=[
            {
                "IndexName": name,
                "KeySchema": [
                    {"AttributeName": attribute, "KeyType": key_type}
                    for (attribute, _), key_type in zip(index.attributes, ("HASH", "RANGE"), strict=False)
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
            for name, index in INDEXES.items()
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return _TABLE


def _allowed(service: str, actions: list[str], resource: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": [f"{service}:{action}" for action in actions], "Resource": resource}


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _replicate(primary: Any, secret_arn: str, client: Any) -> Any:
    region = "eu-west-1"
    primary.replicate_secret_to_regions(SecretId=secret_arn, AddReplicaRegions=[{"Region": region}])
    return client(region)
