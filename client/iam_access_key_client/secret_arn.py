"""The ARN that names a secret.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecretsmanager.html
"""

import re

from iam_access_key_client.errors import ClientError

_ARN = re.compile(r"arn:[a-z0-9-]+:secretsmanager:([a-z0-9-]+):\d{12}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6}")


def region_of(arn: str) -> str:
    """Return the region of a secret.

    Raises:
        ClientError: It is no full ARN. The message does not repeat it: it may be a secret that was put there.
    """
    match = _ARN.fullmatch(arn)
    if not match:
        raise ClientError(
            "--secret must be the full ARN of a secret, arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-SUFFIX"
        )
    return match.group(1)
