"""What a user may see of one resource over its life, whatever goes wrong: the model of the model-based test."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from fakes.lags import Lag, Lags

from local_cloud.invariants import Expected, violations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fakes.aws import FakeAccount
    from fakes.calls import Call
    from fakes.faults import Fault, Injection, Phase
    from faults.stack import Event, Properties, Stack

USERS: Final = ("deploy", "vendor")
_INVENTED_ID: Final = "shop-Key-1QWERTZUIOPA"
_KEYS_PER_USER: Final = 2
_READS: Final = 10
LOST: Final = ("ConnectionClosedError", "ReadTimeoutError", "EndpointConnectionError", "ServiceFailure")


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault, which the first call from `index` on meets that can, and as many after it as `times` says."""

    fault: Fault
    phase: Phase
    index: int
    times: int

    def matches(self, call: Call) -> bool:
        """Tell whether a call meets it."""
        return call.index >= self.index and self.fault.applies_to(call)


@dataclass(frozen=True, slots=True)
class Step:
    """One deployment, and what happens on the way.

    Attributes:
        change: what the template says anew.
        hand: what a person does before.
        trouble: what goes wrong.
        undone: whether a sibling fails afterwards, so that all is rolled back.
        again: whether the request comes again at once.
        again_later: whether it comes again when all is settled.
        guest: whether a person makes a key, and uses it, before the request comes again or is rolled back.
        late: which earlier request comes once more in the end, counted from the newest.
        lags: what is seen late in this step, and how late.
        rejections: how many calls with a new key are refused.
        trouble_later: what goes wrong with the request that comes after: the redelivery, the rollback or the clean-up.
    """

    change: str
    hand: str | None = None
    trouble: Trouble | None = None
    undone: bool = False
    again: bool = False
    again_later: bool = False
    guest: bool = False
    late: int | None = None
    lags: tuple[tuple[str, Lag], ...] = ()
    rejections: int = 0
    trouble_later: Trouble | None = None


