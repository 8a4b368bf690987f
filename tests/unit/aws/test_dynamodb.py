"""The ledger on the fake account: a strong read, a write on condition, and what becomes of answers that are lost."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from fakes.faults import (
    ACCESS_DENIED,
    CONNECTION_LOST,
    NOT_FOUND,
    SERVER_ERROR,
    THROTTLED,
    THROUGHPUT_EXCEEDED,
    TIMED_OUT,
    UNREACHABLE,
)
from fakes.lags import Lag
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.model.entries import KEYS, OWNERS, SECRET, entries

from access_key_provider.aws.dynamodb import SCHEMA, Ledger, StaleEntryError
from access_key_provider.model.entry import Claim, Entry, KeyRecord, KeyState, Lease, RequestStamp
from access_key_provider.model.errors import LedgerError

if TYPE_CHECKING:
    from fakes.aws import FakeAccount
    from fakes.faults import Fault

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def claim(user_name: str = "deploy", at: datetime = NOW, **changes: Any) -> Claim:
    """Make a claim."""
    return replace(Claim("stack", "Key", user_name, "role", "1", "Active", "x", RequestStamp(at, "r")), **changes)


def entry(secret_arn: str = SECRET, **claims: Claim) -> Entry:
    """Make an entry with a key and the claims that are named."""
    key = KeyRecord(KEYS[0], OWNERS[0], "deploy", KeyState.CURRENT, NOW)
    return Entry(secret_arn, claims=claims or {OWNERS[0]: claim()}, keys={key.id: key})


@pytest.fixture
def ledger(account: FakeAccount) -> Ledger:
    """Give the ledger that the environment names."""
    del account
    return Ledger()


def test_what_is_not_there_is_an_empty_entry(ledger: Ledger) -> None:
    """Its version says that it was never written."""
    assert ledger.read(SECRET) == Entry(SECRET)
    assert ledger.read(SECRET).version == 0


def test_an_entry_is_read_as_it_was_written(ledger: Ledger) -> None:
    """With the next version."""
    first = ledger.write(entry(), NOW)
    assert (first.version, replace(first, version=0, nonce="")) == (1, entry())
    assert ledger.read(SECRET) == first
    second = ledger.write(replace(first, checked=NOW), NOW)
    assert (second.version, second.nonce != first.nonce) == (2, True)
    assert ledger.read(SECRET) == second


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(made=entries)
def test_any_entry_goes_through_the_table(account: FakeAccount, ledger: Ledger, made: Entry) -> None:
    """The account takes what DynamoDB takes, and nothing else."""
    account.person.delete_entry(SECRET)
    written = ledger.write(replace(made, version=0, nonce=""), NOW)
    assert ledger.read(SECRET) == written


def test_an_item_is_one_that_a_person_can_read(account: FakeAccount, ledger: Ledger) -> None:
    """The entry is a map; what the indexes need stands beside it."""
    written = ledger.write(entry(), NOW)
    item = account.entries()[SECRET]
    assert item.keys() == {"secretArn", "schema", "version", "nonce", "entry", "sweep", "due", "userName"}
    assert (item["schema"], item["version"]) == ({"N": str(SCHEMA)}, {"N": "1"})
    assert item["due"] == {"N": str(int(NOW.timestamp()))}
    assert item["userName"] == {"S": "deploy"}
    assert item["entry"]["M"]["keys"]["M"][KEYS[0]]["M"]["state"] == {"S": "current"}
    assert written.nonce == item["nonce"]["S"]


# --- one writer


def test_a_write_over_a_version_that_is_not_there_any_more_is_refused(ledger: Ledger) -> None:
    """Whoever was slower sees what is there now, and goes on from it."""
    seen = ledger.write(entry(), NOW)
    faster = ledger.write(replace(seen, checked=NOW), NOW)
    with pytest.raises(StaleEntryError) as stale:
        ledger.write(replace(seen, undo_asked=NOW), NOW)
    assert stale.value.entry == faster == ledger.read(SECRET)


def test_of_two_first_writes_one_is_refused(ledger: Ledger) -> None:
    """Both have seen that nothing is there."""
    faster = ledger.write(entry(), NOW)
    with pytest.raises(StaleEntryError) as stale:
        ledger.write(Entry(SECRET), NOW)
    assert stale.value.entry == faster


def test_a_write_over_an_entry_that_was_deleted_is_refused(account: FakeAccount, ledger: Ledger) -> None:
    """By hand, or with the table: what is there now is nothing."""
    seen = ledger.write(entry(), NOW)
    account.person.delete_entry(SECRET)
    with pytest.raises(StaleEntryError) as stale:
        ledger.write(seen, NOW)
    assert stale.value.entry == Entry(SECRET)


def test_a_write_over_a_table_that_was_put_back_is_refused(account: FakeAccount, ledger: Ledger) -> None:
    """Another writer counts up to the same version from there: it is another entry all the same."""
    ledger.write(entry(), NOW)
    earlier = account.clock.now()
    account.clock.sleep(60)
    seen = ledger.write(replace(ledger.read(SECRET), checked=NOW), NOW)
    account.person.restore_table(to=earlier)
    other = ledger.write(replace(ledger.read(SECRET), undo_asked=NOW), NOW)
    assert other.version == seen.version
    with pytest.raises(StaleEntryError):
        ledger.write(seen, NOW)


# --- lost answers


@pytest.mark.parametrize("attempts", [1, 3])
@pytest.mark.parametrize("fault", [CONNECTION_LOST, TIMED_OUT, SERVER_ERROR])
def test_a_write_whose_answer_is_lost_is_known_by_its_nonce(
    account: FakeAccount, ledger: Ledger, fault: Fault, attempts: int
) -> None:
    """The SDK sends it again, and the condition does not hold any more: what is there is this writer's own."""
    injection = account.fail(fault, "dynamodb:PutItem", phase="after", attempts=attempts)
    written = ledger.write(entry(), NOW)
    assert injection.fired == attempts
    assert written.version == 1
    assert ledger.read(SECRET) == written
    assert ledger.write(written, NOW).version == 2


