"""A consumer acknowledges a key: an event that carries a proof that it has the key.

Anybody who may put events on the account's bus may send one, so nothing in it counts that STS does not confirm.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from access_key_provider.aws.dynamodb import Ledger
from access_key_provider.aws.possession import SignedIdentity
from access_key_provider.entrypoints.custom_resource_request import (
    checked_consumer,
    parse_secret_id,
    parse_signature_time,
)
from access_key_provider.entrypoints.session import KNOWN_ROLE, Work
from access_key_provider.model.actions import BY_CONSUMER
from access_key_provider.model.consumers import Acknowledgement
from access_key_provider.model.errors import InvalidRequestError
from access_key_provider.planning.consumers import with_acknowledgement
from access_key_provider.planning.key_events import ACKNOWLEDGED, about_key
from lambda_shared import log
from lambda_shared.aws_calls import RetryingCaller
from lambda_shared.clock import InvocationClock

if TYPE_CHECKING:
    from collections.abc import Mapping

_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_KEY_ID = re.compile(r"[A-Z0-9]{16,128}")


def handle(event: Mapping[str, Any], context: Any) -> None:
    """Record that a consumer has a key. What fails is tried again by Lambda while the proof is valid.

    Raises:
        ProviderError: why it can't be done now.
    """
    proof = signed_identity(event.get("Event"))
    if proof.key_id not in Ledger().read(proof.secret_arn).keys:
        log.info("not acknowledged: no such key is known", secret=proof.secret_arn, consumer=proof.consumer)
        return
    if not proof.is_valid(RetryingCaller(InvocationClock(context))):
        log.info("not acknowledged: STS refuses the proof", secret=proof.secret_arn, consumer=proof.consumer)
        return
    with Work(proof.secret_arn, "Acknowledge", context, patience=KNOWN_ROLE) as work:
        work.lease.take()
        acknowledge(work, proof.consumer, Acknowledgement(proof.key_id, proof.signed_at, BY_CONSUMER))


def acknowledge(work: Work, consumer: str, given: Acknowledgement) -> None:
    """Record it, and tell of it unless it repeats what the consumer said last."""
    before = work.lease.entry
    key, known = before.keys.get(given.key_id), before.acknowledged.get(consumer)
    if key is None or with_acknowledgement(before, consumer, given, work.lease.now()) is before:
        return
    work.lease.change(lambda entry, now: with_acknowledgement(entry, consumer, given, now))
    if known is None or known.key_id != given.key_id:
        work.reconciler.events.append((ACKNOWLEDGED, about_key(before, key, consumer=consumer, by=given.by)))


def signed_identity(sent: object) -> SignedIdentity:
    """Take the proof from an event.

    Raises:
        InvalidRequestError: a member is missing, or is not as the client writes it.
    """
    detail = sent.get("detail") if isinstance(sent, dict) else None
    if not isinstance(detail, dict):
        raise InvalidRequestError("Event must be an event of a consumer")
    time, signature, key_id = (str(detail.get(name)) for name in ("signedAt", "signature", "accessKeyId"))
    signed_at = parse_signature_time(time)
    if signed_at is None:
        raise InvalidRequestError("signedAt must be a time such as 20260102T030405Z")
    if not _SIGNATURE.fullmatch(signature):
        raise InvalidRequestError("signature must be 64 hexadecimal digits")
    if not _KEY_ID.fullmatch(key_id):
        raise InvalidRequestError("accessKeyId must be the id of an access key")
    return SignedIdentity(
        key_id=key_id,
        consumer=checked_consumer({"Consumer": detail.get("consumer")}),
        secret_arn=parse_secret_id({"SecretId": detail.get("secretArn")}),
        signed_at=signed_at,
        signature=signature,
    )
