"""Situations built by hand: an entry of the ledger, what AWS shows beside it, and what a rule plans then."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from access_key_provider.model.actions import Activate, Deactivate, DeleteKey, GiveBack, Promote, PublishEvent, TagUser
from access_key_provider.model.entry import (
    Claim,
    Creating,
    Entry,
    KeyRecord,
    KeyState,
    RequestStamp,
    Rotation,
    Switching,
)
from access_key_provider.model.retirement_rules import RetirementRules
from access_key_provider.model.state import (
    CURRENT,
    PENDING,
    PREVIOUS,
    AccessKey,
    KeyResource,
    LastUse,
    Observed,
    SecretDescription,
    SecretState,
    SecretVersion,
    key_tag,
    version_id,
)
from access_key_provider.planning.deployment import applied_digest
from access_key_provider.planning.draft import Draft

if TYPE_CHECKING:
    from collections.abc import Callable

    from access_key_provider.model.actions import Action

NOW = datetime(2026, 5, 4, 12, 0, 30, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop/deploy-AbCdEf"
STACK = "arn:aws:cloudformation:eu-central-1:123456789012:stack/shop/1"
RESOURCE = KeyResource(STACK, "Key", "deploy", SECRET)
RENAMED = KeyResource(STACK, "Renamed", "deploy", SECRET)
OWNER, OTHER = RESOURCE.owner_id, RENAMED.owner_id
A, B, C, F = "AKIAAAAAAAAAAAAAAAAA", "AKIABBBBBBBBBBBBBBBB", "AKIACCCCCCCCCCCCCCCC", "AKIAFFFFFFFFFFFFFFFF"
TAG = key_tag("shop/Key", OWNER)
TOKEN = "11111111-2222-4333-8444-555555555555"
BY_HAND = "99999999-2222-4333-8444-555555555555"
NEVER = LastUse(None)

_CREATED = {A: NOW - 9 * DAY, B: NOW - 8 * DAY, C: NOW - 7 * DAY, F: NOW - 400 * DAY}


def claim(resource: KeyResource = RESOURCE, serial: str = "1", status: str = "Active", **changes: Any) -> Claim:
    """Declare a key; the request came a moment ago and nothing was done for it yet."""
    rules = changes.pop("rules", RetirementRules())
    declared = Claim(
        stack_id=resource.stack_id,
        logical_id=resource.logical_id,
        user_name=resource.user_name,
        role_arn="arn:aws:iam::123456789012:role/r",
        serial=serial,
        status=status,
        description="shop/Key",
        request=RequestStamp(NOW - MINUTE, "request"),
        rules=rules,
    )
    return replace(declared, **changes)


@dataclass
class Situation:
    """Builds an entry and what AWS shows, step by step; at first a key is declared and there is none."""

    entry: Entry = field(default_factory=lambda: Entry(SECRET, version=1, claims={OWNER: claim()}))
    keys: dict[str, AccessKey] = field(default_factory=dict)
    versions: dict[str, set[str]] = field(default_factory=dict)
    last_uses: dict[str, LastUse] = field(default_factory=dict)
    user_tags: dict[str, str] | None = None
    state: SecretState = SecretState.WRITABLE
    user_exists: bool = True
    rotation_enabled: bool = False
    recorded_elsewhere: frozenset[str] | None = None
    creating_elsewhere: bool = False

    # --- the ledger

    def declared(self, serial: str = "1", status: str = "Active", *, owner: str = OWNER, **changes: Any) -> Situation:
        """Let a resource declare something else than serial 1, Active."""
        resource = RESOURCE if owner == OWNER else RENAMED
        self.entry = self.entry.with_claim(owner, claim(resource, serial, status, **changes))
        return self

    def deleted(self, owner: str = OWNER) -> Situation:
        """Let a resource have been deleted."""
        self.entry = self.entry.with_claim(owner, replace(self.entry.claims[owner], present=False))
        return self

    def applied(self, owner: str = OWNER) -> Situation:
        """Let AWS follow the claim."""
        declared = self.entry.claims[owner]
        self.entry = self.entry.with_claim(owner, replace(declared, applied=applied_digest(declared)))
        return self

    def attempt(self, *baseline: str, since: datetime = NOW, until: datetime = NOW, owner: str = OWNER) -> Situation:
        """Let an attempt to create a key have begun and not ended."""
        attempt = Creating("deploy", since, until, baseline)
        self.entry = replace(self.entry, creating={**self.entry.creating, owner: attempt})
        return self

    def switching(self, key_id: str, by: str = "deployment", adds_serial: str = "") -> Situation:
        """Let the switch to a key have begun and not ended."""
        self.entry = replace(self.entry, switching=Switching(key_id, NOW, by, "", adds_serial))
        return self

    def rotating(self, key_id: str = "", since: datetime = NOW, *labels: str) -> Situation:
        """Let Secrets Manager rotate: its version is pending, and empty unless a key was stored in it."""
        self.entry = replace(self.entry, rotation=Rotation(TOKEN, since, key_id) if key_id else self.entry.rotation)
        self.versions[TOKEN] = {PENDING, *labels}
        if key_id:
            self.managed(key_id, "proven", self.entry.claims[OWNER].serial, version=TOKEN)
        return self

    def changed(self, **members: Any) -> Situation:
        """Change other members of the entry."""
        self.entry = replace(self.entry, **members)
        return self

    # --- a key

    def managed(
        self,
        key_id: str,
        state: str = "current",
        serial: str = "1",
        *labels: str,
        status: str = "",
        owner: str = OWNER,
        version: str = "",
        **members: Any,
    ) -> Situation:
        """Record a key, let IAM list it and the secret hold it; times that the state implies are made up."""
        known = KeyState(state)
        created = _CREATED[key_id]
        was_current = known in {KeyState.CURRENT, KeyState.REPLACED, KeyState.INACTIVE}
        record = KeyRecord(
            id=key_id,
            owner=owner,
            user_name="deploy",
            state=known,
            created=created,
            serials=(serial,),
            version_id=version or version_id(owner, key_id),
            stored=created,
            proven=created,
            published=created if was_current else None,
            replaced=NOW - HOUR if known in {KeyState.REPLACED, KeyState.INACTIVE} else None,
            deactivated=NOW - HOUR if known is KeyState.INACTIVE else None,
            by="deployment" if known in {KeyState.REPLACED, KeyState.INACTIVE} else "",
            tag=key_tag("shop/Key", owner),
            labelled=True,
        )
        record = replace(record, **members)
        self.entry = self.entry.with_key(record)
        self.unmanaged(key_id, status or ("Inactive" if record.deactivated else "Active"), created=record.created)
        if record.version_id:
            held = {CURRENT} if known is KeyState.CURRENT else set[str]()
            self.versions.setdefault(record.version_id, set()).update({key_id} if record.labelled else set(), held)
            self.versions[record.version_id].update(labels)
        return self

    def begun(self, key_id: str, state: str = "created", **members: Any) -> Situation:
        """Record a key that was not proven before its holder died."""
        stored = state == "stored"
        version = version_id(OWNER, key_id) if stored else ""
        times = {"stored": _CREATED[key_id] if stored else None, "proven": None}
        return self.managed(key_id, state, version_id=version, tag="", labelled=stored, **times, **members)

    def unmanaged(self, key_id: str, status: str = "Active", created: datetime | None = None) -> Situation:
        """Let IAM list a key; the ledger knows nothing of it unless it is recorded as well."""
        self.keys[key_id] = AccessKey(key_id, status, created or _CREATED[key_id])
        return self

    # --- what AWS shows otherwise

    def missing(self, *key_ids: str) -> Situation:
        """Let IAM list recorded keys no more."""
        for key_id in key_ids:
            self.keys.pop(key_id, None)
        return self

    def used(self, key_id: str, last_use: LastUse) -> Situation:
        """Let IAM know of the last use of a key."""
        self.last_uses[key_id] = last_use
        return self

    def current_is(self, version: str) -> Situation:
        """Let AWSCURRENT be on a version, and AWSPREVIOUS on the one before."""
        for labels in self.versions.values():
            labels.discard(PREVIOUS)
            if CURRENT in labels:
                labels.remove(CURRENT)
                labels.add(PREVIOUS)
        self.versions.setdefault(version, set()).add(CURRENT)
        return self

    def observed(self) -> Observed:
        """Observe it."""
        versions = tuple(SecretVersion(version, frozenset(labels)) for version, labels in self.versions.items())
        return Observed(
            time=NOW,
            user_exists=self.user_exists,
            keys=tuple(self.keys.values()) if self.user_exists else (),
            secret=SecretDescription(self.state, versions, self.rotation_enabled),
            last_uses=self.last_uses,
            user_tags=self.user_tags,
            recorded_elsewhere=self.recorded_elsewhere,
            creating_elsewhere=self.creating_elsewhere,
        )

    def draft(self, deployed_serial: str = "") -> Draft:
        """Begin a plan."""
        return Draft(self.entry, self.observed(), deployed_serial)

    def drafted(
        self, rule: Callable[..., object], *arguments: Any, owner: str = OWNER, deployed_serial: str = "", **named: Any
    ) -> Draft:
        """Let a rule plan; no plan may delete a key that was not deactivated, or touch one that is not recorded."""
        draft = self.draft(deployed_serial)
        rule(draft, owner, *arguments, **named)
        deactivated = set[str]()
        for action in draft.actions:
            if isinstance(action, Deactivate):
                deactivated.add(action.key_id)
            if isinstance(action, DeleteKey):
                assert action.key_id in deactivated, "it is deleted without being deactivated first"
        return draft

    def plan(
        self, rule: Callable[..., object], *arguments: Any, owner: str = OWNER, deployed_serial: str = "", **named: Any
    ) -> list[Action]:
        """Let a rule plan, and return the actions."""
        return self.drafted(rule, *arguments, owner=owner, deployed_serial=deployed_serial, **named).actions


def version_of(key_id: str, owner: str = OWNER) -> str:
    """Name the version of a key that a deployment made."""
    return version_id(owner, key_id)


def rotated_once(status: str = "Inactive") -> Situation:
    """Build the end of a rotation: A is the key of serial 1, B that of serial 2, which is declared and current."""
    state = "inactive" if status == "Inactive" else "replaced"
    situation = Situation().declared("2").managed(A, state, "1", PREVIOUS).managed(B, "current", "2")
    return situation.applied()


def changes(actions: list[Action]) -> list[Action]:
    """Leave out what changes the ledger alone."""
    return [action for action in actions if action.writes]


def touched(actions: list[Action], *, tags: bool = False) -> set[str]:
    """Name the keys and versions whose state in AWS is changed; of tags only if asked for."""
    kinds: tuple[type, ...] = (Activate, Deactivate, DeleteKey, Promote) + ((TagUser,) if tags else ())
    found = {action.key_id for action in actions if isinstance(action, kinds)}
    return found | {action.to_version for action in actions if isinstance(action, GiveBack)}


def deleted(actions: list[Action]) -> list[str]:
    """Name the keys that are deleted, in order."""
    return [action.key_id for action in actions if isinstance(action, DeleteKey)]


def reported(actions: list[Action]) -> list[str]:
    """Name the events, each drift by its kind."""
    return [
        f"drift: {detail['drift']}" if "drift" in detail else action.kind
        for action in actions
        if isinstance(action, PublishEvent)
        for detail in (dict(action.detail),)
    ]
