"""Secrets Manager's rotation: one event a step, answered by success or an exception.

https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
"""

from __future__ import annotations

import re
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

from access_key_provider.entrypoints.custom_resource_request import parse_secret_id, session_name
from access_key_provider.entrypoints.session import ports_of, registered
from access_key_provider.model.actions import LookAgain
from access_key_provider.model.errors import InvalidRequestError
from access_key_provider.model.ownership import owned_keys, with_closing
from access_key_provider.model.state import SETTLING_TIME
from access_key_provider.planning.rotation import plan_creation, plan_finish, plan_test, plan_undoing
from access_key_provider.reconcile.reconciler import carry_out, explained
from lambda_shared.errors import ProviderError
from lambda_shared.log import record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from access_key_provider.model.actions import Action
    from access_key_provider.model.registration import Registration
    from access_key_provider.model.state import Observed, Place

    _Planner = Callable[[Observed, Registration, str], list[Action]]

_STEPS: dict[str, _Planner] = {
    "createSecret": plan_creation,
    "setSecret": plan_test,
    "testSecret": plan_test,
    "finishSecret": plan_finish,
}
_TOKEN = re.compile(r"[A-Za-z0-9-]{32,64}")
_LONGEST_ROTATION_TOKEN = 256

# How often to wait for a key that was made to be seen, before it is taken for lost.
_PATIENCE = 3


def handle(event: Mapping[str, Any], context: Any) -> None:
    """Carry out a step. It may come again, with the same token, after any failure.

    Raises:
        ProviderError: the step failed; Secrets Manager begins the rotation anew with the same token.
    """
    step, token = event.get("Step"), event.get("ClientRequestToken")
    rotation_token = event.get("RotationToken", "")
    if step not in _STEPS:
        raise InvalidRequestError(f"Step must be one of {', '.join(_STEPS)}")
    secret_id = parse_secret_id(event)
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise InvalidRequestError("ClientRequestToken must be 32 to 64 letters, digits and hyphens")
    if not isinstance(rotation_token, str) or len(rotation_token) > _LONGEST_ROTATION_TOKEN:
        raise InvalidRequestError("RotationToken must be a text")
    managed = registered(secret_id, context)
    ports = ports_of(
        managed.place,
        managed.role_arn,
        session_name(step, managed.place.logical_id),
        context,
        rotation_token=rotation_token,
    )
    planner = _STEPS[step]
    about = {"step": step, "user": managed.place.user_name, "version": token}
    made: set[str] = set()
    looks = count()

    def plan(observed: Observed) -> list[Action]:
        if made and not _shows(observed, managed.place, made) and next(looks) < _PATIENCE:
            return [LookAgain(SETTLING_TIME)]
        return planner(with_closing(observed, managed.place) if made else observed, managed, token)

    try:
        carry_out(ports, managed.place, plan, managed.policy, made)
    except ProviderError as error:
        # A key whose secret is not stored is of no use to the next try. No other: a deployment may be making one.
        with suppress(ProviderError):
            carry_out(ports, managed.place, lambda observed: plan_undoing(observed, managed, made))
        raise explained(ports, error) from error
    record("the step succeeded", **about)


def _shows(observed: Observed, place: Place, made: set[str]) -> bool:
    """Tell whether the key that was made and stored can be seen: else it would seem to be left by somebody else."""
    return any(key.id in made and key.proven for key in owned_keys(observed, place))
