"""How long a machine may use the previous key: what docs/consumers.md says of the grace period."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from iam_access_key_client.renewal import SETTLED, Version, renewed
from iam_access_key_client.state import KeyPair, State, StoredKey, expiration, is_due, promised

SAID = re.search(
    r"\*\*interval \+ (\d+) minutes\*\*", (Path(__file__).parents[2] / "docs" / "consumers.md").read_text("utf-8")
)
OLD, NEW = KeyPair("AKIA0000000000000001", "a" * 40), KeyPair("AKIA0000000000000002", "b" * 40)


@dataclass
class Aws:
    """A secret whose key is another one from a moment on."""

    rotated: float
    now: float = 0
    reads: list[float] = field(default_factory=list)

    def read_current(self, pair: KeyPair) -> Version:
        """Return the version that is current."""
        del pair
        self.reads.append(self.now)
        key, made = (NEW, self.rotated) if self.now >= self.rotated else (OLD, -86400.0)
        text = f'{{"accessKeyId": "{key.access_key_id}", "secretAccessKey": "{key.secret_access_key}"}}'
        return Version(key.access_key_id, made, self.now, text)

    def works(self, pair: KeyPair) -> bool:
        """Both keys work."""
        del pair
        return True

    def acknowledge(self, pair: KeyPair, consumer: str) -> None:
        """Nobody is told."""


def last_use(interval: float, rotated: float, asks: list[float]) -> float:
    """Return until when a program may use the previous key, if programs ask at these times."""
    state = State("arn", StoredKey(OLD, OLD.access_key_id))
    aws = Aws(rotated)
    latest = 0.0
    for now in sorted(asks):
        aws.now = now
        if is_due(state, now, interval):
            state, _ = renewed(state, now, aws)
        state = promised(state, now, interval)
        if state.current.pair == OLD:
            latest = max(latest, expiration(state, now, interval))
    assert latest > rotated
    return latest - rotated


@pytest.mark.parametrize("interval", [60.0, 1800.0, 7200.0])
def test_no_program_uses_the_previous_key_longer_than_the_page_says(interval: float) -> None:
    """However many ask, at whatever moments: a read right before the rotation or within the first minute above all."""
    assert SAID
    most = interval + int(SAID.group(1)) * 60
    chance = random.Random(17)
    found = 0.0
    for _ in range(300):
        rotated = interval * 2
        reads = [rotated + chance.choice([-0.1, SETTLED - 0.1, chance.uniform(-interval, SETTLED)])]
        asks = reads + [chance.uniform(0, rotated + 3 * interval) for _ in range(chance.choice([0, 3, 200]))]
        asks += [reads[0] + interval - 0.1, rotated - interval]
        found = max(found, last_use(interval, rotated, asks))
    assert most - 1 < found <= most