@dataclass
class Life:
    """The life of one resource, and what is right at each moment of it.

    Attributes:
        stack: the resource.
        past: the requests so far that may come once more.
        by_serial: the key that was made for a serial at a place, while the records tell it.
        changed_by_hand: what a person changed that the next request repairs.
        tampered: which of our records a person has removed; without both nobody could tell our keys.
    """

    stack: Stack
    past: list[Event] = field(default_factory=list)
    by_serial: dict[tuple[str, str, str], str] = field(default_factory=dict)
    changed_by_hand: bool = False
    tampered: str | None = None
    labels_lost: bool = False
    trouble_later: Trouble | None = None

    @property
    def account(self) -> FakeAccount:
        """The account."""
        return self.stack.account

    def take(self, step: Step, hands: Mapping[str, Callable[[Life], None]]) -> None:
        """Take a step, and check all that a user may see then."""
        self.account.state.lags = Lags()
        if step.hand:
            hands[step.hand](self)
        self.account.state.lags = Lags(**dict(step.lags))
        self.account.switches.new_key_rejections = step.rejections
        self.trouble_later = step.trouble_later
        event = self._request(step.change)
        before, deployed = self._current(), self.stack.known
        answer = self._deliver(event, step, hands)
        self._settle(event, answer, undone=step.undone)
        self.check()
        self._check_key(event, before, deployed)
        self.changed_by_hand = self.labels_lost = False
        self.past.append(event)
        if step.again_later:
            self._deliver_late(event)
        if step.late is not None:
            self._deliver_late(self.past[-1 - step.late % len(self.past)])

    def living(self, user: str) -> dict[str, str]:
        """List a user's keys with their status."""
        return self.stack._keys(user)

    def ours(self) -> list[str]:
        """List all keys that no person made."""
        foreign = {key for keys in self.stack.foreign.values() for key in keys}
        return [key for user in USERS for key in self.living(user) if key not in foreign]

    def _request(self, change: str) -> Event:
        stack = self.stack
        known = stack.known[1] if stack.known else stack.properties()
        if change == "delete" and stack.known:
            return stack.event("Delete", known, stack.known[0])
        wanted = known | self._changes(change, known)
        return stack.update(wanted) if stack.known else stack.create(wanted)

    def _changes(self, change: str, known: Properties) -> Properties:
        name, _, value = change.partition(" ")
        secrets = {self.stack.secret_arn: self.stack.other_arn, self.stack.other_arn: self.stack.secret_arn}
        changes = {
            "serial": {"Serial": value},
            "status": {"Status": "Inactive" if known["Status"] == "Active" else "Active"},
            "description": {"Description": "theirs" if known.get("Description") == "ours" else "ours"},
            "user": {"UserName": "vendor" if known["UserName"] == "deploy" else "deploy"},
            "secret": {"SecretArn": secrets[known["SecretArn"]]},
        }
        return changes.get(name, {})

    def _deliver(self, event: Event, step: Step, hands: Mapping[str, Callable[[Life], None]]) -> str | None:
        injection, full = self._inject(step.trouble), self._full(event)
        answer = self._send(event)
        self._check_forgiven(answer, full=full)
        self.account.heal()
        self.stack.check_always()
        self._check_meanwhile(event)
        if answer == "FAILED" and not (injection and injection.fired):
            assert full, self.stack.answers[-1]
        if step.guest:
            hands["makes and uses a key"](self)
        if step.again:
            answer = self._deliver_again(event, answer)
        return answer

    def _send_in_trouble(self, event: Event) -> str | None:
        """Deliver a request that meets what goes wrong later, if anything does and has not yet."""
        trouble, self.trouble_later = self.trouble_later, None
        self._inject(trouble)
        full = self._full(event)
        answer = self._send(event)
        self._check_forgiven(answer, full=full)
        self.account.heal()
        self.stack.check_always()
        return answer

    def _check_forgiven(self, answer: str | None, *, full: bool) -> None:
        """Check that a request does not fail because the answer to CreateAccessKey was lost once.

        If news come late as well, it may fail, and is undone: it deletes the lost key again while that is still listed.
        """
        if self.account.lags != Lags():
            return
        hit = [entry.name for entry in self.account.log.entries if entry.outcome in LOST]
        if hit == ["iam:CreateAccessKey"] and sum(injection.fired for injection in self.account.injections) == 1:
            assert answer == "SUCCESS" or full, self.stack.answers[-1]

    def _inject(self, trouble: Trouble | None) -> Injection | None:
        self.account.log.clear()
        if not trouble:
            return None
        return self.account.fail(trouble.fault, trouble.matches, phase=trouble.phase, times=trouble.times)

    def _deliver_again(self, event: Event, answer: str | None) -> str | None:
        if answer != "SUCCESS" and self.trouble_later:
            return answer or self._send_in_trouble(event)
        told, full = self._told(), self._full(event)
        second = self._send(event)
        if answer == "SUCCESS":
            assert (second, self._told()) == (answer, told), "a success came out differently"
        elif second == "FAILED":
            assert full, self.stack.answers[-1]
        return answer or second

    def _send(self, event: Event) -> str | None:
        """Deliver a request; half a minute passes till the next one, so all has been heard of by then."""
        answer = self.stack.deliver(event)
        state = self.account.state
        for seen in (
            *(key.status for key, _ in state.keys.values()),
            *(user.tags for user in state.users.values()),
            *(part for secret in state.secrets.values() for part in (secret.labels, secret.tags)),
        ):
            for _ in range(_READS):
                seen.read(state.clock.now() + timedelta(seconds=30))
        return answer

    def _told(self) -> tuple[object, object]:
        given = self.stack.answers[-1] if self.stack.answers else {}
        return given.get("PhysicalResourceId"), given.get("Data", {}).get("AccessKeyId")

    def _full(self, event: Event) -> bool:
        """Tell whether the user may have no room for a key: two that must stay, foreign, current or of elsewhere."""
        properties = event["ResourceProperties"]
        living = self.living(properties["UserName"])
        foreign = self.stack.foreign.get(properties["UserName"], {})
        labels = {} if self.labels_lost else self._labels(properties["SecretArn"])
        current = {key for secret in self._secrets for key, stages in self._labels(secret).items() if stages}
        staying = [
            key
            for key, status in living.items()
            if key in foreign or key in current or status == "Active" or key not in labels
        ]
        return event["RequestType"] != "Delete" and len(staying) >= _KEYS_PER_USER

    @property
    def _secrets(self) -> tuple[str, str]:
        return self.stack.secret_arn, self.stack.other_arn

    def _labels(self, secret_arn: str) -> dict[str, bool]:
        """Tell the keys that a secret's labels name, and whether each is the current one."""
        described = self.account.client("secretsmanager").describe_secret(SecretId=secret_arn)
        return {
            label: "AWSCURRENT" in labels
            for labels in described.get("VersionIdsToStages", {}).values()
            for label in labels
            if label.startswith("AKIA")
        }

    def _current(self) -> str | None:
        known = self.stack.known
        found = [key for key, current in self._labels(known[1]["SecretArn"]).items() if current] if known else []
        return found[0] if found else None

    def _settle(self, event: Event, answer: str | None, *, undone: bool) -> None:
        """Do what CloudFormation does with the answer."""
        stack, known, new = self.stack, self.stack.known, event["ResourceProperties"]
        if event["RequestType"] == "Delete":
            if answer != "SUCCESS":
                self._succeed("Delete", new, event["PhysicalResourceId"])
            stack.known = None
        elif known is None:
            new_id = stack.last_id if answer else _INVENTED_ID
            if answer != "SUCCESS" or undone:
                self._succeed("Delete", new, new_id)
            else:
                stack.known = new_id, new
        elif answer == "SUCCESS":
            given, new_id = self._given(event), stack.last_id
            assert given == "SUCCESS"
            if undone and new_id == known[0]:
                self._succeed("Update", known[1], known[0], new)
            elif undone:
                self._succeed("Delete", new, new_id)
                if self.changed_by_hand:
                    # Nothing has looked at the old place; the next deployment does.
                    self._succeed("Update", known[1], known[0], known[1])
            else:
                stack.known = new_id, new
                if new_id != known[0]:
                    self._succeed("Delete", known[1], known[0])
        else:
            self._succeed("Update", known[1], known[0], new)

    def _given(self, event: Event) -> str:
        last = [answer for answer in self.stack.answers if answer["RequestId"] == event["RequestId"]]
        return str(last[0]["Status"] if last else "")

    def _succeed(self, kind: str, properties: Properties, physical_id: str, old: Properties | None = None) -> None:
        """Make a request that must succeed, when there is room at the latest."""
        event = self.stack.event(kind, properties, physical_id, old)
        if self.trouble_later:
            if self._send_in_trouble(event) == "SUCCESS":
                self.past.append(event)
                return
            event = self.stack.event(kind, properties, physical_id, old)
        full = self._full(event)
        if self._send(event) != "SUCCESS":
            assert full, self.stack.answers[-1]
            user = properties["UserName"]
            for key in self.stack.foreign.pop(user, {}):
                self.account.person.delete_key(key)
            event = self.stack.event(kind, properties, physical_id, old)
            assert self._send(event) == "SUCCESS", self.stack.answers[-1]
        self.past.append(event)

    def _deliver_late(self, event: Event) -> None:
        """Deliver a request that was settled: it must not change anything that a user sees."""
        before = self._snapshot()
        self._send(event)
        assert self._snapshot() == before, f"{event['RequestType']} came late and changed something"
        self.check()

    def _snapshot(self) -> object:
        return [self.living(user) for user in USERS], [self._labels(secret) for secret in self._secrets]

    def _check_meanwhile(self, event: Event) -> None:
        """Check that whoever reads the secret at this moment gets a key that works, or was declared not to."""
        known, new = self.stack.known, event["ResourceProperties"]
        if known is None or event["RequestType"] == "Delete" or self.changed_by_hand:
            return
        _, status = self.stack.current_key(known[1]["SecretArn"])
        assert status in {known[1]["Status"], new["Status"]}, f"the current key is {status}"

    def check(self) -> None:
        """Check both users and both secrets: the place that is deployed has its key, all others have none."""
        self.stack.check_always()
        iam, secrets = self.account.client("iam"), self.account.client("secretsmanager")
        deployed = self.stack.known and self.stack.known[1]
        found: list[str] = []
        for user in USERS:
            here = deployed if deployed and deployed["UserName"] == user else None
            status, secret = (here["Status"], here["SecretArn"]) if here else (None, None)
            expected = Expected(user, secret, status, self.stack.foreign.get(user, {}))
            found += violations(iam, secrets, expected)
        for secret in self._secrets:
            if not deployed or deployed["SecretArn"] != secret:
                found += [f"label {label} is left on {secret}" for label in self._labels(secret)]
        current = self._current()
        if self.tampered == "tags":
            # Only the current key gets its tag back; the others go with the next rotation.
            found = [problem for problem in found if "has no tag on its user" not in problem or str(current) in problem]
        assert found == [], f"{found}\n{self.account.log}"

    def _check_key(self, event: Event, before: str | None, deployed: tuple[str, Properties] | None) -> None:
        """Check which key is current: the one that was made for the serial, as long as it exists."""
        known, current = self.stack.known, self._current()
        if known is None:
            self.by_serial.clear()
            return
        assert current
        if deployed and deployed[0] != known[0]:
            self.by_serial.clear()
        place = known[1]["UserName"], known[1]["SecretArn"]
        requested = event["ResourceProperties"]
        expected = self.by_serial.get((*place, known[1]["Serial"]))
        # A request for an earlier serial removes the newer key, so that rolling that request back makes another one.
        went_back = known[1] != requested and (*place, requested["Serial"]) in self.by_serial
        lived = before == expected and not self.labels_lost and not went_back and expected in self.deletable
        if lived:
            assert current == expected, f"{current} is current instead of {expected}"
        if self.labels_lost:
            self.by_serial.clear()
        others = {key for serial, key in self.by_serial.items() if serial != (*place, known[1]["Serial"])}
        assert current not in others, f"{current} was made for another serial"
        self.by_serial[*place, known[1]["Serial"]] = current

    @property
    def deletable(self) -> set[str]:
        """The keys of ours that exist."""
        return set(self.ours())
