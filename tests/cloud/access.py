"""Who may do what in the embedded account: sessions of deployed roles, and what they are denied."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import ClientError

from lambda_shared.clock import InvocationClock
from local_cloud.environment import FOREIGN_PREFIXES

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from cloud.stacks import Account, Session
    from support.invocation import TestClock

DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError"}


def denied(attempt: Callable[[], Any]) -> str:
    """Try something, and name the action that it was denied, with nothing for a success or another failure."""
    try:
        attempt()
    except ClientError as error:
        if error.response["Error"]["Code"] in DENIED:
            named = re.search(r"perform: (\S+)", error.response["Error"]["Message"])
            return named[1] if named else error.operation_name
    return ""


def trust(account: Account, role_arn: str, principal: str) -> None:
    """Let a principal assume a role too."""
    name = role_arn.rsplit("/", 1)[-1]
    before = account.iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    added = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    document = json.dumps({**before, "Statement": [*before["Statement"], added]})
    account.iam.update_assume_role_policy(RoleName=name, PolicyDocument=document)


def act_as(monkeypatch: pytest.MonkeyPatch, session: Session, environment: dict[str, str], clock: TestClock) -> None:
    """Let the code of a function run in this process as in its own: with its role, its settings, and a test's time."""
    credentials = {
        "AWS_ACCESS_KEY_ID": session.credentials["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": session.credentials["secret_access_key"],
        "AWS_SESSION_TOKEN": session.credentials["session_token"],
    }
    for name in [name for name in os.environ if name.startswith(FOREIGN_PREFIXES)]:
        monkeypatch.delenv(name)
    for name, value in (session.cloud.environment() | credentials | environment).items():
        monkeypatch.setenv(name, value)
    # It may hold the credentials of an earlier test.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setattr(InvocationClock, "now", lambda _self: clock.now())
    monkeypatch.setattr(InvocationClock, "sleep", lambda _self, seconds: clock.sleep(seconds))
