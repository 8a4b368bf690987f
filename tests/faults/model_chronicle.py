"""What has happened to each key and when, told from the calls, and whether it was allowed at that moment."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from faults.model_rules import Key

if TYPE_CHECKING:
    from datetime import datetime

    from fakes.aws import FakeAccount
    from fakes.calls import Call
    from faults.model_rules import Occasion

_KEYS_PER_USER: Final = 2


@dataclass
class Chronicle:
    """The keys of one account.

    Attributes:
        account: the account.
        keys: our keys, those that are gone too, by their ids.
        current: the key of AWSCURRENT, by the ARN of its secret; None where the value is not ours.
    """

    account: FakeAccount
    keys: dict[str, Key] = field(default_factory=dict)
    current: dict[str, str | None] = field(default_factory=dict)
    _met: set[str] = field(default_factory=set)
    _told: int = -1
    _ranks: int = 0

    def begin(self) -> None:
        """Take note of what a person has done since."""
        now = self.account.clock.now()
        self._met |= self.account.state.keys.keys()
        for key in self.keys.values():
            status = self.account.state.keys[key.id][0].status.value
            if status == "Inactive" != key.status:
                key.deactivated = now
            key.status = status
        for arn, secret in self.account.state.secrets.items():
            version = secret.labels.value.get("AWSCURRENT")
            found = self._key_of(arn, version) if version else None
            if version and (arn not in self.current or found != self.current[arn]):
                self._replace(arn, found, now, "a person")

    def follow(self, occasion: Occasion) -> None:
        """Take note of what was done on an occasion, and check that it was allowed."""
        for call in self.account.log.entries:
            if call.serial > self._told and call.carried_out:
                self._follow_call(call, occasion)
        if self.account.log.entries:
            self._told = self.account.log.entries[-1].serial

    def use(self, key_id: str) -> None:
        """Let a key be used."""
        self.account.person.use_key(key_id)
        if key_id in self.keys:
            self.keys[key_id].used = self.account.clock.now()

    def _follow_call(self, call: Call, occasion: Occasion) -> None:
        if call.name == "iam:CreateAccessKey":
            assert occasion.place, f"{occasion.kind} makes a key where none is deployed"
            made = next(key_id for key_id in self.account.state.keys if key_id not in self._met)
            self._met.add(made)
            self.keys[made] = Key(made, (call.parameters["UserName"], occasion.place[1]), occasion.kind)
        elif not call.wrote:
            return
        elif call.name == "iam:UpdateAccessKey":
            self._set_status(self.keys[call.parameters["AccessKeyId"]], call, occasion)
        elif call.name == "iam:DeleteAccessKey":
            self._delete(self.keys[call.parameters["AccessKeyId"]], call, occasion)
        elif call.name in {"secretsmanager:UpdateSecretVersionStage", "secretsmanager:PutSecretValue"}:
            self._publish(call, occasion)

    def _set_status(self, key: Key, call: Call, occasion: Occasion) -> None:
        before, key.status = key.status, call.parameters["Status"]
        if before == key.status or key.status != "Inactive":
            return
        allowed = occasion.may_deactivate(
            key, call.time, current=self._is_current(key), crowded=self._crowded(key, call)
        )
        assert allowed, f"{occasion.kind} deactivated {key} too early\n{occasion}\n{self.account.log}"
        key.deactivated = occasion.begins

    def _delete(self, key: Key, call: Call, occasion: Occasion) -> None:
        allowed = occasion.may_delete(key, call.time, current=self._is_current(key), crowded=self._crowded(key, call))
        assert allowed, f"{occasion.kind} deleted {key} too early\n{occasion}\n{self.account.log}"
        key.status = None

    def _publish(self, call: Call, occasion: Occasion) -> None:
        arn = call.parameters["SecretId"]
        if call.name == "secretsmanager:PutSecretValue":
            version = call.parameters["ClientRequestToken"] if arn not in self.current else None
        else:
            version = (
                call.parameters.get("MoveToVersionId") if call.parameters["VersionStage"] == "AWSCURRENT" else None
            )
        if version:
            self._replace(arn, self._key_of(arn, version), occasion.begins, occasion.kind)

    def _replace(self, arn: str, new: str | None, when: datetime, by: str) -> None:
        old = self.keys.get(self.current.get(arn) or "")
        if old and old.id != new:
            old.replaced, old.replaced_by, old.idle = when, by, old.status == "Inactive"
        self.current[arn] = new
        key = self.keys.get(new or "")
        if key and (not key.rank or by == "Undo"):
            self._ranks += 1
            key.rank = self._ranks

    def _key_of(self, arn: str, version_id: str) -> str | None:
        """Tell whose secret a version holds, if it is one of ours."""
        version = self.account.state.secrets[arn].versions[version_id]
        try:
            found = str(json.loads(version.value or "")["accessKeyId"])
        except (ValueError, KeyError, TypeError):
            return None
        return found if found in self.keys else None

    def _is_current(self, key: Key) -> bool:
        return self.current.get(key.place[1]) == key.id

    def _crowded(self, key: Key, call: Call) -> bool:
        keys = self.account.state.users[key.place[0]].keys.values()
        living = [key for key in keys if key.created <= call.time and (key.deleted is None or key.deleted >= call.time)]
        return len(living) >= _KEYS_PER_USER
