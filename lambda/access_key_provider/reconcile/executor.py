"""Carries out what the rules ask for, one action after the other, and stops at the first that fails."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from access_key_provider.model.actions import (
    NEW,
    Action,
    AddLabel,
    CancelSchedule,
    CheckStillWanted,
    CreateKey,
    DeleteKey,
    LookAgain,
    MoveCurrent,
    ProveKey,
    RemoveLabel,
    ScheduleLook,
    SetStatus,
    StoreSecret,
    TagSecret,
    TagUser,
    Tell,
    UntagSecret,
    UntagUser,
)
from access_key_provider.model.errors import OutOfTimeError, SupersededError
from access_key_provider.model.records import Intent
from access_key_provider.model.state import CURRENT, PENDING
from access_key_provider.planning.precedence import is_still_wanted
from lambda_shared.errors import OutcomeUnknownError, ProviderError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from access_key_provider.model.state import NewAccessKey, Place
    from access_key_provider.reconcile.ports import Ports


class Executor:
    """Runs actions for one place. The new key's secret lives here, between CreateKey and the end of the run."""

    def __init__(self, ports: Ports, place: Place, *, reserve: float) -> None:
        """Stop beginning actions when less than `reserve` seconds are left."""
        self._ports = ports
        self._place = place
        self._reserve = reserve
        self._new: NewAccessKey | None = None
        self.look_again_in: float | None = None
        self.done: list[Action] = []
        self._new_labels: frozenset[str] = frozenset()

    @property
    def new_key_id(self) -> str | None:
        """The id of the key created in this run, if one was."""
        return self._new.id if self._new else None

    def run(self, actions: Iterable[Action]) -> None:
        """Carry out the actions in order.

        Raises:
            OutOfTimeError: the deadline is near; what is done so far is consistent.
            ProviderError: an action failed.
        """
        for action in actions:
            if self._ports.clock.remaining() < self._reserve:
                raise OutOfTimeError(
                    f"the function ran out of time before {type(action).__name__}: deploy again to go on from there"
                )
            self._perform(action)
            self.done.append(action)

    def _perform(self, action: Action) -> None:
        match action:
            case CreateKey():
                self._create()
            case ProveKey():
                self._ports.prover.prove(self._new_key, self._place.user_name)
            case LookAgain(wait):
                self.look_again_in = wait
            case TagUser() | UntagUser() | SetStatus() | DeleteKey():
                self._perform_on_user(action)
            case ScheduleLook() | CancelSchedule() | Tell():
                self._perform_for_later(action)
            case _:
                self._perform_on_secret(action)

    def _perform_for_later(self, action: ScheduleLook | CancelSchedule | Tell) -> None:
        match action:
            case ScheduleLook(name, at):
                self._ports.schedules.create(name, at, {"Operation": "Look", "SecretId": self._place.secret_arn})
            case CancelSchedule(name):
                # A look too many does no harm.
                with suppress(ProviderError):
                    self._ports.schedules.delete(name)
            case Tell(what, about):
                self._ports.notices.tell(what, dict(about))

    def _perform_on_user(self, action: TagUser | UntagUser | SetStatus | DeleteKey) -> None:
        keys = self._ports.keys
        match action:
            case TagUser(key, value):
                keys.tag(self._key_id(key), value)
            case UntagUser(key):
                keys.untag(key)
            case SetStatus(key_id, status):
                keys.set_status(self._key_id(key_id), status)
            case DeleteKey(key_id):
                keys.delete(key_id)

    def _perform_on_secret(
        self,
        action: StoreSecret | AddLabel | RemoveLabel | MoveCurrent | TagSecret | UntagSecret | CheckStillWanted,
    ) -> None:
        secret = self._ports.secret
        match action:
            case StoreSecret(token, label):
                self._store(token, label)
            case AddLabel(version_id, label):
                secret.add_label(self._version_id(version_id), label)
            case RemoveLabel(version_id, label):
                secret.remove_label(version_id, label)
            case MoveCurrent(to_version, from_version):
                self._move_current(to_version, from_version)
            case TagSecret(tags):
                secret.tag(dict(tags))
            case UntagSecret(keys):
                # Marks that are left over do no harm.
                with suppress(ProviderError):
                    secret.untag(keys)
            case CheckStillWanted():
                self._check_still_wanted(action)

    @property
    def _new_key(self) -> NewAccessKey:
        assert self._new is not None, "a plan uses a new key before it creates one"  # noqa: S101
        return self._new

    def _key_id(self, key_id: str) -> str:
        return self._new_key.id if key_id == NEW else key_id

    def _create(self) -> None:
        try:
            self._new = self._ports.keys.create()
        except OutcomeUnknownError:
            raise
        except ProviderError:
            # Nothing was made, so a key that comes to light now is somebody else's: an intent would claim it.
            # But that of an earlier attempt may come to light as well, if there was one.
            if not self._extends_announcement:
                self._ports.keys.untag(self._place.intent_tag)
            raise

    @property
    def _extends_announcement(self) -> bool:
        tags = [action for action in self.done if isinstance(action, TagUser) and action.key == self._place.intent_tag]
        announced = Intent.parse(tags[-1].key, tags[-1].value) if tags else None
        return announced is not None and announced.since < announced.until

    def _version_id(self, version_id: str) -> str:
        return self._place.version_id(self._new_key.id) if version_id == NEW else version_id

    def _store(self, token: str | None, label: str | None) -> None:
        key, version_id = self._new_key, self._place.version_id(self._new_key.id)
        # The id of a version that Secrets Manager chose says nothing, so ours becomes a label of it.
        labels = (key.id,) if token is None else (PENDING, key.id, version_id, *([label] if label else []))
        self._new_labels = self._ports.secret.put(token or version_id, secret_document(key), labels)

    def _move_current(self, to_version: str, from_version: str | None) -> None:
        # Secrets Manager makes the first version of a secret current by itself, and refuses to do it twice.
        if to_version != NEW or CURRENT not in self._new_labels:
            self._ports.secret.move_current(self._version_id(to_version), from_version)

    def _check_still_wanted(self, check: CheckStillWanted) -> None:
        if not is_still_wanted(self._ports.secret.describe().tags, self._place, check):
            raise SupersededError("CloudFormation made another request while this one was carried out: it is undone")


def secret_document(key: NewAccessKey) -> str:
    """Write the JSON object `{"accessKeyId": …, "secretAccessKey": …}`."""
    return json.dumps({"accessKeyId": key.id, "secretAccessKey": key.secret})
