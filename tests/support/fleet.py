"""A fleet of consumers through weeks of rotations, in simulated time: each host decides by the client's own rules.

Hosts are off for hours or days, reboot, have clocks that are hours off and are set, and can't reach Secrets Manager at
times. Their programs ask as SDKs do: the AWS CLI for each request, others when `Expiration` is near, `exec` never.
"""

from __future__ import annotations

import heapq
import json
from dataclasses import dataclass, field
from random import Random

from iam_access_key_client import renewal
from iam_access_key_client.errors import ClientError, RefusedError, UnavailableError
from iam_access_key_client.renewal import Version
from iam_access_key_client.state import KeyPair, State, StoredKey, expiration, is_due, promised

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
GRACE = DAY
INTERVAL = 30 * MINUTE
# A new key is refused for so long at an endpoint, at most.
PROPAGATION = 15.0
_ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:fleet-AbCdEf"
# How long before `Expiration` an SDK asks again; the AWS CLI asks each time. Measured, or read in their code.
_LEADS = {"botocore": 15 * MINUTE, "js": 5 * MINUTE, "go": 0.0, "cli": float("inf"), "exec": float("-inf")}


@dataclass
class Tally:
    """What has happened."""

    rotations: int = 0
    postponed: int = 0
    undone: int = 0
    retired: int = 0
    requests: int = 0
    refused: int = 0
    # Programs that could have signed with a key at the moment when it was deactivated.
    held: int = 0
    reads: int = 0
    host_days: float = 0.0
    slowest: float = 0.0


@dataclass(eq=False)
class Key:
    """An access key and the version of the secret that holds it."""

    pair: KeyPair
    version_id: str
    created: float
    is_active: bool = True
    replaced: float = 0.0
    is_taken_back: bool = False
    text: str = field(init=False)

    def __post_init__(self) -> None:
        """Write the value of the secret."""
        self.text = json.dumps({"accessKeyId": self.pair.access_key_id, "secretAccessKey": self.pair.secret_access_key})


