"""Which accounts of an organization a guard looks at."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from aws_cdk import Token

_ACCOUNT = re.compile(r"\d{12}")
_UNIT = re.compile(r"r-[0-9a-z]{4,32}|ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}")
# They are written into policies, which have room for about that many.
_MOST_ACCOUNTS = 100


@dataclass(frozen=True, slots=True)
class AccountSelection:
    """A choice of accounts. Make one with `Accounts`.

    Attributes:
        only: These accounts; empty for all.
        units: Accounts in these organizational units, and in units below them; empty for all.
        without: None of these accounts.
    """

    only: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def excluding(self, ids: Iterable[str]) -> "AccountSelection":
        """Leave accounts out of the choice.

        Raises:
            ValueError: The accounts are named one by one already, or an id is none.
        """
        if self.only:
            raise ValueError(
                f"accounts must be either only some or all but some, got only {', '.join(self.only)} and an exclusion; "
                "leave the excluded ones out of Accounts.only"
            )
        return replace(self, without=_checked("excluding", ids))


class Accounts:
    """Choose the accounts of an organization that a guard looks at. Suspended ones are skipped in any case."""

    @staticmethod
    def all() -> AccountSelection:
        """Every account, also those that join later."""
        return AccountSelection()

    @staticmethod
    def only(ids: Iterable[str]) -> AccountSelection:
        """These accounts, at most 100.

        Raises:
            ValueError: There is none, there are too many, or an id is none.
        """
        return AccountSelection(only=_checked("only", ids))

    @staticmethod
    def organizational_units(ids: Iterable[str]) -> AccountSelection:
        """The accounts in these organizational units, and in units below them, also those that come later.

        Raises:
            ValueError: There is none, or an id is none.
        """
        units = _listed("organizational_units", ids)
        for unit in units:
            if not _UNIT.fullmatch(unit):
                raise ValueError(
                    f"Accounts.organizational_units must get ids such as ou-ab12-34cd56ef or the root's r-ab12, got "
                    f"{unit!r}; correct it"
                )
        return AccountSelection(units=units)

    @staticmethod
    def excluding(ids: Iterable[str]) -> AccountSelection:
        """Every account but these, at most 100.

        Raises:
            ValueError: There is none, there are too many, or an id is none.
        """
        return AccountSelection().excluding(ids)


def _checked(name: str, ids: Iterable[str]) -> tuple[str, ...]:
    accounts = _listed(name, ids)
    for account in accounts:
        if not _ACCOUNT.fullmatch(account):
            raise ValueError(f"Accounts.{name} must get account ids of 12 digits, got {account!r}; correct it")
    if len(accounts) > _MOST_ACCOUNTS:
        raise ValueError(
            f"Accounts.{name} must get at most {_MOST_ACCOUNTS} accounts, got {len(accounts)}; use "
            "Accounts.organizational_units for more"
        )
    return accounts


def _listed(name: str, ids: Iterable[str]) -> tuple[str, ...]:
    if isinstance(ids, str) or not isinstance(ids, Iterable):
        raise ValueError(f"Accounts.{name} must get a list of ids, got {ids!r}; put it into a list")  # noqa: TRY004
    listed = tuple(dict.fromkeys(ids))
    if not listed:
        raise ValueError(f"Accounts.{name} must get at least one id, got none; use Accounts.all() for all accounts")
    for one in listed:
        if not isinstance(one, str) or Token.is_unresolved(one):
            raise ValueError(f"Accounts.{name} must get texts that are known at synth, got {one!r}; write the id out")
    return listed
