"""What Secrets Manager does when it rotates, before it calls the function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fakes.errors import ServiceError
from fakes.secretsmanager import CURRENT, PENDING, Version, moved, set_labels, writable

if TYPE_CHECKING:
    from fakes.state import State


def begin_rotation(state: State, secret_id: str, token: str) -> str:
    """Begin a rotation as Secrets Manager does, with an empty version, and return what the function must pass on.

    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html
    """
    secret = writable(state, secret_id)
    labels = secret.labels.value
    pending = labels.get(PENDING)
    if pending is not None and pending not in {labels.get(CURRENT), token}:
        message = "A previous rotation isn't complete. That rotation will be reattempted."
        raise ServiceError("InvalidRequestException", message)
    if token not in secret.versions:
        secret.versions[token] = Version(None, state.clock.now())
        secret.rotation_token = f"rotation-{token}"
        set_labels(state, secret, moved(labels, PENDING, token))
    return str(secret.rotation_token)