@pytest.mark.parametrize("fault", [CONNECTION_LOST, TIMED_OUT, SERVER_ERROR])
def test_a_write_is_sent_again_after_the_sdk_has_given_up(account: FakeAccount, ledger: Ledger, fault: Fault) -> None:
    """Its outcome is not known until then."""
    account.fail(fault, "dynamodb:PutItem", phase="after", times=2)
    assert ledger.write(entry(), NOW).version == 1


def test_a_lost_write_that_somebody_has_written_over_is_stale(account: FakeAccount, ledger: Ledger) -> None:
    """It was carried out, and is no more: nothing that was decided on it holds."""
    theirs: list[Entry] = []

    def overwrite(call: Any) -> None:
        if call.name == "dynamodb:PutItem" and not theirs:
            theirs.append(Entry(SECRET))
            theirs.append(ledger.write(replace(ledger.read(SECRET), checked=NOW), NOW))

    account.fail(CONNECTION_LOST, 0, phase="after", attempts=1)
    account.after.append(overwrite)
    with pytest.raises(StaleEntryError) as stale:
        ledger.write(entry(), NOW)
    assert stale.value.entry == theirs[-1]


@pytest.mark.parametrize("fault", [CONNECTION_LOST, TIMED_OUT, UNREACHABLE, SERVER_ERROR])
def test_a_table_that_can_not_be_reached_is_given_up_in_time(
    account: FakeAccount, ledger: Ledger, fault: Fault
) -> None:
    """The lease must outlast a call with all its attempts."""
    account.fail(fault, "dynamodb:PutItem", times=None)
    with pytest.raises(LedgerError, match="the ledger could not be written"):
        ledger.write(entry(), NOW)
    assert account.entries() == {}
    assert len(account.log.calls()) == 3


