"""Secrets Manager's rotation: one event a step, answered by success or an exception.

https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from access_key_provider.entrypoints.custom_resource_request import parse_secret_id
from access_key_provider.entrypoints.operations import owner_to_work_on
from access_key_provider.entrypoints.session import Work
from access_key_provider.model.actions import EndRotation, RemoveLabel
from access_key_provider.model.errors import InvalidRequestError, RotationError
from access_key_provider.model.state import PENDING
from access_key_provider.planning.copies import copies_agree
from access_key_provider.planning.rotation import (
    plan_create_secret,
    plan_failed_step,
    plan_finish_secret,
    plan_test_secret,
)
from lambda_shared import log
from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from access_key_provider.planning.draft import Draft

    _Planner = Callable[[Draft, str, str], None]

_STEPS: dict[str, _Planner] = {
    "createSecret": plan_create_secret,
    "setSecret": plan_test_secret,
    "testSecret": plan_test_secret,
    "finishSecret": plan_finish_secret,
}
_TOKEN = re.compile(r"[A-Za-z0-9-]{32,64}")
_LONGEST_ROTATION_TOKEN = 256


def handle(event: Mapping[str, Any], context: Any) -> None:
    """Carry out a step. It may come again, with the same token, after any failure.

    Raises:
        ProviderError: the step failed; Secrets Manager begins the rotation anew with the same token.
    """
    step, token = event.get("Step"), event.get("ClientRequestToken")
    rotation_token = event.get("RotationToken", "")
    if step not in _STEPS:
        raise InvalidRequestError(f"Step must be one of {', '.join(_STEPS)}")
    secret_arn = parse_secret_id(event)
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise InvalidRequestError("ClientRequestToken must be 32 to 64 letters, digits and hyphens")
    if not isinstance(rotation_token, str) or len(rotation_token) > _LONGEST_ROTATION_TOKEN:
        raise InvalidRequestError("RotationToken must be a text")
    with Work(secret_arn, step, context, token=rotation_token) as work:
        work.lease.take()
        owner = owner_to_work_on(work)
        _carry_out(work, owner, _STEPS[step], token)
    log.info("the step succeeded", step=step, secret=secret_arn, version=token)


def _carry_out(work: Work, owner: str, planner: _Planner, token: str) -> None:
    given_up = False

    def plan(draft: Draft, of: str) -> None:
        nonlocal given_up
        had = draft.entry.rotation
        planner(draft, of, token)
        ended = had and had.token == token and any(isinstance(action, EndRotation) for action in draft.actions)
        given_up = given_up or bool(ended or RemoveLabel(token, PENDING) in draft.actions)

    try:
        work.reconciler.run(owner, plan)
    except ProviderError:
        made = tuple(work.reconciler.made)
        with suppress(ProviderError):
            if made or not copies_agree(work.lease.entry):
                work.reconciler.run(owner, lambda draft, of: plan_failed_step(draft, of, made), check=False)
        raise
    if given_up:
        raise RotationError(f"the key in version {token} can't be used: the rotation was given up, rotate again")
