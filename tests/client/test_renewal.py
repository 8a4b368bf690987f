"""Which key is used and stored, decided without any AWS, file or clock."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import pytest

from iam_access_key_client.errors import DeniedError, RefusedError, UnavailableError
from iam_access_key_client.renewal import Version, acknowledged, is_acknowledgement_due, merged, renewed
from iam_access_key_client.state import LEAD, KeyPair, State, StoredKey, expiration, is_due, named, promised

INTERVAL = 1800
NOW = 1_000_000.0
ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:deploy-AbCdEf"
K1, K2, K3 = (KeyPair(f"AKIA{number:016}", f"{number:040}") for number in (1, 2, 3))


@dataclass
class Cloud:
    """AWS as a dictionary."""

    current: KeyPair = K1
    text: str = ""
    age: float = 3600
    ahead: float = 0
    active: set[KeyPair] = field(default_factory=lambda: {K1, K2, K3})
    denied: bool = False
    down: bool = False
    sts_down: bool = False
    reads: list[KeyPair] = field(default_factory=list)
    acknowledgements: list[tuple[KeyPair, str]] = field(default_factory=list)

    def read_current(self, pair: KeyPair) -> Version:
        """Read."""
        self.reads.append(pair)
        if self.down:
            raise UnavailableError("down")
        if pair not in self.active:
            raise RefusedError("refused")
        if self.denied:
            raise DeniedError("denied")
        text = self.text or json.dumps(
            {"accessKeyId": self.current.access_key_id, "secretAccessKey": self.current.secret_access_key}
        )
        now = NOW + self.ahead
        return Version(f"version of {self.text or self.current.access_key_id}", now - self.age, now, text)

    def works(self, pair: KeyPair) -> bool:
        """Check."""
        if self.sts_down:
            raise UnavailableError("down")
        return pair in self.active

    def acknowledge(self, pair: KeyPair, consumer: str) -> None:
        """Acknowledge."""
        if self.denied:
            raise DeniedError("denied")
        self.acknowledgements.append((pair, consumer))


def version_of(pair: KeyPair) -> str:
    """Name the version of a key."""
    return f"version of {pair.access_key_id}"


def stored(current: KeyPair = K1, previous: KeyPair | None = None, **changes: object) -> State:
    """Return a state that was read long ago."""
    state = State(ARN, StoredKey(current, version_of(current)), previous and StoredKey(previous, version_of(previous)))
    return replace(state, **changes)


def test_read_comes_when_the_interval_is_over() -> None:
    """Not a second before; and a clock that was set back does not stop it."""
    state = stored(read_at=NOW, tried_at=NOW)
    assert not is_due(state, NOW + INTERVAL - 1, INTERVAL)
    assert is_due(state, NOW + INTERVAL, INTERVAL)
    assert is_due(state, NOW - 7200, INTERVAL)


def test_failed_read_is_repeated_after_a_pause() -> None:
    """An outage costs a call a minute, not one for each credentials that an SDK asks for."""
    state = stored(read_at=NOW - INTERVAL, tried_at=NOW)
    assert not is_due(state, NOW + 59, INTERVAL)
    assert is_due(state, NOW + 60, INTERVAL)
    assert not is_due(state, NOW + 1, 2)
    assert is_due(state, NOW + 2, 2)


def test_same_version_changes_nothing_but_the_time() -> None:
    """No other call is made."""
    cloud = Cloud(sts_down=True)
    assert renewed(stored(), NOW, cloud) == (stored(read_at=NOW, tried_at=NOW), ())


def test_newer_key_that_works_is_used_and_the_older_is_kept() -> None:
    """The key until now stays: after an undo, only it works."""
    state, notes = renewed(stored(K1), NOW, Cloud(current=K2))
    assert (state.current.pair, state.previous and state.previous.pair) == (K2, K1)
    assert (state.current.version_id, notes) == (version_of(K2), ())


@pytest.mark.parametrize("ahead", [-86_400, 0, 86_400])
def test_key_of_the_last_minute_is_not_used_yet(ahead: float) -> None:
    """Its age is measured by the clock of AWS: this host's may be a day off."""
    assert renewed(stored(), NOW, Cloud(current=K2, age=59, ahead=ahead)).state.current.pair == K1
    assert renewed(stored(), NOW, Cloud(current=K2, age=60, ahead=ahead)).state.current.pair == K2


