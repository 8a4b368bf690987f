"""What tests do to the embedded account, and how it refuses."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_cloud import LocalCloud


@contextlib.contextmanager
def refused(code: str, message: str | None = None) -> Iterator[None]:
    """Expect a call to be refused with an error code."""
    with pytest.raises(ClientError, match=message) as refusal:
        yield
    assert refusal.value.response["Error"]["Code"] == code


def new_key(cloud: LocalCloud, user: str) -> dict[str, str]:
    """Make an access key, as the arguments of `LocalCloud.client`."""
    key = cloud.client("iam").create_access_key(UserName=user)["AccessKey"]
    return {"access_key_id": key["AccessKeyId"], "secret_access_key": key["SecretAccessKey"]}


def policy(action: str, resource: str) -> str:
    """Write a policy that allows one thing."""
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
