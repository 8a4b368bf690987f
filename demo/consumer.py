"""A program on a machine outside AWS: boto3, made once, signs a call each half second, and prints what it is answered.

Nothing in it knows of rotations. Each line is the id of the key that it signs with, and the answer.
"""

import time
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

ACCEPTED = "accepted"
_SECONDS_BETWEEN = 0.5


def main() -> None:
    """Call until somebody ends this process."""
    session = boto3.Session()
    s3 = session.client("s3", config=Config(retries={"mode": "standard", "total_max_attempts": 1}))
    while True:
        credentials = session.get_credentials()
        key = credentials.get_frozen_credentials().access_key if credentials else "none"
        print(key, _answer(s3), flush=True)  # noqa: T201 - its purpose
        time.sleep(_SECONDS_BETWEEN)


def _answer(s3: Any) -> str:
    try:
        s3.list_buckets()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    except BotoCoreError as error:
        return type(error).__name__
    return ACCEPTED


if __name__ == "__main__":
    main()