@pytest.mark.parametrize("fault", [ACCESS_DENIED, NOT_FOUND, THROTTLED, THROUGHPUT_EXCEEDED])
def test_a_write_that_is_refused_is_not_sent_again(account: FakeAccount, ledger: Ledger, fault: Fault) -> None:
    """Beyond what the SDK does: nothing was written."""
    account.fail(fault, "dynamodb:PutItem", times=None)
    with pytest.raises(LedgerError, match="the ledger could not be written"):
        ledger.write(entry(), NOW)
    assert len(account.log.calls()) == 1


@pytest.mark.parametrize("fault", [ACCESS_DENIED, NOT_FOUND, THROTTLED, CONNECTION_LOST, SERVER_ERROR])
@pytest.mark.parametrize("act", ["read", "query"])
def test_a_table_that_can_not_be_read_is_told(account: FakeAccount, ledger: Ledger, fault: Fault, act: str) -> None:
    """It is never taken for empty."""
    ledger.write(entry(), NOW)
    account.fail(fault, lambda call: call.name in {"dynamodb:GetItem", "dynamodb:Query"}, times=None)
    with pytest.raises(LedgerError, match=f"the ledger could not be {'read' if act == 'read' else 'queried'}: "):
        ledger.read(SECRET) if act == "read" else list(ledger.due(NOW))


def test_a_table_that_is_gone_is_told(account: FakeAccount, ledger: Ledger) -> None:
    """In words that fit a reason."""
    account.person.delete_table()
    for act in (lambda: ledger.read(SECRET), lambda: ledger.write(entry(), NOW), lambda: list(ledger.of_user("x"))):
        with pytest.raises(LedgerError, match="ResourceNotFoundException") as gone:
            act()
        assert len(str(gone.value)) <= 400


# --- what the indexes give


def test_what_is_due_comes_in_the_order_in_which_it_is_due(ledger: Ledger) -> None:
    """Over all pages, and nothing that is due later or never."""
    number = 120
    for index in range(number):
        at = NOW - MINUTE * ((index * 7) % number)
        ledger.write(entry(f"{SECRET}{index:03}"), at)
    ledger.write(entry(f"{SECRET}later"), NOW + MINUTE)
    ledger.write(entry(f"{SECRET}never"), None)
    due = list(ledger.due(NOW))
    assert len(due) == number
    expected = sorted(range(number), key=lambda index: -((index * 7) % number))
    assert due == [f"{SECRET}{index:03}" for index in expected]


def test_an_entry_is_due_at_another_time_after_each_write(ledger: Ledger) -> None:
    """And not at all once nothing is left to do."""
    written = ledger.write(entry(), NOW)
    assert list(ledger.due(NOW)) == [SECRET]
    written = ledger.write(written, NOW + DAY)
    assert list(ledger.due(NOW)) == []
    ledger.write(written, None)
    assert list(ledger.due(NOW + 9 * DAY)) == []


def test_the_entries_of_a_user_are_found(ledger: Ledger) -> None:
    """By the user of the latest request: an earlier user's keys are about to go."""
    ledger.write(entry(SECRET), NOW)
    ledger.write(entry(f"{SECRET}2", a=claim("deploy"), b=claim("vendor", NOW + MINUTE)), NOW)
    assert list(ledger.of_user("deploy")) == [SECRET]
    assert list(ledger.of_user("vendor")) == [f"{SECRET}2"]
    assert list(ledger.of_user("nobody")) == []


def test_an_index_that_is_late_gives_what_it_has(account: FakeAccount, ledger: Ledger) -> None:
    """It is a hint: whoever takes the lease reads the item itself."""
    account.lags.indexes = Lag(seconds=30)
    ledger.write(entry(), NOW)
    assert list(ledger.due(NOW)) == []
    account.clock.sleep(31)
    assert list(ledger.due(NOW)) == [SECRET]


@pytest.mark.parametrize(
    ("made", "expires"),
    [
        (entry(), None),
        (Entry(SECRET, claims={OWNERS[0]: claim(present=False)}), NOW + 2 * DAY),
        (Entry(SECRET, claims={OWNERS[0]: claim(present=False)}, keys=entry().keys), None),
    ],
)
def test_an_entry_that_is_over_expires_two_days_after_its_last_request(
    account: FakeAccount, ledger: Ledger, made: Entry, expires: datetime | None
) -> None:
    """A late request needs its tombstone until then; any other entry is kept for ever."""
    ledger.write(made, None)
    told = account.entries()[SECRET].get("expires")
    assert told == ({"N": str(int(expires.timestamp()))} if expires else None)


