"""What happens to a key that is kept besides its deployments: time, use, looks, rotations, undo, a person's hands."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from fakes.lags import Lags
from fakes.scheduler import waiting
from faults.model_hands import HANDS
from faults.model_rotation import RotatingLife
from faults.model_steps import Act
from faults.retiring import STEPS, cut_over, look, undo, wait_for

if TYPE_CHECKING:
    from fakes.scheduler import OneTimeSchedule
    from faults.model_place import Places
    from faults.model_rules import Key
    from faults.model_steps import Step
    from faults.stack import Event, Properties

_HOURS: Final = (0.5, 3, 26, 200)
_LATE: Final = (600, 5 * 3600, 80 * 3600)
_LAMBDA_TRIES: Final = 3
_MOST_LOOKS: Final = 200
_UNTIL_THE_END: Final = 30 * 24
_MARKS: Final = ("cdk-iam-access-key:tombstone:", "cdk-iam-access-key:request:")
_KEEP_FOR_ROLLBACK: Final = timedelta(days=1)
_A_WHILE: Final = timedelta(minutes=10)
FOREIGN_HANDS: Final = (
    "makes and uses a key",
    "deletes a foreign key",
    "deactivates a foreign key",
)


@dataclass
class Rotation:
    """A rotation of Secrets Manager that is not finished.

    Attributes:
        secret_arn: the secret.
        token: the id of the pending version, and `rotation_token` what its writer must show.
        done: how many of the steps have succeeded, of this try.
        key: the key that was stored for it.
        undisturbed: whether nothing else has happened since it began.
    """

    secret_arn: str
    token: str
    rotation_token: str
    done: int = 0
    key: str | None = None
    undisturbed: bool = True

    def event(self) -> Event:
        """Make the event of the next step."""
        return {
            "Step": STEPS[self.done],
            "SecretId": self.secret_arn,
            "ClientRequestToken": self.token,
            "RotationToken": self.rotation_token,
        }


def deactivate_current(life: Places) -> None:
    """Deactivate the key that is in use."""
    key = life.current()
    if key in life.deletable:
        life.changed_by_hand = True
        life.account.person.deactivate_key(str(key))


OUR_HANDS: Final = (deactivate_current, HANDS["deletes a key of ours"], HANDS["puts a value"])


@dataclass
class LongLife(RotatingLife):
    """A life in which everything happens that happens to keys.

    Attributes:
        rotation: the rotation of Secrets Manager that is not finished.
        rotations: how many have begun.
    """

    rotation: Rotation | None = None
    rotations: int = 0

    def act(self, act: Act) -> None:
        """Let something happen, and check all that a user may see then."""
        self.account.state.lags = Lags(**dict(act.lags))
        getattr(self, act.kind)(act)
        self.account.heal()
        self.account.state.lags = Lags()
        self._hear()
        if self.deploying or self.changed_by_hand:
            self.check_always()
        else:
            self.check()

    def take(self, step: Step) -> None:
        """Take a step; a rotation that is not finished meets what it has done."""
        if self.rotation:
            self.rotation.undisturbed = False
        super().take(step)
        if self.rotation and self.stack.known and self.stack.known[1]["SecretArn"] != self.rotation.secret_arn:
            self.rotation = None

    def wait(self, act: Act) -> None:
        """Let time pass, with all looks that are due."""
        self.pass_hours(_HOURS[act.choice % len(_HOURS)])

    def pass_hours(self, hours: float) -> None:
        """Let time pass, and every look come when it is due."""
        until = self.now + timedelta(hours=hours)
        for _ in range(_MOST_LOOKS):
            schedule = self._next()
            if schedule is None or schedule.at > until:
                break
            wait_for(self.stack, schedule)
            self._fire(schedule)
        else:
            raise AssertionError("looks are scheduled for ever")
        self.account.clock.sleep((until - self.now).total_seconds())

    def fire(self, act: Act) -> None:
        """Let the next schedule fire: when it is due, late, twice, or lose it."""
        schedule = self._next()
        if schedule is None:
            return
        wait_for(self.stack, schedule)
        if act.choice % 5 == 0:
            self.account.clock.sleep(_LATE[act.choice % len(_LATE)])
        self._inject(act.trouble)
        if act.choice % 7 == 0:
            del self.account.state.schedules[schedule.name]
            return
        self._fire(schedule)
        if act.choice % 3 == 0:
            self._look(json.loads(schedule.input))

    def look(self, act: Act) -> None:
        """Let somebody look whenever it pleases him."""
        if self.stack.known:
            self._inject(act.trouble)
            self._look(look(self.stack, self.stack.known[1]["SecretArn"]))

    def use(self, act: Act) -> None:
        """Let the current key be used, or those that it has replaced."""
        current = set(self.keys.current.values())
        for key in list(self.keys.keys.values()):
            if key.status == "Active" and key.rank and (key.id in current) == bool(act.choice % 3 == 0):
                self.keys.use(key.id)
        self.account.clock.sleep(1)

    def _next(self) -> OneTimeSchedule | None:
        return next(iter(waiting(self.account.state)), None)

    def _fire(self, schedule: OneTimeSchedule) -> None:
        self.account.state.schedules.pop(schedule.name, None)
        for _ in range(_LAMBDA_TRIES):
            if self._look(json.loads(schedule.input)) == "SUCCESS":
                return

    def _look(self, event: Event) -> str | None:
        """Look; nothing is retired while the current key does not work."""
        arn = event["SecretId"]
        self.keys.begin()
        current, before = self.keys.current.get(arn), self._statuses()
        works = current is None or self.account.state.keys[current][0].status.value == "Active"
        answer = self._send(event)
        declared_inactive = any(rules.inactive for rules in self._rules(event))
        if not works and not declared_inactive:
            assert self._statuses() == before, "a key was retired though the current one does not work"
        return answer

    def _statuses(self) -> dict[str, str | None]:
        return {key.id: self.account.state.keys[key.id][0].status.value for key in self.keys.keys.values()}

    def rotate(self, act: Act) -> None:
        """Let Secrets Manager go on with a rotation, or begin one: so many steps, unless one fails."""
        self._begin_rotation()
        if self.rotation and act.choice % 5 == 0:
            self.rotation.done = 0
        self._inject(act.trouble)
        for _ in range(1 + act.choice % 4):
            if self.rotation is None or not self._rotate_on(expected=not act.trouble and not act.lags):
                break

    def _begin_rotation(self) -> None:
        if self.rotation or not self.stack.known:
            return
        arn = self.stack.known[1]["SecretArn"]
        labels = self.account.state.secrets[arn].labels.value
        pending = labels.get("AWSPENDING")
        token = pending if pending and pending != labels.get("AWSCURRENT") else None
        if token is None:
            self.rotations += 1
            token = f"11111111-2222-4333-8444-{self.rotations:012}"
        if not self.loose and not self.changed_by_hand and not self.deploying:
            self.account.clock.sleep(60)
        self.rotation = Rotation(arn, token, self.account.person.begin_rotation(arn, token))

    def _rotate_on(self, *, expected: bool) -> bool:
        """Take the next step of the rotation, and tell whether it succeeded; else all begins anew."""
        rotation = self.rotation
        assert rotation
        must = expected and self._must_rotate(rotation)
        step, living = STEPS[rotation.done], self.deletable
        succeeded = self._send(rotation.event()) == "SUCCESS"
        assert succeeded or not must, f"{step} failed\n{self.account.log}"
        self._check_step(rotation, step, living, succeeded=succeeded)
        if succeeded and rotation.done == len(STEPS) - 1:
            self.rotation = None
        elif succeeded:
            rotation.done += 1
        else:
            rotation.done = 0
            rotation.undisturbed = rotation.undisturbed and expected
            if self.account.state.secrets[rotation.secret_arn].labels.value.get("AWSPENDING") != rotation.token:
                self.rotation = None
        return succeeded

    def _check_step(self, rotation: Rotation, step: str, living: set[str], *, succeeded: bool) -> None:
        """Check that a step makes one key for its token at most, and that the last one makes it current."""
        made = self.deletable - living
        assert not made or step == "createSecret", f"{step} made {made}"
        if not succeeded:
            return
        stored = self.keys._key_of(rotation.secret_arn, rotation.token)
        if step == "createSecret":
            assert stored in self.deletable, "createSecret succeeded, and stored no key that exists"
            assert made <= {stored}, f"createSecret made {made} and stored {stored}"
            assert rotation.key in {None, stored}, f"the same token has {rotation.key} and {stored}"
            rotation.key = stored
        if step == "finishSecret":
            assert self.keys.current[rotation.secret_arn] == stored, (
                "the rotation succeeded, and its key is not current"
            )

    def _must_rotate(self, rotation: Rotation) -> bool:
        """Tell whether a step must succeed: nothing is in its way, and there is room for a key."""
        if not self.place or self.deploying or self.loose or self.changed_by_hand or not rotation.undisturbed:
            return False
        if self.stack.known and self.stack.known[1]["Status"] == "Inactive":
            return False
        user, arn = self.place
        others = self.living(user).keys() - {self.keys.current.get(arn), rotation.key}
        return rotation.secret_arn == arn and all(self._may_go(key) for key in others)

    def _may_go(self, key_id: str) -> bool:
        """Tell whether a rotation may remove a key for its own."""
        key = self.keys.keys.get(key_id)
        if key and not key.rank and key.created_by == "createSecret":
            return True
        if key is None or key.status != "Inactive" or key.replaced is None or not key.rank:
            return False
        return key.replaced_by not in {"Create", "Update"} or self.now > key.replaced + _KEEP_FOR_ROLLBACK + _A_WHILE

    def give_up(self, _act: Act) -> None:
        """Let a person take AWSPENDING off a rotation that is not finished."""
        if not self.stack.known:
            return
        arn = self.stack.known[1]["SecretArn"]
        labels = self.account.state.secrets[arn].labels.value
        if labels.get("AWSPENDING") not in {None, labels.get("AWSCURRENT")}:
            self.account.person.remove_label(arn, "AWSPENDING")
            self.rotation = None
            self.interrupted.add(("retirement", self.place))

    def undo(self, act: Act) -> None:
        """Let an operator or an alarm ask to go back, once or twice."""
        if not self.stack.known:
            return
        members = {"Alarm": "errors"} if act.choice % 2 else {}
        event = undo(self.stack, **members) | {"SecretId": self.stack.known[1]["SecretArn"]}
        self._inject(act.trouble)
        self._undo(event, automatic=bool(members), expected=not act.trouble and not act.lags)
        if act.choice % 3 == 0:
            self.account.heal()
            self._undo(event, automatic=bool(members), expected=not act.trouble and not act.lags)

    def _undo(self, event: Event, *, automatic: bool, expected: bool) -> None:
        arn = event["SecretId"]
        self.keys.begin()
        before, target = self.keys.current.get(arn), self._previous()
        sure = expected and not self.loose and not self.deploying and not self.changed_by_hand and not self.half_undone
        in_grace = self._in_grace(target, event)
        answer = self._send(event)
        after = self.keys.current.get(arn)
        assert after == before or target is None or after == target.id, f"an undo made {after} current"
        if after != before:
            assert self._statuses()[str(after)] == "Active"
            assert before is None or self.account.state.keys[before][0].status.value, f"an undo deleted {before}"
            assert not automatic or in_grace is not False, "an alarm went back after the grace period"
        if not sure:
            return
        if target is None:
            assert (answer == "SUCCESS") == automatic
        elif target.status and (in_grace or not automatic):
            assert (answer, after) == ("SUCCESS", target.id), f"an undo did not go back to {target}\n{self.account.log}"
            assert self.living(target.place[0])[str(before)] == "Inactive", "the bad key still works"

    def _previous(self) -> Key | None:
        """Find the key that an undo goes back to."""
        known = self.stack.known
        if known is None or known[1]["Status"] == "Inactive" or self.place is None:
            return None
        current = self.keys.keys.get(self.keys.current.get(self.place[1]) or "")
        earlier = [
            key
            for key in self.keys.keys.values()
            if current
            and key.status
            and key.place == self.place
            and 0 < key.rank < current.rank
            and key.id not in self.taken_back
        ]
        return max(earlier, key=lambda key: key.rank, default=None)

    def _in_grace(self, key: Key | None, event: Event) -> bool | None:
        """Tell whether the grace period of a key goes on; None if it ends about now, or that depends."""
        if key is None or key.replaced is None:
            return None
        ends = {key.replaced + rules.grace for rules in self._rules(event)}
        return None if any(abs(end - self.now) < _A_WHILE for end in ends) or len(ends) != 1 else self.now < ends.pop()

    def cut_over(self, act: Act) -> None:
        """Let CloudFormation tell that all consumers use the current key."""
        if self.stack.known and not self.changed_by_hand:
            arn = self.stack.known[1]["SecretArn"]
            event = cut_over(self.stack, arn)
            self._inject(act.trouble)
            self._send(event)
            if act.choice % 2:
                self._send(event)

    def hand(self, act: Act) -> None:
        """Let a person change our keys, which the next deployment repairs."""
        if self.stack.known:
            OUR_HANDS[act.choice % len(OUR_HANDS)](self)

    def foreign(self, act: Act) -> None:
        """Let a person make, delete or deactivate other keys."""
        HANDS[FOREIGN_HANDS[act.choice % len(FOREIGN_HANDS)]](self)

    def end(self) -> None:
        """Let all time pass: only the current key is left, it can be rotated and undone, and then all is deleted."""
        self.account.state.lags, self.requested, self.trouble_later = Lags(), None, None
        if self.stack.known:
            self._come_to_rest(*self.stack.known)
            self._rotate_at_last()
            self._succeed("Delete", self.stack.known[1], self.stack.known[0])
            self.stack.known = None
            self.check()
        assert self.ours() == []
        for secret in self.account.state.secrets.values():
            left = [tag for tag in secret.tags.value if not tag.startswith(_MARKS)]
            assert self.untidy or left == [], f"the tags {left} are left on {secret.name}"

    def _come_to_rest(self, physical_id: str, properties: Properties) -> None:
        self._deploy_again(physical_id, properties)
        for key in self.stack.foreign.pop(properties["UserName"], {}):
            self.account.person.delete_key(key)
        self._finish_rotation()
        self._deploy_again(physical_id, properties)
        self.look(Act("look"))
        self.pass_hours(_UNTIL_THE_END)
        self._finish_rotation()
        self.pass_hours(_UNTIL_THE_END)
        assert not self.loose, f"{self.loose} is never retried"
        self.check()
        staying = {self.current(), self.rotation and self.rotation.key}
        assert {*self.ours(), None} == {*staying, None}, f"{self.ours()} are there, not {staying}\n{self.account.log}"

    def _deploy_again(self, physical_id: str, properties: Properties) -> None:
        """Deploy what is deployed, if a person has changed something or a rotation was left without a trace of it."""
        if self.changed_by_hand or ("rotation" in self.loose and not self.rotation):
            self._succeed("Update", properties, physical_id, properties)
            self.changed_by_hand = False

    def _finish_rotation(self) -> None:
        """Let Secrets Manager try again what is not finished, until it succeeds or gives up."""
        for _ in range(3 * len(STEPS)):
            if self.rotation:
                self._rotate_on(expected=False)

    def _rotate_at_last(self) -> None:
        """Rotate and undo once more, when nothing is in the way."""
        assert self.stack.known
        if self.stack.known[1]["Status"] == "Inactive" or self.rotation:
            return
        before = self.current()
        self.rotate(Act("rotate", 3))
        assert self.rotation is None, f"the key can't be rotated any more\n{self.account.log}"
        assert self.current() != before, "the rotation made no key"
        self.check()
        if self.half_undone:
            return
        self.undo(Act("undo", 2))
        assert self.current() == before, "the rotation can't be undone"
        self.check()
