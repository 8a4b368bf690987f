"""The organization of an embedded account, as an object: fill it, let it fail, read what is left of its root keys."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Role = Literal["management", "delegated", "member", "alone"]
Feature = Literal["RootCredentialsManagement", "RootSessions"]
State = Literal["PENDING_ACTIVATION", "ACTIVE", "SUSPENDED", "PENDING_CLOSURE", "CLOSED"]

BOTH_FEATURES: tuple[Feature, Feature] = ("RootCredentialsManagement", "RootSessions")

_LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


class _Admin(Protocol):
    def __call__(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any: ...


@dataclass(frozen=True, slots=True)
class OrganizationalUnit:
    """An organizational unit.

    Attributes:
        id: Its id, such as `ou-lcld-workloads1`.
        name: Its name.
        parent: The id of the unit that it is in; empty for the root. Give parents before what is in them.
    """

    id: str
    name: str
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """A member account.

    Attributes:
        id: Its twelve digits.
        name: Its name; empty for one made of the id.
        state: Its state; `Status` follows it.
        parent: The id of the unit that it is in; empty for the root.
    """

    id: str
    name: str = ""
    state: State = "ACTIVE"
    parent: str = ""


@dataclass(frozen=True, slots=True)
class RootKey:
    """An access key of a root user.

    Attributes:
        access_key_id: Its id.
        status: `Active` or `Inactive`.
        created: When it was made, to the second.
        last_used: When it was last used, None if never.
        service: With which service it was last used.
        region: In which Region it was last used.
    """

    access_key_id: str
    status: Literal["Active", "Inactive"] = "Active"
    created: dt.datetime = _LONG_AGO
    last_used: dt.datetime | None = None
    service: str = "iam"
    region: str = "us-east-1"


@dataclass(frozen=True, slots=True)
class RootFaults:
    """What goes wrong with the root user of an account.

    Attributes:
        denied: `AssumeRoot` answers AccessDenied, as by a service control policy.
        throttled: So many calls of `AssumeRoot` answer Throttling first.
        list_error: The error that `ListAccessKeys` answers, `ServiceFailure` (500) or `AccessDenied`.
        last_use_error: The same for `GetAccessKeyLastUsed`.
        delete_fails: So many deletions answer ServiceFailure first and delete nothing.
        delete_answers_lost: So many deletions, after those, delete and answer ServiceFailure all the same.
    """

    denied: bool = False
    throttled: int = 0
    list_error: str = ""
    last_use_error: str = ""
    delete_fails: int = 0
    delete_answers_lost: int = 0


class Organization:
    """The organization around an embedded account; `LocalCloud.organization` gives it, `LocalCloud.reset()` empties it.

    Without a word of a test the account manages an organization in which it is alone, IAM has trusted access, and
    no feature of central root management is on.
    """

    def __init__(self, admin: _Admin) -> None:
        self._admin = admin

    @property
    def id(self) -> str:
        """Its id, empty if the account is alone."""
        return str(self._admin("GET", "organization")["organization_id"])

    @property
    def root_id(self) -> str:
        """The id of the root of its units."""
        return str(self._admin("GET", "organization")["root_id"])

    @property
    def management_account(self) -> str:
        """The account that manages it."""
        return str(self._admin("GET", "organization")["management_account"])

    def configure(
        self,
        *,
        role: Role | None = None,
        features: Iterable[Feature] | None = None,
        trusted_services: Iterable[str] | None = None,
        all_features: bool | None = None,
        listing_throttles: int | None = None,
        empty_first_pages: bool | None = None,
        tells_status: bool | None = None,
    ) -> None:
        """Set what is given; the rest stays.

        Args:
            role: What the account is in the organization; another role empties the organization, so set it first.
            features: IAM's features for root users that are on.
            trusted_services: The services with trusted access, such as `iam.amazonaws.com`.
            all_features: Whether the organization has all features, not only consolidated billing.
            listing_throttles: So many lists of Organizations answer TooManyRequestsException first.
            empty_first_pages: Whether each list begins with an empty page that has a next one.
            tells_status: Whether accounts have a `Status` beside their `State`; AWS takes it away in 2026.
        """
        given: dict[str, Any] = {
            "role": role,
            "features": None if features is None else list(features),
            "trusted_services": None if trusted_services is None else list(trusted_services),
            "all_features": all_features,
            "listing_throttles": listing_throttles,
            "empty_first_pages": empty_first_pages,
            "tells_status": tells_status,
        }
        settings = {name: value for name, value in given.items() if value is not None}
        self._admin("PUT", "organization", {"settings": settings})

    def seed(self, accounts: Iterable[Account], units: Iterable[OrganizationalUnit] = ()) -> None:
        """Begin the organization anew with these member accounts and units; settings and root keys stay."""
        content = {"accounts": [asdict(account) for account in accounts], "units": [asdict(unit) for unit in units]}
        self._admin("PUT", "organization", content)

    def limit_assume_root(self, *, rate: float, burst: int = 1) -> None:
        """Let all calls of AssumeRoot share a token bucket; others than these answer Throttling. A rate of 0 ends it.

        Args:
            rate: How many tokens come each second.
            burst: How many there are at most, and now.
        """
        self._admin("PUT", "organization", {"assume_root_limit": {"rate": rate, "burst": burst}})

    def set_root_keys(
        self, keys: Mapping[str, Iterable[RootKey]], faults: Mapping[str, RootFaults] | None = None
    ) -> None:
        """Set the root keys of accounts by their ids, the own account's too, and what goes wrong in accounts.

        What is not named stays as it is; an empty list takes an account's keys away.
        """
        content = {
            "keys": {account: [_written(key) for key in its_keys] for account, its_keys in keys.items()},
            "faults": {account: asdict(its_faults) for account, its_faults in (faults or {}).items()},
        }
        self._admin("PUT", "root-keys", content)

    def root_keys(self) -> dict[str, tuple[RootKey, ...]]:
        """Give the root keys that there are, by the ids of their accounts; accounts without are left out."""
        told = self._admin("GET", "root-keys")
        return {account: tuple(_read(key) for key in keys) for account, keys in told.items()}


def _written(key: RootKey) -> dict[str, Any]:
    last_used = None if key.last_used is None else key.last_used.timestamp()
    return {**asdict(key), "created": key.created.timestamp(), "last_used": last_used}


def _read(record: dict[str, Any]) -> RootKey:
    last_used = None if record["last_used"] is None else dt.datetime.fromtimestamp(record["last_used"], dt.UTC)
    return RootKey(
        **{**record, "created": dt.datetime.fromtimestamp(record["created"], dt.UTC), "last_used": last_used}
    )