def test_an_entry_that_nobody_has_claimed_expires(account: FakeAccount, ledger: Ledger) -> None:
    """Only a lease was ever in it."""
    ledger.write(Entry(SECRET, lease=Lease("h", NOW, "x")), None)
    assert int(account.entries()[SECRET]["expires"]["N"]) > datetime.now(UTC).timestamp() + DAY.total_seconds()


# --- entries that this release does not understand


def changed(account: FakeAccount, **attributes: Any) -> None:
    """Edit the item as in the console."""
    serializer = TypeSerializer()
    edited = {name: serializer.serialize(value) for name, value in attributes.items()}
    account.person.change_entry(SECRET, lambda item: item.update(edited))


def test_an_entry_of_a_later_release_is_neither_read_nor_written(account: FakeAccount, ledger: Ledger) -> None:
    """It may hold what this release would lose; the message says what to deploy."""
    written = ledger.write(entry(), NOW)
    changed(account, schema=SCHEMA + 1)
    before = account.entries()
    with pytest.raises(LedgerError, match=rf"later release \(schema {SCHEMA + 1}.*deploy that release"):
        ledger.read(SECRET)
    changed(account, version=7, nonce="of the later release")
    with pytest.raises(LedgerError, match="later release"):
        ledger.write(written, NOW)
    assert account.entries()[SECRET]["entry"] == before[SECRET]["entry"]


def test_an_entry_without_a_schema_is_read(account: FakeAccount, ledger: Ledger) -> None:
    """As one of the first."""
    written = ledger.write(entry(), NOW)
    account.person.change_entry(SECRET, lambda item: item.pop("schema"))
    assert ledger.read(SECRET) == written


@pytest.mark.parametrize(
    "nonsense",
    [
        {"schema": "x"},
        {"schema": ["x"]},
        {"version": "x"},
        {"nonce": 7},
        {"entry": "x"},
        {"entry": {}, "version": None},
        {"entry": {"claims": ["x"]}},
        {"entry": {"keys": {"AKIA": {"id": "AKIA"}}}},
        {"entry": {"settled": "yesterday"}},
        {"entry": {"settled": "0001-01-01T00:00:00+14:00"}},
        {"entry": {"checked": 7}},
        {"entry": {"history": "x"}},
    ],
)
def test_nonsense_is_told_with_a_way_out(account: FakeAccount, ledger: Ledger, nonsense: dict[str, Any]) -> None:
    """Somebody has edited the item, and nothing is done on it."""
    ledger.write(entry(), NOW)
    changed(account, **nonsense)
    with pytest.raises(LedgerError, match="somebody has edited it; restore it from a point in time, or delete the"):
        ledger.read(SECRET)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    name=st.sampled_from(["schema", "version", "nonce", "entry"]),
    value=st.recursive(
        st.none() | st.booleans() | st.integers(-(10**6), 10**30) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(
                    ["claims", "keys", "lease", "until", "holder", "failing", "since", "times", "settled", "x"]
                ),
                inner,
                max_size=3,
            )
        ),
        max_leaves=6,
    ),
)
def test_any_edit_is_read_or_told(account: FakeAccount, ledger: Ledger, name: str, value: Any) -> None:
    """Nothing else comes of it, whatever it is."""
    account.person.delete_entry(SECRET)
    ledger.write(entry(), NOW)
    changed(account, **{name: value})
    with suppress(LedgerError):
        assert ledger.read(SECRET).secret_arn == SECRET


def test_members_of_a_later_release_are_left_alone_by_a_read(account: FakeAccount, ledger: Ledger) -> None:
    """A release that adds members keeps the schema."""
    written = ledger.write(entry(), NOW)
    account.person.change_entry(SECRET, lambda item: item["entry"]["M"].update({"of_later": {"S": "x"}}))
    assert ledger.read(SECRET) == written
