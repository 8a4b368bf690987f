"""IAM: users, their access keys and their tags.

https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateAccessKey.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fakes.errors import ServiceError
from fakes.lags import Seen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from fakes.state import State

ACTIVE = "Active"
INACTIVE = "Inactive"
_TAGS_PER_USER = 50

Answer = dict[str, Any]


@dataclass(slots=True)
class AccessKey:
    """An access key. Its status is None before it is created and after it is deleted."""

    id: str
    secret: str = field(repr=False)
    created: datetime
    status: Seen[str | None]
    deleted: datetime | None = None
    uses: int = 0
    last_used: datetime | None = None
    last_service: str = "N/A"
    calls_to_reject: int = 0
    calls_to_reject_in: dict[str, int] = field(default_factory=dict)
    works_from: datetime | None = None


@dataclass(slots=True)
class User:
    """A user. The tags are kept by their key in lower case: IAM does not tell case apart."""

    name: str
    id: str
    path: str
    created: datetime
    keys: dict[str, AccessKey] = field(default_factory=dict)
    tags: Seen[dict[str, tuple[str, str]]] = field(default_factory=lambda: Seen({}))

    def living_keys(self) -> list[AccessKey]:
        """List the keys that exist, whatever a listing shows."""
        return [key for key in self.keys.values() if key.status.value]


def user_named(state: State, name: str) -> User:
    """Find a user. Raises ServiceError."""
    user = state.users.get(name)
    if user is None:
        raise ServiceError("NoSuchEntity", f"The user with name {name} cannot be found.")
    return user


def key_of(user: User, key_id: str) -> AccessKey:
    """Find a key of a user: that of another one is not found. Raises ServiceError."""
    key = user.keys.get(key_id)
    if key is None or key.status.value is None:
        raise ServiceError("NoSuchEntity", f"The Access Key with id {key_id} cannot be found.")
    return key


def create_access_key(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Create an access key."""
    user = user_named(state, parameters["UserName"])
    if len(user.living_keys()) >= state.switches.keys_per_user:
        quota = state.switches.keys_per_user
        raise ServiceError("LimitExceeded", f"Cannot exceed quota for AccessKeysPerUser: {quota}")
    key = new_key(state, user)
    return {
        "AccessKey": {
            "UserName": user.name,
            "AccessKeyId": key.id,
            "Status": ACTIVE,
            "SecretAccessKey": key.secret,
            "CreateDate": key.created,
        }
    }


def new_key(state: State, user: User) -> AccessKey:
    """Make a key, whatever the quota says."""
    now, switches = state.clock.now(), state.switches
    # IAM keeps whole seconds, by its own clock.
    created = (now + timedelta(seconds=switches.iam_clock_skew)).replace(microsecond=0)
    key = AccessKey(state.names.access_key_id(), state.names.secret_access_key(), created, Seen(None))
    key.status.set(ACTIVE, now, state.lags.new_keys)
    key.calls_to_reject = switches.new_key_rejections
    key.calls_to_reject_in = dict(switches.new_key_rejections_in)
    key.works_from = now + timedelta(seconds=switches.new_key_seconds)
    user.keys[key.id] = key
    state.keys[key.id] = key, user
    state.secret_access_keys.append(key.secret)
    state.changed()
    return key


def update_access_key(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Make a key Active or Inactive; the same again is fine."""
    key = key_of(user_named(state, parameters["UserName"]), parameters["AccessKeyId"])
    status = parameters["Status"]
    if status not in {ACTIVE, INACTIVE}:
        raise ServiceError("InvalidInput", f"Status {status} can't be set")
    if key.status.value != status:
        key.status.set(status, state.clock.now(), state.lags.key_status)
        state.changed()
    return {}


def delete_access_key(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Delete a key, an Active one as well."""
    key = key_of(user_named(state, parameters["UserName"]), parameters["AccessKeyId"])
    delete_key(state, key)
    return {}


def delete_key(state: State, key: AccessKey) -> None:
    """Make an end of a key."""
    key.deleted = state.clock.now()
    key.status.set(None, key.deleted, state.lags.deleted_keys)
    state.changed()


def list_access_keys(state: State, parameters: Mapping[str, Any]) -> Answer:
    """List a user's keys, a page at a time, as far as IAM has heard of them."""
    user = user_named(state, parameters["UserName"])
    described = [
        {"UserName": user.name, "AccessKeyId": key.id, "Status": status, "CreateDate": key.created}
        for key in user.keys.values()
        if (status := state.shown(key.status))
    ]
    return _page("AccessKeyMetadata", described, parameters, state.switches.page_size)


def get_access_key_last_used(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Tell when a key was last used; a key that does not exist is nobody's to ask about."""
    key_id = parameters["AccessKeyId"]
    key, user = state.keys.get(key_id, (None, None))
    if key is None or user is None or key.status.value is None:
        message = f"User is not authorized to perform iam:GetAccessKeyLastUsed on resource: access key {key_id}"
        raise ServiceError("AccessDenied", message)
    lag = timedelta(seconds=state.switches.last_use_seconds)
    if key.last_used is None or state.clock.now() - key.last_used < lag:
        return {"UserName": user.name, "AccessKeyLastUsed": {"ServiceName": "N/A", "Region": "N/A"}}
    used = {"LastUsedDate": key.last_used, "ServiceName": key.last_service, "Region": state.region}
    return {"UserName": user.name, "AccessKeyLastUsed": used}


def list_user_tags(state: State, parameters: Mapping[str, Any]) -> Answer:
    """List a user's tags, a page at a time."""
    user = user_named(state, parameters["UserName"])
    listed = [{"Key": key, "Value": value} for key, value in state.shown(user.tags).values()]
    return _page("Tags", listed, parameters, state.switches.page_size)


def tag_user(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Set tags; a key that differs in case only is the same key."""
    user = user_named(state, parameters["UserName"])
    new = {tag["Key"].casefold(): (tag["Key"], tag["Value"]) for tag in parameters["Tags"]}
    if len(new) < len(parameters["Tags"]):
        message = "Duplicate tag keys found. Please note that Tag keys are case insensitive."
        raise ServiceError("InvalidInput", message)
    if any(key.startswith("aws:") for key in new):
        raise ServiceError("InvalidInput", "Tag keys beginning with aws: are reserved for system use.")
    tags = user.tags.value | new
    if len(tags) > _TAGS_PER_USER:
        raise ServiceError("LimitExceeded", f"Cannot exceed quota for TagsPerUser: {_TAGS_PER_USER}")
    set_tags(state, user, tags)
    return {}


def untag_user(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Remove tags; those that are not there are fine."""
    user = user_named(state, parameters["UserName"])
    gone = {key.casefold() for key in parameters["TagKeys"]}
    set_tags(state, user, {key: tag for key, tag in user.tags.value.items() if key not in gone})
    return {}


def set_tags(state: State, user: User, tags: dict[str, tuple[str, str]]) -> None:
    """Give a user other tags."""
    if tags != user.tags.value:
        user.tags.set(tags, state.clock.now(), state.lags.user_tags)
        state.changed()


def _page(member: str, listed: list[dict[str, Any]], parameters: Mapping[str, Any], page_size: int) -> Answer:
    size = min(parameters.get("MaxItems", page_size), page_size)
    begin = int(parameters.get("Marker", "0"))
    page: Answer = {member: listed[begin : begin + size], "IsTruncated": begin + size < len(listed)}
    return {**page, "Marker": str(begin + size)} if page["IsTruncated"] else page
