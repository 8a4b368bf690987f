"""The access keys of root users, and what goes wrong with them.

Each account of an organization has a root user, which may have two access keys. Only a root sign-in makes one, so that
tests set them. `AccountAccessKeysPresent` is 1 if there are any; in ministack it is always 0.
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-user_manage_add-key.html
https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountSummary.html
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import iam

from local_cloud.replacing import Function, replace_item

_NO_KEYS = b"<key>AccountAccessKeysPresent</key><value>0</value>"
_A_KEY = b"<key>AccountAccessKeysPresent</key><value>1</value>"

Answer = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True, slots=True)
class Key:
    """A root user's access key; the times are in seconds, the last use has none if there was none."""

    access_key_id: str
    status: str
    created: float
    last_used: float | None
    service: str
    region: str


@dataclass(slots=True)
class Faults:
    """What goes wrong in one account; the numbers count down."""

    denied: bool = False
    throttled: int = 0
    last_use_error: str = ""
    list_error: str = ""
    delete_fails: int = 0
    delete_answers_lost: int = 0


@dataclass(slots=True)
class Bucket:
    """The token bucket that all calls of AssumeRoot share; without a rate it never runs dry."""

    rate: float = 0.0
    burst: float = 0.0
    tokens: float = 0.0
    at: float = 0.0

    def take(self) -> bool:
        """Take a token if there is one."""
        if not self.rate:
            return True
        now = time.monotonic()
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


_keys: dict[str, dict[str, Key]] = {}
_faults: dict[str, Faults] = {}
_bucket = Bucket()


def apply() -> None:
    """Tell of root keys in the summary of the account."""
    replace_item(iam._IAM_HANDLERS, "GetAccountSummary", "p", _with_root_keys)


def of(account_id: str) -> dict[str, Key]:
    """Give the keys of an account's root user by their ids."""
    return _keys.get(account_id, {})


def faults_of(account_id: str) -> Faults:
    """Give what goes wrong in an account."""
    return _faults.get(account_id) or Faults()


def bucket() -> Bucket:
    """Give the bucket of AssumeRoot."""
    return _bucket


def limit(rate: float, burst: float) -> None:
    """Let AssumeRoot be called so often a second, and so often at once."""
    global _bucket  # noqa: PLW0603 -- ministack keeps its state in modules, and so does this
    _bucket = Bucket(rate, burst, burst, time.monotonic())


def put(content: dict[str, Any]) -> None:
    """Set the keys and the faults of the accounts that are named."""
    for account_id, keys in content.get("keys", {}).items():
        _keys[account_id] = {key["access_key_id"]: Key(**key) for key in keys}
    for account_id, faults in content.get("faults", {}).items():
        _faults[account_id] = Faults(**faults)


def told() -> dict[str, list[dict[str, Any]]]:
    """Give the keys of every account that has some."""
    return {account_id: [asdict(key) for key in keys.values()] for account_id, keys in _keys.items() if keys}


def reset() -> None:
    """Forget every key and fault."""
    _keys.clear()
    _faults.clear()
    limit(0, 0)


def _with_root_keys(original: Function) -> Function:
    def get_account_summary(p: dict[str, Any]) -> Answer:
        status, headers, body = original(p)
        return status, headers, body.replace(_NO_KEYS, _A_KEY) if of(get_account_id()) else body

    return get_account_summary
