"""Where SES has SMTP endpoints, by the SDK's own data.

https://docs.aws.amazon.com/general/latest/gr/ses.html
"""

from functools import cache
from typing import Any

from cdk_iam_access_key._shared.tokens import is_token
from cdk_iam_access_key._shared.validation import shown

# Of the partitions where SES is; the SDK's own are no part of its public interface.
_SUFFIXES = {"aws": "amazonaws.com", "aws-us-gov": "amazonaws.com", "aws-eusc": "amazonaws.eu"}


def checked_region(region: object) -> str:
    """Return a region in which SES has an endpoint.

    Raises:
        ValueError: It is none, or not known at synth.
    """
    if isinstance(region, str) and is_token(region):
        raise ValueError(
            "an SMTP password must be for a region that is known at synth, got a token; pass a name such as "
            "eu-central-1: the password is derived for it"
        )
    if not isinstance(region, str) or region not in _regions():
        raise ValueError(
            f"an SMTP password must be for a region where SES has an endpoint, got {shown(region)}; pass one of "
            f"{', '.join(_regions())}, or update boto3 if the region is newer"
        )
    return region


def partition_of(region: str) -> str:
    """Return the partition of any region."""
    partition: str = _session().get_partition_for_region(region)
    return partition


def smtp_host(region: str) -> str:
    """Return the host of the endpoint of a region that was checked."""
    return f"email-smtp.{region}.{_SUFFIXES[partition_of(region)]}"


@cache
def _regions() -> list[str]:
    """List the regions where SES is."""
    session = _session()
    return sorted(region for partition in _SUFFIXES for region in session.get_available_regions("ses", partition))


@cache
def _session() -> Any:
    # An app without SMTP passwords does not wait for the SDK.
    import botocore.session  # noqa: PLC0415

    return botocore.session.get_session()
