"""The organization that the account belongs to, and what the account is in it.

On AWS an account manages an organization, is a member of one, or stands alone, and most calls are for the management
account; a delegated administrator may read. In ministack every account manages an organization of its own.
https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribeOrganization.html
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_delegate_policies.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ministack.core.responses import error_response_json, get_account_id
from ministack.services import organizations

from local_cloud.replacing import Function, replace_function

if TYPE_CHECKING:
    from collections.abc import Iterable

IAM = "iam.amazonaws.com"
ROOT_FEATURES = ("RootCredentialsManagement", "RootSessions")
ROLES = ("management", "delegated", "member", "alone")

_OTHER_MANAGEMENT_ACCOUNT = "900000000001"
_READING = ("Describe", "List")
# The word that Account.Status has for a state of Account.State.
_STATUS = {"PENDING_ACTIVATION": "ACTIVE", "CLOSED": "SUSPENDED"}

Answer = tuple[int, dict[str, str], bytes]
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Settings:
    """What a test has set about the organization."""

    role: str = "management"
    features: tuple[str, ...] = ()
    trusted_services: tuple[str, ...] = (IAM,)
    all_features: bool = True
    listing_throttles: int = 0
    empty_first_pages: bool = False
    tells_status: bool = True
    delegated_administrators: dict[str, tuple[str, ...]] = field(default_factory=dict)


_settings = Settings()


def settings() -> Settings:
    """Give what is set now."""
    return _settings


def configure(changes: dict[str, Any]) -> None:
    """Change settings; with another role begins another organization."""
    global _settings
    for name in {"features", "trusted_services"} & changes.keys():
        changes[name] = tuple(changes[name])
    before, _settings = _settings, replace(_settings, **changes)
    if _settings.role != before.role:
        organizations.reset()


def reset() -> None:
    """Forget what is set; the organization itself goes with ministack's state."""
    global _settings  # noqa: PLW0603
    _settings = Settings()


def described() -> Record:
    """Give the ids of the organization, empty ones if there is none."""
    if _settings.role == "alone":
        return {"organization_id": "", "root_id": "", "management_account": ""}
    organizations._ensure_org()
    found = organizations._orgs["self"]
    return {
        "organization_id": found["Id"],
        "root_id": next(iter(organizations._roots)),
        "management_account": found["MasterAccountId"],
    }


def seed(units: Iterable[Record], accounts: Iterable[Record]) -> None:
    """Put organizational units and accounts into a new organization."""
    organizations.reset()
    known = described()
    for unit in units:
        arn = f"arn:aws:organizations::{known['management_account']}:ou/{known['organization_id']}/{unit['id']}"
        parent = unit["parent"] or known["root_id"]
        organizations._ous[unit["id"]] = {"Id": unit["id"], "Arn": arn, "Name": unit["name"], "_ParentId": parent}
    for account in accounts:
        organizations._accounts[account["id"]] = _account(account, known)


def member(account_id: str) -> Record | None:
    """Give an account of the organization other than the management account."""
    if _settings.role == "alone" or account_id == described()["management_account"]:
        return None
    found: Record | None = organizations._accounts.get(account_id)
    return found


def state(record: Record) -> str:
    """Give the state of an account, which CloseAccount of ministack does not know."""
    wanted: str = record.get("State", "ACTIVE")
    return "SUSPENDED" if wanted == "ACTIVE" and record["Status"] == "SUSPENDED" else wanted


def public(record: Record) -> Record:
    """Give what an answer tells of an account."""
    told: Record = {**organizations._public_account(record), "State": state(record)}
    if not _settings.tells_status:
        del told["Status"]
    return told


def error(code: str, message: str) -> Answer:
    """Refuse in the way of Organizations."""
    refused: Answer = error_response_json(code, message, 400)
    return refused


def refusal(operation: str) -> Answer | None:
    """Refuse what the account may not ask in its role."""
    if _settings.role == "alone":
        return error("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
    denied = error("AccessDeniedException", "You don't have permissions to access this resource.")
    if operation == "DescribeOrganization" or _settings.role == "management":
        return None
    return None if _settings.role == "delegated" and operation.startswith(_READING) else denied


def apply() -> None:
    """Let the account's role decide what it may ask, and give each account its state."""
    replace_function(organizations, "_ensure_org", "", _with_its_management_account)
    replace_function(organizations, "handle_request", "method path headers body query_params", _as_the_role_may)
    organizations._DISPATCH["DescribeAccount"] = _describe_account


def _account(account: Record, known: Record) -> Record:
    arn = f"arn:aws:organizations::{known['management_account']}:account/{known['organization_id']}/{account['id']}"
    return {
        "Id": account["id"],
        "Arn": arn,
        "Email": f"root+{account['id']}@example.com",
        "Name": account["name"] or f"account-{account['id']}",
        "Status": _STATUS.get(account["state"], account["state"]),
        "State": account["state"],
        "JoinedMethod": "CREATED",
        "JoinedTimestamp": 1_600_000_000,
        "_ParentId": account["parent"] or known["root_id"],
    }


def _with_its_management_account(original: Function) -> Function:
    def ensure_org() -> None:
        if "self" in organizations._orgs:
            return
        original()
        own = get_account_id()
        if _settings.role != "management":
            _hand_over(own, _OTHER_MANAGEMENT_ACCOUNT)
        if not _settings.all_features:
            organizations._orgs["self"]["FeatureSet"] = "CONSOLIDATED_BILLING"

    return ensure_org


def _hand_over(own: str, management: str) -> None:
    for table in (organizations._orgs, organizations._roots, organizations._attachments, organizations._accounts):
        for key, record in table.items():
            table[key] = json.loads(json.dumps(record).replace(own, management))
    record = organizations._accounts.pop(own)
    organizations._accounts[management] = record
    member_arn = f"{record['Arn'].rpartition('/')[0]}/{own}"
    organizations._accounts[own] = {
        **record,
        "Id": own,
        "Arn": member_arn,
        "Name": "Member Account",
        "Email": f"root+{own}@example.com",
    }


def _as_the_role_may(original: Function) -> Function:
    async def handle_request(method: str, path: str, headers: dict[str, str], body: bytes, query: Any) -> Answer:
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        refused = refusal(operation)
        if refused:
            return refused
        answer: Answer = await original(method, path, headers, body, query)
        return answer

    return handle_request


def _describe_account(payload: Record) -> Answer:
    organizations._ensure_org()
    found = organizations._accounts.get(payload.get("AccountId", ""))
    if found is None:
        return error("AccountNotFoundException", "You specified an account that doesn't exist.")
    answer: Answer = organizations._json(200, {"Account": public(found)})
    return answer