def test_newer_key_that_does_not_work_is_not_used() -> None:
    """A note says so."""
    state, notes = renewed(stored(), NOW, Cloud(current=K2, active={K1}))
    assert state == stored(read_at=NOW, tried_at=NOW)
    assert K2.access_key_id in notes[0]


def test_newer_key_that_cannot_be_checked_is_tried_again_after_the_pause() -> None:
    """The read counts as failed."""
    state, notes = renewed(stored(), NOW, Cloud(current=K2, sts_down=True))
    assert state.current.pair == K1
    assert is_due(state, NOW + 60, INTERVAL)
    assert notes


def test_undo_is_followed() -> None:
    """AWSCURRENT moves to an older version, and the key that was current is deactivated at once."""
    cloud = Cloud(current=K1, active={K1})
    state, _ = renewed(stored(K2, K1), NOW, cloud)
    assert cloud.reads == [K2, K1]
    assert (state.current.pair, state.previous and state.previous.pair) == (K1, K2)
    assert not state.refused


def test_refused_key_gives_way_to_the_other_that_reads_a_third() -> None:
    """A rotation during a rotation: the stored key is gone, the one before is not."""
    state, _ = renewed(stored(K2, K1), NOW, Cloud(current=K3, active={K1, K3}))
    assert (state.current.pair, state.previous and state.previous.pair) == (K3, K1)


def test_refused_keys_are_not_given_out() -> None:
    """Both are gone: the host was away for too long. When it is found that one works again, that ends."""
    state, _ = renewed(stored(K2, K1), NOW, Cloud(current=K3, active={K3}))
    assert state.refused
    assert state.current.pair == K2
    assert not renewed(state, NOW + 60, Cloud(current=K2)).state.refused


def test_key_that_may_not_read_is_given_out() -> None:
    """It works; only its renewal was not declared, which the note names."""
    state, (note,) = renewed(stored(), NOW, Cloud(denied=True))
    assert state.current.pair == K1
    assert "grant_self_renewal" in note


def test_outage_leaves_everything_as_it_is() -> None:
    """A note says that the secret could not be read."""
    state, (note,) = renewed(stored(), NOW, Cloud(down=True))
    assert state == stored(tried_at=NOW)
    assert "could not be read" in note


def test_text_that_is_no_key_is_refused() -> None:
    """The stored key stays in use, and nothing of the text is in the note."""
    state, (note,) = renewed(stored(), NOW, Cloud(text='{"password": "hunter2hunter2"}'))
    assert state == stored(read_at=NOW, tried_at=NOW)
    assert "hunter2" not in note


def test_enrolled_key_learns_its_version() -> None:
    """The pair tells which version it is."""
    begun = State(ARN, StoredKey(K1))
    assert renewed(begun, NOW, Cloud()).state.current.version_id == version_of(K1)


def test_promise_covers_all_calls_of_an_interval() -> None:
    """One write an interval is enough to know until when a key may be in an SDK's memory.

    Whenever an SDK asks, it asks again when the secret is to be read: else it could keep a key for another interval.
    """
    state = promised(stored(read_at=NOW, tried_at=NOW), NOW, INTERVAL)
    assert expiration(state, NOW, INTERVAL) == NOW + LEAD + INTERVAL
    for second in range(0, INTERVAL, 100):
        assert promised(state, NOW + second, INTERVAL) is state
        assert expiration(state, NOW + second, INTERVAL) == NOW + LEAD + INTERVAL
    assert promised(state, NOW + INTERVAL + 1, INTERVAL) != state


def test_expiration_while_nothing_can_be_read() -> None:
    """An SDK asks again when the next try comes; at once while another process tries."""
    failing = stored(read_at=NOW - INTERVAL, tried_at=NOW)
    assert expiration(failing, NOW + 10, INTERVAL) == NOW + 60 + LEAD
    assert expiration(stored(read_at=NOW, tried_at=NOW), NOW + 2 * INTERVAL, INTERVAL) == NOW + 2 * INTERVAL + LEAD
    assert expiration(stored(read_at=NOW, tried_at=NOW), NOW - 7200, INTERVAL) == NOW - 7200 + INTERVAL + LEAD


