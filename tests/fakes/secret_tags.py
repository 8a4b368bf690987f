"""The tags of secrets.

https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_TagResource.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fakes.errors import ServiceError
from fakes.secretsmanager import writable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fakes.secretsmanager import Secret
    from fakes.state import State

_TAGS_PER_SECRET = 50

Answer = dict[str, Any]


def tag_resource(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Set tags."""
    secret = writable(state, parameters["SecretId"])
    new = {tag.get("Key", ""): tag.get("Value", "") for tag in parameters["Tags"]}
    if "" in new or len(new) < len(parameters["Tags"]):
        raise ServiceError("InvalidParameterException", "Tag keys must be there, and each of them once.")
    if any(key.casefold().startswith("aws:") for key in new):
        raise ServiceError("InvalidParameterException", "Tag keys beginning with aws: are reserved for system use.")
    set_tags(state, secret, secret.tags.value | new)
    return {}


def untag_resource(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Remove tags of a secret; those that are not there are fine."""
    secret = writable(state, parameters["SecretId"])
    kept = {key: value for key, value in secret.tags.value.items() if key not in parameters["TagKeys"]}
    set_tags(state, secret, kept)
    return {}


def set_tags(state: State, secret: Secret, tags: dict[str, str]) -> None:
    """Give a secret other tags. Raises ServiceError."""
    # Those of AWS's own, which CloudFormation sets, do not count.
    if sum(not key.startswith("aws:") for key in tags) > _TAGS_PER_SECRET:
        raise ServiceError("InvalidParameterException", f"You can't attach more than {_TAGS_PER_SECRET} tags.")
    if tags != secret.tags.value:
        secret.changed = state.clock.now()
        secret.tags.set(tags, secret.changed, state.lags.secret_tags)
        state.changed()
