"""An organization of 500 accounts, with root access keys of all kinds in some, and what should become of them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local_cloud.organization import BOTH_FEATURES, Account, RootFaults, RootKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_cloud import LocalCloud

_ACCOUNTS = 500
_FIRST_ID = 200_000_000_000
_SUSPENDED = 6
_YEAR = dt.timedelta(days=365)


@dataclass
class Planted:
    """What was put into the organization.

    Attributes:
        unused: Keys that may be deleted at once, by id, with their accounts.
        throttled: Those of them in accounts where STS asks for patience first.
        denied: Those that may be deleted, in accounts that can't be entered at first.
        kept: Keys that must stay: used of late, young, or of a last use that IAM does not tell.
    """

    unused: dict[str, str] = field(default_factory=dict)
    throttled: dict[str, str] = field(default_factory=dict)
    denied: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)

    @property
    def looked_at(self) -> int:
        """How many accounts a run looks at: not the suspended ones, but the management account."""
        return _ACCOUNTS - _SUSPENDED + 1


def plant(cloud: LocalCloud) -> Planted:
    """Fill the organization around the account, which manages it; central root access stays off."""
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    planted, keys, faults = Planted(), dict[str, list[RootKey]](), dict[str, RootFaults]()
    ids = iter(str(_FIRST_ID + number) for number in range(_ACCOUNTS))
    accounts = [Account(next(ids), state="SUSPENDED") for _ in range(_SUSPENDED)]
    groups: list[tuple[int, dict[str, str], dict[str, Any], RootFaults | None]] = [
        (24, planted.unused, {"last_used": now - _YEAR}, None),
        (10, planted.unused, {"status": "Inactive", "last_used": now - _YEAR}, None),
        (8, planted.unused, {}, None),
        (5, planted.throttled, {"last_used": now - _YEAR}, RootFaults(throttled=2)),
        (4, planted.denied, {"last_used": now - _YEAR}, RootFaults(denied=True)),
        (9, planted.kept, {"last_used": now - dt.timedelta(days=3), "service": "s3"}, None),
        (5, planted.kept, {"created": now - dt.timedelta(days=10)}, None),
        (3, planted.kept, {"last_used": now - _YEAR}, RootFaults(last_use_error="ServiceFailure")),
    ]
    for count, group, properties, fault in groups:
        for account in _some(ids, count):
            key_id = f"AKIAROOT{account}"
            group[key_id] = account
            keys[account] = [RootKey(key_id, **{"created": now - 2 * _YEAR, **properties})]
            accounts.append(Account(account))
            if fault:
                faults[account] = fault
    accounts += [Account(account) for account in ids]
    cloud.organization.configure(features=(), trusted_services=("iam.amazonaws.com",))
    cloud.organization.seed(accounts)
    cloud.organization.set_root_keys(keys, faults)
    return planted


def enable_central_root_access(cloud: LocalCloud) -> None:
    """Do what the message of the failed deployment says."""
    iam = cloud.client("iam")
    iam.enable_organizations_root_credentials_management()
    features = iam.enable_organizations_root_sessions()["EnabledFeatures"]
    assert set(features) == set(BOTH_FEATURES)  # noqa: S101 - the emulator's own answer


def open_accounts(cloud: LocalCloud, planted: Planted) -> None:
    """Take away what denied the way into some accounts."""
    cloud.organization.set_root_keys({}, dict.fromkeys(planted.denied.values(), RootFaults()))


def _some(ids: Iterator[str], count: int) -> list[str]:
    return [next(ids) for _ in range(count)]