def test_promise_of_a_dropped_key_is_kept() -> None:
    """Three keys in one lease: the third is acknowledged when the credentials of both others have expired."""
    state = promised(stored(K1, consumer="ci"), NOW, INTERVAL)
    until = state.current.given_out_until
    state = renewed(state, NOW, Cloud(current=K2)).state
    state = renewed(state, NOW, Cloud(current=K3)).state
    assert (state.current.pair, state.previous and state.previous.pair) == (K3, K2)
    assert not is_acknowledgement_due(state, until - 1)
    assert is_acknowledgement_due(state, until)


def test_acknowledged_once_all_other_credentials_have_expired() -> None:
    """Once, with the key in use, under the name."""
    cloud = Cloud(current=K2)
    state = renewed(promised(stored(K1, consumer="ci"), NOW, INTERVAL), NOW, cloud).state
    until = state.previous.given_out_until if state.previous else 0
    assert acknowledged(state, until - 1, cloud).state == state
    state = acknowledged(state, until, cloud).state
    assert acknowledged(state, until + 1, cloud).state == state
    assert cloud.acknowledgements == [(K2, "ci")]
    assert state.acknowledged == version_of(K2)


def test_acknowledged_anew_each_day_and_after_another_key() -> None:
    """An event may be lost; and after an undo only what was said since counts."""
    state = stored(K1, consumer="ci", read_at=NOW, tried_at=NOW, acknowledged=version_of(K1), acknowledged_at=NOW)
    assert not is_acknowledgement_due(state, NOW + 86399)
    assert is_acknowledgement_due(state, NOW + 86400)
    assert is_acknowledgement_due(state, NOW - 1)
    moved = renewed(state, NOW, Cloud(current=K2)).state
    back = renewed(moved, NOW, Cloud(current=K1)).state
    assert (back.current.pair, back.acknowledged) == (K1, None)
    assert acknowledged(back, NOW, Cloud(current=K1)).state.acknowledged == version_of(K1)


@pytest.mark.parametrize(
    "changes",
    [
        {"consumer": None},
        {"current": StoredKey(K2)},
        {"read_at": NOW - 1},
        {"files": {"/etc/key": K1.access_key_id}},
        {"files": {"/etc/key": ""}},
        {"acknowledged": version_of(K2), "acknowledged_at": NOW},
    ],
)
def test_not_acknowledged(changes: dict[str, object]) -> None:
    """Without a name, a version or a read that succeeded; while a file has another key; or twice."""
    state = stored(K2, K1, consumer="ci", read_at=NOW, tried_at=NOW)
    assert is_acknowledgement_due(state, NOW)
    assert not is_acknowledgement_due(replace(state, **changes), NOW)


def test_denied_acknowledgement_is_repeated() -> None:
    """It harms nothing else, and a note says so."""
    state = stored(K2, consumer="ci", read_at=NOW, tried_at=NOW)
    after, (note,) = acknowledged(state, NOW, Cloud(denied=True))
    assert after == state
    assert "acknowledged" in note


def test_another_name_acknowledges_anew() -> None:
    """What was said under the former name does not count; the same name, or none, changes nothing."""
    state = stored(consumer="ci", acknowledged=version_of(K1))
    assert named(state, "vendor").acknowledged is None
    assert named(state, "ci") is named(state, None) is state


def test_what_others_stored_meanwhile_is_kept() -> None:
    """A key given out, a file written or a key enrolled during a read is not forgotten."""
    before = stored(K1, consumer="ci")
    planned = renewed(before, NOW, Cloud(current=K2)).state
    found = replace(promised(before, NOW, INTERVAL), files={"/etc/key": K1.access_key_id})
    state = merged(planned, before, found)
    assert state.current.pair == K2
    assert state.previous
    assert state.previous.given_out_until == found.current.given_out_until
    assert state.files == found.files
    assert merged(planned, before, stored(K3)) == stored(K3)


def test_secrets_are_not_in_a_repr() -> None:
    """Whatever prints a state prints no secret."""
    assert K1.secret_access_key not in repr(stored())
    assert "text" not in repr(Version("1", 0, 0, "text-of-the-secret")).replace("Version", "")
