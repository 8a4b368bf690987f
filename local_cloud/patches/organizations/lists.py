"""The lists of an organization's accounts and organizational units come in pages.

AWS gives at most 20 a page, sometimes none although more follow, refuses a parent that is not there, and asks callers
that are too quick to wait. ministack gives all at once, and nothing for an unknown parent.
https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccountsForParent.html
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from ministack.services import organizations

from local_cloud.patches.organizations import organization

if TYPE_CHECKING:
    from collections.abc import Callable

_LARGEST_PAGE = 20

Answer = tuple[int, dict[str, str], bytes]
Payload = dict[str, Any]
Record = dict[str, Any]


def apply() -> None:
    """Answer the lists page by page."""
    accounts, units = organizations._accounts, organizations._ous
    for operation, field, found in (
        ("ListAccounts", "Accounts", lambda _: [organization.public(each) for each in accounts.values()]),
        (
            "ListAccountsForParent",
            "Accounts",
            lambda payload: [organization.public(each) for each in _in(accounts, payload)],
        ),
        (
            "ListOrganizationalUnitsForParent",
            "OrganizationalUnits",
            lambda payload: [organizations._public_ou(each) for each in _in(units, payload)],
        ),
        ("ListRoots", "Roots", lambda _: list(organizations._roots.values())),
    ):
        organizations._DISPATCH[operation] = _paged(operation, field, found)


def _in(table: Any, payload: Payload) -> list[Record]:
    return [record for record in table.values() if record["_ParentId"] == payload["ParentId"]]


def _paged(operation: str, field: str, found: Callable[[Payload], list[Record]]) -> Callable[[Payload], Answer]:
    def answer(payload: Payload) -> Answer:
        organizations._ensure_org()
        refusal = _refusal(operation, payload)
        if refusal:
            return refusal
        start = _start(operation, payload)
        size = payload.get("MaxResults", _LARGEST_PAGE)
        if start is None or not 1 <= size <= _LARGEST_PAGE:
            return organization.error("InvalidInputException", "You specified an invalid value.")
        records = found(payload)
        if organization.settings().empty_first_pages and "NextToken" not in payload and records:
            size = 0
        page: dict[str, Any] = {field: records[start : start + size]}
        if start + size < len(records):
            page["NextToken"] = _token(operation, payload, start + size)
        told: Answer = organizations._json(200, page)
        return told

    return answer


def _refusal(operation: str, payload: Payload) -> Answer | None:
    left = organization.settings().listing_throttles
    if left:
        organization.configure({"listing_throttles": left - 1})
        return organization.error("TooManyRequestsException", "You have sent too many requests.")
    if operation.endswith("ForParent"):
        parent = payload.get("ParentId", "")
        if parent not in organizations._roots and parent not in organizations._ous:
            return organization.error("ParentNotFoundException", "You provided a parent that doesn't exist.")
    return None


def _token(operation: str, payload: Payload, start: int) -> str:
    return base64.b64encode(json.dumps([operation, payload.get("ParentId"), start]).encode()).decode()


def _start(operation: str, payload: Payload) -> int | None:
    token = payload.get("NextToken")
    if token is None:
        return 0
    try:
        named, parent, start = json.loads(base64.b64decode(token))
    except ValueError:
        return None
    return int(start) if (named, parent) == (operation, payload.get("ParentId")) else None
