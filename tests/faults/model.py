"""What a user may see of one resource over its life, whatever goes wrong: the model of the model-based test."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from fakes.lags import Lags
from faults.model_hands import HANDS
from faults.model_place import USERS, Places

if TYPE_CHECKING:
    from fakes.faults import Injection
    from faults.model_steps import Step, Trouble
    from faults.stack import Event, Properties

_INVENTED_ID: Final = "shop-Key-1QWERTZUIOPA"
_READS: Final = 10
_LOST: Final = ("ConnectionClosedError", "ReadTimeoutError", "EndpointConnectionError", "ServiceFailure")


@dataclass
class Life(Places):
    """The life of one resource, and what is right at each moment of it.

    Attributes:
        past: the requests so far that may come once more.
        by_serial: the key that was made for a serial at a place, while the records tell it.
        trouble_later: what goes wrong with the request that comes next.
    """

    past: list[Event] = field(default_factory=list)
    by_serial: dict[tuple[str, str, str], str] = field(default_factory=dict)
    trouble_later: Trouble | None = None

    def take(self, step: Step) -> None:
        """Take a step, and check all that a user may see then."""
        self.account.state.lags = Lags()
        if step.hand:
            HANDS[step.hand](self)
        self.account.state.lags = Lags(**dict(step.lags))
        self.account.switches.new_key_rejections = step.rejections
        self.trouble_later = step.trouble_later
        event = self._request(step.change)
        before, deployed = self.current(), self.stack.known
        answer = self._deliver(event, step)
        self._settle(event, answer, undone=step.undone)
        self.check()
        self._check_key(event, before, deployed)
        self.changed_by_hand = self.labels_lost = False
        self.past.append(event)
        if step.again_later:
            self._deliver_late(event)
        if step.late is not None:
            self._deliver_late(self.past[-1 - step.late % len(self.past)])

    def forget_past(self) -> None:
        """Let no past request come once more."""
        self.past.clear()

    def _request(self, change: str) -> Event:
        stack = self.stack
        known = stack.known[1] if stack.known else self._template()
        if change == "delete" and stack.known:
            return stack.event("Delete", known, stack.known[0])
        wanted = self._changed(change, known)
        return stack.update(wanted) if stack.known else stack.create(wanted)

    def _template(self) -> Properties:
        return self.stack.properties()

    def _changed(self, change: str, known: Properties) -> Properties:
        """Change what a template says."""
        name, _, value = change.partition(" ")
        secrets = {self.stack.secret_arn: self.stack.other_arn, self.stack.other_arn: self.stack.secret_arn}
        changes = {
            "serial": {"Serial": value},
            "status": {"Status": "Inactive" if known["Status"] == "Active" else "Active"},
            "description": {"Description": "theirs" if known.get("Description") == "ours" else "ours"},
            "user": {"UserName": "vendor" if known["UserName"] == "deploy" else "deploy"},
            "secret": {"SecretArn": secrets[known["SecretArn"]]},
        }
        return known | changes.get(name, {})

    def _deliver(self, event: Event, step: Step) -> str | None:
        injection, full = self._inject(step.trouble), self.full(event)
        answer = self._send(event)
        self._check_forgiven(answer, full=full)
        self.account.heal()
        self.stack.check_always()
        self._check_meanwhile(event)
        if answer == "FAILED" and not (injection and injection.fired):
            assert full, self.stack.answers[-1]
        self._live_on(step)
        if step.again:
            answer = self._deliver_again(event, answer)
        return answer

    def _live_on(self, step: Step) -> None:
        """Let happen what does before the request comes again or is rolled back."""
        if step.guest:
            HANDS["makes and uses a key"](self)

    def _send_in_trouble(self, event: Event) -> str | None:
        """Deliver a request that meets what goes wrong later, if anything does and has not yet."""
        trouble, self.trouble_later = self.trouble_later, None
        self._inject(trouble)
        full = self.full(event)
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
        hit = [entry.name for entry in self.account.log.entries if entry.outcome in _LOST]
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
        told, full = self._told(), self.full(event)
        second = self._send(event)
        if answer == "SUCCESS":
            assert (second, self._told()) == (answer, told), "a success came out differently"
        elif second == "FAILED":
            assert full, self.stack.answers[-1]
        return answer or second

    def _send(self, event: Event) -> str | None:
        """Deliver a request; half a minute passes till the next one, so all has been heard of by then."""
        answer = self._hand_over(event)
        self._hear()
        return answer

    def _hear(self) -> None:
        """Let all news be heard of."""
        state = self.account.state
        for seen in (
            *(key.status for key, _ in state.keys.values()),
            *(user.tags for user in state.users.values()),
            *(part for secret in state.secrets.values() for part in (secret.labels, secret.tags)),
        ):
            for _ in range(_READS):
                seen.read(state.clock.now() + timedelta(seconds=30))

    def _hand_over(self, event: Event) -> str | None:
        return self.stack.deliver(event)

    def _told(self) -> tuple[object, object]:
        given = self.stack.answers[-1] if self.stack.answers else {}
        return given.get("PhysicalResourceId"), given.get("Data", {}).get("AccessKeyId")

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
        full = self.full(event)
        if self._send(event) != "SUCCESS":
            assert full, self.stack.answers[-1]
            self._make_room(properties["UserName"])
            event = self.stack.event(kind, properties, physical_id, old)
            assert self._send(event) == "SUCCESS", self.stack.answers[-1]
        self.past.append(event)

    def _make_room(self, user: str) -> None:
        """Let a person delete the foreign keys of a user."""
        for key in self.stack.foreign.pop(user, {}):
            self.account.person.delete_key(key)

    def _deliver_late(self, event: Event) -> None:
        """Deliver a request that was settled: it must not change anything that a user sees."""
        before = self._snapshot()
        self._send(event)
        assert self._snapshot() == before, f"{event['RequestType']} came late and changed something"
        self.check()

    def _snapshot(self) -> object:
        return [self.living(user) for user in USERS], [self.labels(secret) for secret in self.secrets]

    def _check_meanwhile(self, event: Event) -> None:
        """Check that whoever reads the secret at this moment gets a key that works, or was declared not to."""
        known, new = self.stack.known, event["ResourceProperties"]
        if known is None or event["RequestType"] == "Delete" or self.changed_by_hand:
            return
        _, status = self.stack.current_key(known[1]["SecretArn"])
        assert status in {known[1]["Status"], new["Status"]}, f"the current key is {status}"

    def _check_key(self, event: Event, before: str | None, deployed: tuple[str, Properties] | None) -> None:
        """Check which key is current: the one that was made for the serial, as long as it exists."""
        known, current = self.stack.known, self.current()
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
