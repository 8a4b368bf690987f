"""The life of a key that is kept after it was replaced: deployments, looks, rotations and undo, in any order.

Deployments are those of `faults.model`; what may become of each key is in `faults.model_rules`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from faults.model import Life
from faults.model_chronicle import Chronicle
from faults.model_rules import Occasion, Place, Rules
from faults.retiring import KEEPING, send

from local_cloud.invariants import Timetable

if TYPE_CHECKING:
    from faults.model_steps import Act, Step
    from faults.stack import Event, Properties

_HOUR, _DAY = 3600, 86_400
TEMPLATES: Final[dict[str, Properties]] = {
    "kept": KEEPING,
    "long": KEEPING | {"GracePeriod": str(2 * _DAY), "RetentionPeriod": str(_DAY)},
    "at once": KEEPING | {"GracePeriod": "0"},
    "unused": KEEPING | {"RetireWhenUnusedFor": str(_DAY), "RetireAtLatest": str(3 * _DAY), "MaximumAge": str(_DAY)},
    "replacing": KEEPING | {"OnKeyLimit": "RetirePrevious"},
    "removing": KEEPING | {"OnKeyLimit": "RemoveUnused", "RemoveUnusedAfter": str(400 * _DAY)},
    "deferred": KEEPING | {"GracePeriod": "0", "CutOver": "Deferred"},
}
_POLICY: Final = {name for template in TEMPLATES.values() for name in template}
_NO_LONGER_DELIVERED: Final = timedelta(hours=6)


@dataclass
class RotatingLife(Life):
    """A life with time in it.

    Attributes:
        keys: what has happened to each key.
        registered: the templates that may have left their mark last, by the secret.
        made_for: the serials that a key was current for.
        taken_back: the keys that an undo has replaced.
        deploying: whether a deployment is not settled.
        interrupted: what waits for its retry, and where.
        requested: the template that is being deployed.
        deleting: whether the key that is deployed is being deleted.
        troubled: whether a fault was met by what came last.
        records_left: whether a fault was met by what came last and not too late, so that a record may be left.
        half_undone: whether an undo was interrupted.
        untidy: whether tags could not be removed, which do no harm.
        lived_on: whether something happened between a request and what follows it.
        sent: when requests were made, and for which place.
        delivered: how many events the function was called with.
    """

    keys: Chronicle = field(init=False)
    registered: dict[str, list[Properties]] = field(default_factory=dict)
    made_for: dict[str, set[str]] = field(default_factory=dict)
    taken_back: set[str] = field(default_factory=set)
    deploying: bool = False
    interrupted: set[tuple[str, Place | None]] = field(default_factory=set)
    requested: Properties | None = None
    deleting: bool = False
    troubled: bool = False
    records_left: bool = False
    half_undone: bool = False
    untidy: bool = False
    lived_on: bool = False
    sent: dict[str, tuple[datetime, Place]] = field(default_factory=dict)
    delivered: int = 0

    def __post_init__(self) -> None:
        """Begin to write down what happens."""
        self.keys = Chronicle(self.account)

    @property
    def now(self) -> datetime:
        """The time."""
        return self.account.clock.now()

    @property
    def place(self) -> Place | None:
        """The user and the secret that are deployed."""
        return _place(self.stack.known[1]) if self.stack.known else None

    @property
    def loose(self) -> set[str]:
        """What waits for its retry at the place that is deployed."""
        return {left for left, place in self.interrupted if place == self.place and place}

    def take(self, step: Step) -> None:
        """Take a step, and check all that a user may see then."""
        self.deploying = True
        self.lived_on = False
        super().take(step)
        self.requested, self.deleting = None, False

    def _live_on(self, step: Step) -> None:
        super()._live_on(step)
        self.lived_on = bool(step.meanwhile)
        lags, later, self.trouble_later = self.account.state.lags, self.trouble_later, None
        answers = len(self.stack.answers)
        for act in step.meanwhile:
            self.act(act)
        del self.stack.answers[answers:]
        self.account.state.lags, self.trouble_later = lags, later

    def _template(self) -> Properties:
        return self.stack.properties() | TEMPLATES["kept"]

    def _changed(self, change: str, known: Properties) -> Properties:
        name, _, value = change.partition(" ")
        if name != "policy":
            return super()._changed(change, known)
        return {key: value for key, value in known.items() if key not in _POLICY} | TEMPLATES[value]

    def _hand_over(self, event: Event) -> str | None:
        self.keys.begin()
        occasion, before = self._occasion(event), self.keys.current.copy()
        fired = sum(injection.fired for injection in self.account.injections)
        answer = send(self.stack, event)
        self.delivered += 1
        calls = self.account.log.entries
        self.untidy |= any(call.name == "secretsmanager:UntagResource" and call.outcome != "OK" for call in calls)
        self.keys.follow(occasion)
        self.troubled = sum(injection.fired for injection in self.account.injections) > fired
        self._note(event, occasion, answer)
        self._check_moves(occasion, before)
        return answer

    def _occasion(self, event: Event) -> Occasion:
        if event.get("ResourceType") == "Custom::IAMAccessKeyCutOver":
            properties = event["ResourceProperties"]
            labels = self.account.state.secrets[properties["SecretArn"]].labels.value
            current = labels["AWSCURRENT"] == properties["SecretVersionId"]
            return Occasion("CutOver", self.now, self._registered_place(event), self.place, self._rules(event), current)
        if "RequestType" in event:
            new = event["ResourceProperties"]
            return Occasion(event["RequestType"], self.now, _place(new), self.place, (Rules.of(new),))
        kind = event.get("Operation") or event["Step"]
        return Occasion(kind, self.now, self._registered_place(event), self.place, self._rules(event))

    def _candidates(self, event: Event) -> list[Properties]:
        """List the templates that may be the registered one of the secret that an event names."""
        secret = event["SecretId"] if "SecretId" in event else event["ResourceProperties"]["SecretArn"]
        return self.registered.get(secret, [])

    def _registered_place(self, event: Event) -> Place | None:
        candidates = self._candidates(event)
        return _place(candidates[-1]) if candidates else None

    def _rules(self, event: Event) -> tuple[Rules, ...]:
        return tuple(Rules.of(properties) for properties in self._candidates(event))

    def _note(self, event: Event, occasion: Occasion, answer: str | None) -> None:
        """Note which template counts now, and what waits for its retry."""
        if not occasion.deploys:
            self.records_left = self.troubled
            if answer == "SUCCESS" and not self.troubled:
                self.interrupted.discard((_left_by(occasion.kind), occasion.place))
            elif answer != "SUCCESS" and self.troubled and not self._is_refused(occasion):
                self.interrupted.add((_left_by(occasion.kind), occasion.place))
                self.half_undone |= occasion.kind == "Undo"
            if self.half_undone:
                # The key to go back to may be that of the serial already.
                self.by_serial.clear()
            return
        properties = event["ResourceProperties"]
        secret = properties["SecretArn"]
        self.sent.setdefault(event["RequestId"], (occasion.begins, _place(properties)))
        if self._is_late(event):
            return
        self.records_left = self.troubled
        self.deleting = occasion.kind == "Delete" and occasion.place == self.place
        if occasion.kind != "Delete":
            self.requested = properties
            before = [] if answer == "SUCCESS" else self.registered.get(secret, [])
            self.registered[secret] = [*before, properties]
        elif answer == "SUCCESS":
            self.registered.pop(secret, None)
            if self.stack.known and self.stack.known[1]["SecretArn"] == secret and self.place != occasion.place:
                self.registered[secret] = [self.stack.known[1]]
        if answer == "SUCCESS":
            self.interrupted = {left for left in self.interrupted if left[1] != occasion.place}

    @staticmethod
    def _is_refused(occasion: Occasion) -> bool:
        """Tell whether nothing is done on an occasion: a key that is declared Inactive is not rotated."""
        return occasion.kind.endswith("Secret") and all(rules.inactive for rules in occasion.rules)

    def _is_late(self, event: Event) -> bool:
        time, place = self.sent[event["RequestId"]]
        return any(time < later for later, where in self.sent.values() if where == place)

    def _check_moves(self, occasion: Occasion, before: dict[str, str | None]) -> None:
        """Check that nothing but a deployment, the end of a rotation or an undo changes which key is current."""
        moved = {arn for arn, key in self.keys.current.items() if before.get(arn) != key}
        if occasion.deploys:
            return
        assert not moved or occasion.kind in {"finishSecret", "Undo"}, f"{occasion.kind} changed the current key"
        for arn in moved:
            new, old = self.keys.current[arn], before.get(arn)
            assert new not in self.taken_back, f"{occasion.kind} brought {new} back"
            if occasion.kind == "Undo" and old:
                self.taken_back.add(old)
            serials = {properties["Serial"] for properties in self.registered.get(arn, [])}
            self.made_for.setdefault(str(new), set()).update(serials)
            for serial in serials:
                place = (*self.keys.keys[str(new)].place, serial)
                self.by_serial.pop(place, None)
                if len(serials) == 1:
                    self.by_serial[place] = str(new)

    def _deliver_late(self, event: Event) -> None:
        if self.now - self.sent[event["RequestId"]][0] > _NO_LONGER_DELIVERED:
            return
        if self._is_late(event):
            super()._deliver_late(event)
            return
        # The latest request does what has become due since, as a look would.
        ours = self.deletable
        before = ours & set(self.keys.current.values())
        self._send(event)
        assert self.deletable - ours == set(), "it came again and made a key"
        assert self.deletable & set(self.keys.current.values()) == before, "it came again and changed the current key"
        self.check()

    def _snapshot(self) -> object:
        state = self.account.state
        records = [secret.tags.value for secret in state.secrets.values()]
        return super()._snapshot(), records, set(state.schedules)

    def _told(self) -> tuple[object, object]:
        physical_id, key = super()._told()
        # What is current may change between a request and its redelivery.
        return physical_id, None if self.lived_on else key

    def _make_room(self, user: str) -> None:
        super()._make_room(user)
        self.pass_hours(20 * 24)

    def pass_hours(self, hours: float) -> None:
        """Let time pass, and every look come when it is due."""
        raise NotImplementedError

    def act(self, act: Act) -> None:
        """Let something happen."""
        raise NotImplementedError

    def _check_key(self, event: Event, before: str | None, deployed: tuple[str, Properties] | None) -> None:
        """Check which key is current: the last one of the serial that exists and was not taken back."""
        del event, before
        known, current = self.stack.known, self.current()
        if known is None or (deployed and deployed[0] != known[0]):
            self.by_serial.clear()
        if known is None:
            return
        assert current
        serial = (*_place(known[1]), known[1]["Serial"])
        expected = self.by_serial.get(serial)
        if expected in self.deletable - self.taken_back and not self.labels_lost:
            assert current == expected, f"{current} is current instead of {expected}"
        assert current not in self.taken_back, f"{current} was taken back, and is current again"
        serials = self.made_for.setdefault(current, {known[1]["Serial"]})
        assert known[1]["Serial"] in serials, f"{current} was made for {serials}"
        self.by_serial[serial] = current

    def check(self) -> None:
        """Check what holds at rest, unless something waits for its retry."""
        self.deploying = False
        self.check_always()
        if not self.loose:
            super().check()

    def check_always(self) -> None:
        """Check what holds at every moment: whoever reads the secret gets a key that works, and nobody has three."""
        self.stack.check_always()
        for user in self.account.state.users.values():
            assert len(user.living_keys()) <= 2, f"{user.name} has {len(user.living_keys())} keys"
        if not self.stack.known or self.changed_by_hand or self.deleting:
            return
        known = self.stack.known[1]
        _, status = self.stack.current_key(known["SecretArn"])
        allowed = {known["Status"], *([self.requested["Status"]] if self.requested else [])}
        assert status in allowed, f"the current key is {status}\n{self.account.log}"

    @property
    def timetable(self) -> Timetable:
        """What replaced keys are checked against."""
        return Timetable(self.now, set(self.account.state.schedules))

    def unforgiven(self, found: list[str]) -> list[str]:
        """Leave out records that could not be dropped, and what a template leaves Inactive."""
        # A key that nobody used when it was replaced stays Inactive, though its record begins with a grace period.
        idle = {f"replaced key {key.id} is Inactive, and" for key in self.keys.keys.values() if key.idle}
        if self.records_left:
            found = [problem for problem in found if not problem.startswith("a record tells")]
        return [problem for problem in found if not problem.startswith(tuple(idle))]


def _place(properties: Properties) -> Place:
    return properties["UserName"], properties["SecretArn"]


def _left_by(kind: str) -> str:
    return "rotation" if kind.endswith("Secret") else "retirement"
