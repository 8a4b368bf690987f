"""Which request counts: the one that CloudFormation made last, whichever comes first. Pure rules on an entry.

Lambda may deliver a request twice, late, or while another one runs. So each request is written into its claim before
anything else is done, whoever holds the lease. Whoever finds a later request at the next renewal stops.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from access_key_provider.model.errors import InvalidRequestError, SupersededError

# An item of DynamoDB has room for no end of them. Those that were deleted are forgotten a day later.
_MOST_CLAIMS = 50

if TYPE_CHECKING:
    from access_key_provider.model.entry import Claim, Entry


def announce(entry: Entry, owner: str, claim: Claim) -> Entry:
    """Write a request into the claim of its resource; nothing changes if it is there already.

    Within the same second a Delete counts as the later request: CloudFormation never creates again that soon.

    Raises:
        SupersededError: CloudFormation has made a later request.
        InvalidRequestError: the role is that of a key of another stack, or there are too many resources.
    """
    before = entry.claims.get(owner)
    if before is None:
        if len(entry.claims) >= _MOST_CLAIMS:
            raise InvalidRequestError(f"secret {entry.secret_arn} is claimed by {_MOST_CLAIMS} resources: try tomorrow")
        _require_own_role(entry, claim)
        return entry.with_claim(owner, claim)
    if before.request.id != claim.request.id and _is_later(before, claim):
        if before.present:
            raise SupersededError("CloudFormation made a later request: nothing was done for this one")
        raise SupersededError("CloudFormation deleted the resource after it made this request: nothing was done")
    if not claim.present:
        # What was declared stays on record: it tells whose keys these are and who may act on them.
        return entry.with_claim(owner, replace(before, request=claim.request, present=False, role_arn=claim.role_arn))
    latest = replace(claim, applied=before.applied, touched=before.touched, adopted=before.adopted)
    return entry.with_claim(owner, latest)


def _require_own_role(entry: Entry, claim: Claim) -> None:
    """Refuse a resource that comes with another stack's role: a construct defines its own, so this one is made up."""
    for other in entry.claims.values():
        if other.present and other.role_arn == claim.role_arn and other.stack_id != claim.stack_id:
            raise InvalidRequestError(f"RoleArn {claim.role_arn} is the role of {other.logical_id} in {other.stack_id}")


def _is_later(before: Claim, claim: Claim) -> bool:
    if not (before.request.dated and claim.request.dated):
        return False
    if before.request.time == claim.request.time:
        return claim.present and not before.present
    return before.request.time > claim.request.time
