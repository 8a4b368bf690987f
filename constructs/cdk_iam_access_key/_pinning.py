"""What a consumer that is pinned to a version of the secret does not get."""

from collections.abc import Sequence

from aws_cdk import Annotations
from constructs import Construct


def warn_of_pinning(key: Construct, changes: Sequence[str]) -> None:
    """Warn that something changes the key between deployments, which alone change a pinned reference."""
    if changes:
        Annotations.of(key).add_warning_v2(
            "cdk-iam-access-key:pinned",
            f"secret_value of {key.node.path} pins a consumer to the version of the last deployment, and the key has "
            f"{' and '.join(changes)}: after that the consumer has a key that is retired or Inactive, until a "
            "deployment changes the key; let the consumer read the secret while it runs instead (grant_read), or "
            "leave that out",
        )
