"""Which accounts a run looks at: all, some, those of units, all but some."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from unit.root_keys.account import ROOT, Account, Unit
from unit.root_keys.guard_settings import settings
from unit.root_keys.organization import MANAGEMENT, AwsError, Member
from unit.root_keys.state_machine import run

from root_access_keys.accounts import select
from root_access_keys.errors import GuardError, TryAgainError
from root_access_keys.settings import Selection

if TYPE_CHECKING:
    from collections.abc import Iterator

OUTER, INNER, DEEP, OTHER = (f"ou-ab12-{number}1111111" for number in range(1, 5))
IDS = [f"{number:012}" for number in range(1, 46)]
SUSPENDED, CLOSING = IDS[9], IDS[10]
UNKNOWN = "212121212121"


@pytest.fixture
def account() -> Iterator[Account]:
    """Give 45 accounts on several pages, five in each of four nested units, two of them without a way in."""
    states = {SUSPENDED: "SUSPENDED", CLOSING: "PENDING_CLOSURE"}
    units = {
        ROOT: Unit([MANAGEMENT, *IDS[20:]], [OUTER, OTHER]),
        OUTER: Unit(IDS[:5], [INNER]),
        INNER: Unit(IDS[5:10], [DEEP]),
        DEEP: Unit(IDS[10:15]),
        OTHER: Unit(IDS[15:20]),
    }
    with Account({one: Member(state=states.get(one, "ACTIVE")) for one in IDS}, units=units).installed() as installed:
        assert isinstance(installed, Account)
        yield installed


def chosen(selection: Selection) -> tuple[list[str], dict[str, str]]:
    """Name the accounts that are looked at, and those that are not with the reason."""
    selected = select(selection)
    return [one.id for one in selected.accounts], {one.id: why for one, why in selected.skipped}


@pytest.mark.usefixtures("account")
def test_all() -> None:
    """Every page, the management account marked, and those without a way in skipped, by State or Status."""
    selected = select(Selection())
    found = [one.id for one in selected.accounts]
    assert found == sorted({*IDS, MANAGEMENT} - {SUSPENDED, CLOSING})
    assert [one.id for one in selected.accounts if one.management] == [MANAGEMENT]
    assert {one.id: why for one, why in selected.skipped} == {SUSPENDED: "SUSPENDED", CLOSING: "PENDING_CLOSURE"}
    assert not any(one.due for one in selected.accounts)


@pytest.mark.usefixtures("account")
def test_excluding() -> None:
    """Each that is excluded is named as such, whatever its state."""
    found, skipped = chosen(Selection(excluding=(IDS[0], SUSPENDED, MANAGEMENT)))
    assert found == sorted(set(IDS) - {IDS[0], SUSPENDED, CLOSING})
    assert skipped == {IDS[0]: "excluded", SUSPENDED: "excluded", MANAGEMENT: "excluded", CLOSING: "PENDING_CLOSURE"}


def test_only(account: Account) -> None:
    """Nothing else is listed; what is not there any more is named, and stops nobody."""
    found, skipped = chosen(Selection(only=(IDS[3], UNKNOWN, SUSPENDED, MANAGEMENT)))
    assert found == [IDS[3], MANAGEMENT]
    assert skipped == {UNKNOWN: "not in the organization", SUSPENDED: "SUSPENDED"}
    assert "organizations:ListAccounts" not in account.log


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    ("units", "expected"),
    [
        ((OUTER,), [*IDS[:9], *IDS[11:15]]),
        ((INNER,), [*IDS[5:9], *IDS[11:15]]),
        ((DEEP,), IDS[11:15]),
        ((OTHER, DEEP), [*IDS[11:15], *IDS[15:20]]),
        ((OUTER, INNER, DEEP, OUTER), [*IDS[:9], *IDS[11:15]]),
        ((ROOT,), [*IDS[:9], *IDS[11:], MANAGEMENT]),
    ],
    ids=str,
)
def test_organizational_units(units: tuple[str, ...], expected: list[str]) -> None:
    """With all that are below them, each account once."""
    found, _ = chosen(Selection(organizational_units=units))
    assert found == expected


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("unit", ["ou-ab12-99999999", "r-zz99"])
def test_a_unit_that_is_gone_fails_the_run(unit: str) -> None:
    """Else its accounts would be missing silently."""
    with pytest.raises(GuardError, match=f"{unit} is no organizational unit"):
        select(Selection(organizational_units=(OTHER, unit)))


@pytest.mark.parametrize(
    "action", ["DescribeOrganization", "ListAccountsForParent", "ListOrganizationalUnitsForParent"]
)
@pytest.mark.parametrize(("code", "error"), [("AccessDeniedException", GuardError), ("TooManyRequests", TryAgainError)])
def test_what_can_not_be_listed_is_not_left_out(
    account: Account, action: str, code: str, error: type[GuardError]
) -> None:
    """A run that sees a part only would call the rest clean."""
    code += "Exception" * (code == "TooManyRequests")
    account.lasting[f"organizations:{action}", None] = lambda: AwsError(code)
    with pytest.raises(error, match=f"{action}: {code}"):
        select(Selection(organizational_units=(OUTER,)))


def test_a_run_counts_what_it_skips(account: Account) -> None:
    """And says why, in the summary."""
    summary = run(account, "run", settings(Only=[IDS[3], UNKNOWN, SUSPENDED]))
    assert summary["Accounts"]["Seen"] == 1
    assert {item["AccountId"]: item["Why"] for item in summary["Skipped"]} == {
        UNKNOWN: "not in the organization",
        SUSPENDED: "SUSPENDED",
    }
    assert [name for name in account.log if name == "sts:AssumeRoot"] == ["sts:AssumeRoot"]
