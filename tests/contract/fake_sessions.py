"""Clients of the fake as the provider has them: signed with a session of a key's role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.config import Config
from fakes.sts import Credentials

if TYPE_CHECKING:
    from fakes.aws import FakeAccount

ROLE = "arn:aws:iam::123456789012:role/cdk-iam-access-key/shop/r"
ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1})
FOUR_TIMES = Config(retries={"mode": "standard", "total_max_attempts": 4})


def signed(account: FakeAccount, service: str, config: Config = ONCE) -> Any:
    """Give a client of a key's role; assuming it leaves no trace."""
    made = account.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="test")["Credentials"]
    credentials = Credentials(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    return account.client_of(service, credentials, config)