class Provider:
    """Two keys at most. The previous one is Active for the grace period, and for those who have not acknowledged."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet, self._made = fleet, 0
        self.keys: dict[KeyPair, Key] = {}
        self.acknowledged: dict[str, tuple[KeyPair, float]] = {}
        self.current = self._new(-DAY)

    @property
    def previous(self) -> Key | None:
        """The other key."""
        return next((key for key in self.keys.values() if key is not self.current), None)

    def accepts(self, pair: KeyPair, now: float, lag: float) -> bool:
        """Tell whether a call is accepted by an endpoint that learns late of new keys."""
        key = self.keys.get(pair)
        return key is not None and key.is_active and now >= key.created + lag

    def rotate(self, now: float) -> bool:
        """Make another key current, if the one before has gone."""
        previous = self.previous
        if previous and previous.is_active and not self._may_go(previous, now):
            self._fleet.tally.postponed += 1
            return False
        if previous:
            self._deactivate(previous, now)
            del self.keys[previous.pair]
        self.current.replaced = now
        self.current = self._new(now)
        self._fleet.tally.rotations += 1
        return True

    def undo(self, now: float) -> None:
        """Make the previous key current again, and keep the other one as any that was replaced."""
        previous = self.previous
        if previous is None or previous.is_taken_back:
            return
        previous.is_active = self.current.is_taken_back = True
        self.current.replaced = now
        self.current = previous
        self._fleet.tally.undone += 1

    def step(self, now: float) -> float:
        """Sweep."""
        previous = self.previous
        if previous and previous.is_active and self._may_go(previous, now):
            self._deactivate(previous, now)
        return now + 5 * MINUTE

    def _may_go(self, key: Key, now: float) -> bool:
        if now < key.replaced + GRACE:
            return False
        given = (self.acknowledged.get(name) for name in self._fleet.awaited)
        return all(one is not None and one[0] == self.current.pair and one[1] >= key.replaced for one in given)

    def _deactivate(self, key: Key, now: float) -> None:
        if key.is_active:
            key.is_active = False
            tally = self._fleet.tally
            tally.retired += 1
            tally.slowest = max(tally.slowest, now - key.replaced)
            tally.held += sum(program.could_sign_with(key.pair, now) for program in self._fleet.programs)

    def _new(self, now: float) -> Key:
        self._made += 1
        pair = KeyPair(f"AKIA{self._made:016}", f"{self._made:040}")
        self.keys[pair] = Key(pair, f"version {self._made}", now)
        return self.keys[pair]


class Host:
    """A machine: what the client has stored on it, its clock, and whether it is on. It is what renewal asks AWS by."""

    def __init__(self, fleet: Fleet, number: int) -> None:
        self._fleet, self._random = fleet, fleet.random
        self.name = f"consumer-{number}"
        self.ahead = self._random.choice((0.0, 0.0, self._random.uniform(-5, 5) * HOUR))
        self.lag = self._random.uniform(0, PROPAGATION)
        self.off_until = self.cut_off_until = self._now = 0.0
        self.boots = 0
        self.programs: list[Program] = []
        key = fleet.provider.current
        self.file = key.pair
        self.state = State(_ARN, StoredKey(key.pair, key.version_id), consumer=self.name)

    def step(self, now: float) -> float:
        """Reboot, or let something go wrong."""
        random = self._random
        match random.choice(("reboot", "reboot", "off", "clock", "cut off")):
            case "reboot":
                self._turn_off(now, random.uniform(1, 10) * MINUTE)
            case "off":
                self._turn_off(
                    now, random.uniform(1, 10) * DAY if random.random() < 0.03 else random.uniform(1, 12) * HOUR
                )
            case "clock":
                self.ahead = random.uniform(-5, 5) * HOUR
            case _:
                self.cut_off_until = now + random.uniform(0, 12) * HOUR
        return now + random.expovariate(1 / (3 * DAY))

    def _turn_off(self, now: float, seconds: float) -> None:
        self.off_until = now + seconds
        self.boots += 1

    def credentials(self, now: float) -> tuple[KeyPair, float]:
        """Give out a key and its `Expiration`, as the command `credentials` does. Raises ClientError."""
        if not self._fleet.renews:
            return self.file, float("inf")
        self._now, clock, state = now, now + self.ahead, self.state
        if is_due(state, clock, INTERVAL):
            state = renewal.renewed(state, clock, self).state
            if all(program.pair == state.current.pair for program in self.programs if program.is_executed(now)):
                state = renewal.acknowledged(state, clock, self).state
        self.state = state
        if state.refused:
            raise RefusedError("all stored keys")
        self.state = promised(state, clock, INTERVAL)
        return self.state.current.pair, expiration(self.state, clock, INTERVAL)

    def read_current(self, pair: KeyPair) -> Version:
        """Read the secret."""
        self._fleet.tally.reads += 1
        if not self.works(pair):
            raise RefusedError("InvalidClientTokenId")
        key = self._fleet.provider.current
        return Version(key.version_id, key.created, self._now, key.text)

    def works(self, pair: KeyPair) -> bool:
        """Ask STS."""
        if self._now < self.cut_off_until:
            raise UnavailableError("no answer")
        return self._fleet.provider.accepts(pair, self._now, self.lag)

    def acknowledge(self, pair: KeyPair, consumer: str) -> None:
        """Put the event."""
        if not self.works(pair):
            raise RefusedError("InvalidClientTokenId")
        self._fleet.provider.acknowledged[consumer] = (pair, self._now)


class Program:
    """A program that signs a request now and then, from its start to its end, and then is started anew."""

    def __init__(self, fleet: Fleet, host: Host) -> None:
        self._fleet, self._random, self._host = fleet, fleet.random, host
        self.kind = self._random.choice(tuple(_LEADS))
        self._gap = self._random.choice((10 * MINUTE, 2 * HOUR, DAY))
        self._boots, self._ends = -1, 0.0
        self.pair: KeyPair | None = None
        self._expires = 0.0

    def step(self, now: float) -> float:
        """Sign a request, if the host is on."""
        if now < self._host.off_until:
            return self._host.off_until + self._random.uniform(0, 10) * MINUTE
        if self._boots != self._host.boots or now >= self._ends:
            self._boots = self._host.boots
            self._ends = now + self._random.uniform(0, 3 if self.kind == "exec" else 30) * DAY
            self.pair = None
        self._fleet.tally.requests += 1
        self._fleet.tally.refused += not self._is_accepted(now)
        return now + self._random.expovariate(1 / self._gap)

    def _is_accepted(self, now: float) -> bool:
        if self.pair is None or not self._is_kept(now):
            try:
                self.pair, self._expires = self._host.credentials(now)
            except ClientError:
                return False
        return self._fleet.provider.accepts(self.pair, now, self._host.lag)

    def _is_kept(self, now: float) -> bool:
        """Tell whether the SDK signs with what it has, without asking."""
        if not self._fleet.renews:
            return True
        return now + self._host.ahead < self._expires - _LEADS[self.kind]

    def _is_running(self, now: float) -> bool:
        return self._boots == self._host.boots and now < self._ends and now >= self._host.off_until

    def is_executed(self, now: float) -> bool:
        """Tell whether it was started by `exec`, which the client knows of, and runs."""
        return self.kind == "exec" and self.pair is not None and self._is_running(now)

    def could_sign_with(self, pair: KeyPair, now: float) -> bool:
        """Tell whether a request at this moment would be signed with a key."""
        return self.pair == pair and self._is_running(now) and self._is_kept(now)


class Operators:
    """Rotate each week, again during a rotation, and undo."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet, self._random = fleet, fleet.random
        self._weekly = 2 * DAY

    def step(self, now: float) -> float:
        """Do what comes next."""
        provider = self._fleet.provider
        if now < self._weekly:
            # In the middle of a rotation.
            provider.undo(now) if self._random.random() < 0.5 else provider.rotate(now)
            return self._weekly
        if not provider.rotate(now):
            self._weekly = now + DAY
            return self._weekly
        self._weekly = now + 7 * DAY
        return now + self._random.choice((1 * MINUTE, 2 * HOUR, 20 * HOUR, 3 * DAY, 7 * DAY))


