"""Entries as they come: every member of every value may be there, or not."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from access_key_provider.model.entry import (
    Claim,
    Creating,
    Entry,
    Failing,
    KeyRecord,
    KeyState,
    Lease,
    RequestStamp,
    Rotation,
    Switching,
)
from access_key_provider.model.retirement_rules import FAIL, REMOVE_UNUSED, RETIRE_PREVIOUS, RetirementRules
from access_key_provider.model.secret_format import FormatKind, SecretFormat

SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop/deploy-AbCdEf"
OWNERS = ("0123456789abcdef", "fedcba9876543210")
KEYS = tuple("AKIA" + letter * 16 for letter in "ABCD")

# Any time that a signature or an alarm can bring; the ledger keeps milliseconds.
times = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000)
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_durations = st.integers(0, 10**9).map(lambda seconds: timedelta(seconds=seconds))
_owners = st.sampled_from(OWNERS)
_keys = st.sampled_from(KEYS)
_short = st.text(string.ascii_letters + string.digits, max_size=8)


def maybe(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Give a value, or none."""
    return st.none() | strategy


rules = st.builds(
    RetirementRules,
    grace=_durations,
    retention=maybe(_durations),
    unused_for=maybe(_durations),
    overdue_after=maybe(_durations),
    max_active_age=maybe(_durations),
    on_key_limit=st.sampled_from([FAIL, RETIRE_PREVIOUS, REMOVE_UNUSED]),
    unused_since=maybe(_durations),
    deferred=st.booleans(),
    rotation=texts,
)
claims = st.builds(
    Claim,
    stack_id=texts,
    logical_id=texts,
    user_name=_short,
    role_arn=texts,
    serial=texts,
    status=st.sampled_from(["Active", "Inactive"]),
    description=texts,
    request=st.builds(RequestStamp, time=times, id=_short, dated=st.booleans()),
    rules=rules,
    present=st.booleans(),
    applied=_short,
    touched=st.booleans(),
    secret_format=st.builds(
        SecretFormat, text=texts, kind=st.sampled_from(FormatKind), prove_smtp_port=st.sampled_from([0, 587])
    ),
)
attempts = st.builds(Creating, user_name=_short, since=times, until=times, baseline=st.lists(_keys).map(tuple))


def records(key_id: str) -> st.SearchStrategy[KeyRecord]:
    """Give records of a key."""
    return st.builds(
        KeyRecord,
        id=st.just(key_id),
        owner=_owners,
        user_name=_short,
        state=st.sampled_from(KeyState),
        created=times,
        serials=st.lists(texts, max_size=3).map(tuple),
        version_id=_short,
        **{name: maybe(times) for name in ("stored", "proven", "published", "replaced", "deactivated", "next_check")},
        **dict.fromkeys(("by", "last_use", "note", "tag"), texts),
        postponed=st.integers(0, 10**6),
        labelled=st.booleans(),
    )


entries = st.builds(
    Entry,
    secret_arn=st.just(SECRET),
    version=st.integers(0, 10**12),
    nonce=_short,
    claims=st.dictionaries(_owners, claims),
    keys=st.fixed_dictionaries({}, optional={key_id: records(key_id) for key_id in KEYS}),
    creating=st.dictionaries(_owners, attempts),
    switching=maybe(st.builds(Switching, key_id=_keys, since=times, by=texts, from_version=_short, adds_serial=texts)),
    rotation=maybe(st.builds(Rotation, token=_short, since=times, key_id=_keys)),
    lease=maybe(st.builds(Lease, holder=_short, until=times, doing=texts)),
    failing=maybe(st.builds(Failing, since=times, times=st.integers(1, 10**6), reason=texts, reported=maybe(times))),
    undo_asked=maybe(times),
    settled=maybe(times),
    checked=maybe(times),
    reported=st.dictionaries(texts, times, max_size=3),
    history=st.lists(texts, max_size=3).map(tuple),
)
