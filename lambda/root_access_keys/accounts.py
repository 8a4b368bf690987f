"""Which accounts of the organization a run looks at.

https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccounts.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3

from root_access_keys.calls import CLIENT_CONFIG, PATIENT_CLIENT, call_by_role
from root_access_keys.errors import GuardError, RefusedError
from root_access_keys.model import Account

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_organizations import OrganizationsClient
    from mypy_boto3_organizations.type_defs import AccountTypeDef

    from root_access_keys.settings import Selection

_NO_SUCH_ACCOUNT = "AccountNotFoundException"
_NO_SUCH_CHILD = "ChildNotFoundException"
# Units are five deep at most.
# https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
_DEEPEST = 6
_NO_SUCH_PARENT = frozenset({"ParentNotFoundException", "OrganizationalUnitNotFoundException"})


@dataclass(frozen=True, slots=True)
class Selected:
    """What a selection comes to.

    Attributes:
        accounts: those to look at.
        skipped: those that are not looked at, and why.
    """

    accounts: tuple[Account, ...]
    skipped: tuple[tuple[Account, str], ...]


def select(selection: Selection) -> Selected:
    """List the accounts of a selection. Those that are suspended or being closed can't be entered.

    Raises:
        GuardError: an organizational unit does not exist, or the organization can't be read.
    """
    client: OrganizationsClient = boto3.client("organizations", config=PATIENT_CLIENT)
    management = call_by_role(client.describe_organization)["Organization"]["MasterAccountId"]
    accounts: list[Account] = []
    skipped: list[tuple[Account, str]] = []
    for listed in _listed(client, selection):
        account = Account(listed["Id"], listed.get("Name", ""), management=listed["Id"] == management)
        # AWS retires Status in favour of State.
        state = listed.get("State") or listed.get("Status") or "of no state"
        if account.id in selection.excluding:
            skipped.append((account, "excluded"))
        elif state == "ACTIVE":
            accounts.append(account)
        else:
            skipped.append((account, str(state)))
    found = {account.id for account in accounts} | {account.id for account, _ in skipped}
    missing = [(Account(account_id, ""), "not in the organization") for account_id in selection.only]
    skipped += [(account, why) for account, why in missing if account.id not in found]
    return Selected(tuple(sorted(accounts, key=lambda account: account.id)), tuple(skipped))


def check_selected(selection: Selection, account_id: str) -> None:
    """Refuse an account that the construct does not name, whoever asks for it.

    Raises:
        GuardError: it is not selected, or not any more.
        TryAgainError: AWS asks for patience.
    """
    named = not selection.only or account_id in selection.only
    if not named or account_id in selection.excluding or not _in_units(selection.organizational_units, account_id):
        raise GuardError(f"account {account_id} is none of those that the guard is deployed for")


def check_exist(selection: Selection) -> None:
    """Refuse a selection that names what does not exist.

    Raises:
        GuardError: it does; the message names it.
    """
    client: OrganizationsClient = boto3.client("organizations", config=PATIENT_CLIENT)
    for account_id in (*selection.only, *selection.excluding):
        if _described(client, account_id) is None:
            raise GuardError(f"accounts: {account_id} is not in the organization; correct it or leave it out")
    for unit in selection.organizational_units:
        try:
            if unit.startswith("ou-"):
                call_by_role(client.describe_organizational_unit, OrganizationalUnitId=unit)
            else:
                call_by_role(client.list_organizational_units_for_parent, ParentId=unit)
        except RefusedError as error:
            raise _no_unit(unit, error) from None


def _listed(client: OrganizationsClient, selection: Selection) -> Iterator[AccountTypeDef]:
    if selection.only:
        for account_id in selection.only:
            found = _described(client, account_id)
            if found is not None:
                yield found
    elif selection.organizational_units:
        seen: set[str] = set()
        for unit in selection.organizational_units:
            for account in _in_unit(client, unit):
                if account["Id"] not in seen:
                    seen.add(account["Id"])
                    yield account
    else:
        pages = client.get_paginator("list_accounts").paginate()
        yield from call_by_role(lambda: [account for page in pages for account in page["Accounts"]])


def _in_units(units: tuple[str, ...], account_id: str) -> bool:
    """Look from an account upwards for one of these units; true if there are none to be in.

    https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListParents.html
    """
    if not units:
        return True
    client: OrganizationsClient = boto3.client("organizations", config=CLIENT_CONFIG)
    child = account_id
    for _ in range(_DEEPEST):
        try:
            parents = call_by_role(client.list_parents, ChildId=child)["Parents"]
        except RefusedError as error:
            if error.code == _NO_SUCH_CHILD:
                return False
            raise
        if any(parent["Id"] in units for parent in parents):
            return True
        if not parents or parents[0]["Type"] == "ROOT":
            return False
        child = parents[0]["Id"]
    return False


def _described(client: OrganizationsClient, account_id: str) -> AccountTypeDef | None:
    try:
        return call_by_role(client.describe_account, AccountId=account_id)["Account"]
    except RefusedError as error:
        if error.code == _NO_SUCH_ACCOUNT:
            return None
        raise


def _in_unit(client: OrganizationsClient, unit: str) -> Iterator[AccountTypeDef]:
    """List the accounts of a unit and of all units below it."""
    accounts = client.get_paginator("list_accounts_for_parent").paginate(ParentId=unit)
    units = client.get_paginator("list_organizational_units_for_parent").paginate(ParentId=unit)
    try:
        yield from call_by_role(lambda: [account for page in accounts for account in page["Accounts"]])
        below = call_by_role(lambda: [child["Id"] for page in units for child in page["OrganizationalUnits"]])
    except RefusedError as error:
        raise _no_unit(unit, error) from None
    for child in below:
        yield from _in_unit(client, child)


def _no_unit(unit: str, error: RefusedError) -> GuardError:
    if error.code not in _NO_SUCH_PARENT:
        return error
    return GuardError(f"accounts: {unit} is no organizational unit of the organization; correct it or leave it out")