class Fleet:
    """Hosts with programs, and a key that is rotated.

    Args:
        consumers: How many hosts.
        seed: Of all that is random.
        renews: Whether the hosts have the client, and retirement waits for them. Otherwise the key is in a file, which
            is written anew within six hours, and which a program reads when it starts.
    """

    def __init__(self, consumers: int, seed: int, *, renews: bool) -> None:
        self.renews, self.random, self.tally = renews, Random(seed), Tally()
        self.awaited = [f"consumer-{number}" for number in range(consumers)] if renews else []
        self.programs: list[Program] = []
        self.provider = Provider(self)
        self.hosts = [Host(self, number) for number in range(consumers)]
        for host in self.hosts:
            host.programs = [Program(self, host) for _ in range(self.random.randint(1, 3))]
            self.programs += host.programs

    def live(self, days: float) -> Tally:
        """Let time pass, and tell what has happened."""
        actors = [self.provider, Operators(self), *self.hosts, *self.programs, *([] if self.renews else [Files(self)])]
        coming = [(self.random.uniform(0, DAY), number) for number in range(len(actors))]
        heapq.heapify(coming)
        while coming[0][0] < days * DAY:
            now, number = coming[0]
            heapq.heapreplace(coming, (actors[number].step(now), number))
        self.tally.host_days = len(self.hosts) * days
        return self.tally


class Files:
    """Write the key into the file of each host that is on, every six hours."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def step(self, now: float) -> float:
        """Write."""
        for host in self._fleet.hosts:
            if now >= host.off_until:
                host.file = self._fleet.provider.current.pair
        return now + 6 * HOUR
