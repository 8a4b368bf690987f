"""What a run comes to, counted and in words. Pure functions."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from root_access_keys.model import AccountOutcome, KeyOutcome, member
from root_access_keys.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from root_access_keys.model import Run
    from root_access_keys.settings import Settings

# SNS and EventBridge take 256 KiB, a person less. A text of 500 characters may take 3,000 bytes in an event.
_LINES_OF_A_KIND = 70
_FAILURES_OF_EVENT = 50
_KEYS_OF_EVENT = 150
# What became of a key that a later run deletes if the rules still say so: told as planned, or not deleted after that.
_ANNOUNCED = (KeyOutcome.PLANNED, KeyOutcome.FAILED)
# Of an error that is not ours, whose text may be as long as Step Functions lets it be.
_LONGEST_TEXT = 500
_COMING = "A run that begins {notice} after a key was planned first, or later, deletes it if it is unused until then."
_NO_RESULT = "the run has no result of it: the execution of the state machine says why"


def summarize(
    run: Run,
    settings: Settings,
    *,
    accounts: Sequence[Mapping[str, Any]],
    skipped: Sequence[Mapping[str, Any]],
    results: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Count what became of every account and every key, and list all that a person should see.

    Args:
        run: the run.
        settings: what it goes by.
        accounts: those that were to be looked at.
        skipped: those that were not.
        results: what became of each, by its id. An account without one failed.
    """
    complete = [_complete(account, results.get(account["Id"])) for account in accounts]
    keys = [{**key, "AccountId": result["Account"]["Id"]} for result in complete for key in result["Keys"]]
    outcomes = Counter(result["Outcome"] for result in complete)
    by_key = Counter(key["Outcome"] for key in keys)
    return {
        "Run": run.id,
        "Mode": str(settings.rules.mode),
        "DryRun": settings.deletes and not run.deletes,
        "NoticeSeconds": int(settings.notice_period.total_seconds()),
        "Accounts": {"Seen": len(complete), **{outcome.value: outcomes[outcome] for outcome in AccountOutcome}}
        | {AccountOutcome.SKIPPED.value: len(skipped)},
        "Keys": {outcome.value: by_key[outcome] for outcome in KeyOutcome},
        "Found": keys,
        "KeptBecauseUsed": [_used(key) for key in keys if _is_kept_because_used(key)],
        "Failed": _told(complete, AccountOutcome.FAILED),
        "Management": _told(complete, AccountOutcome.DETECTED) + _told(complete, AccountOutcome.UNSEEN),
        "Skipped": [{"AccountId": item["Account"]["Id"], "Why": item["Why"]} for item in skipped],
    }


def announced_by(summary: Mapping[str, Any], before: Plan, now: datetime) -> Plan:
    """Say which keys later runs may delete, and since when that is known, now that this run's summary is published.

    A key that was planned before and is kept by now is planned anew before it goes. Of an account that could not be
    looked at, what was published before still holds.

    Args:
        summary: what was published.
        before: what had been published until then.
        now: the time.
    """
    keys = {one["AccountId"]: dict(before.published(one["AccountId"])) for one in summary["Failed"]}
    for key in summary["Found"]:
        if key["Outcome"] in _ANNOUNCED:
            account_id, key_id = key["AccountId"], key["AccessKeyId"]
            first = before.published(account_id).get(key_id, now)
            keys.setdefault(account_id, {})[key_id] = min(first, now)
    return Plan({account: published for account, published in keys.items() if published})


def in_numbers(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Take what is short whatever the size of the organization."""
    return {name: summary[name] for name in ("Run", "Mode", "DryRun", "Accounts", "Keys")}


def in_short(summary: Mapping[str, Any], location: str) -> dict[str, Any]:
    """Write the detail of the event; where a list is cut, `LeftOut` says by how many."""
    bounds = {"Failed": _FAILURES_OF_EVENT, "KeptBecauseUsed": _KEYS_OF_EVENT}
    return {
        **in_numbers(summary),
        **{name: summary[name][:most] for name, most in bounds.items()},
        "LeftOut": {name: max(0, len(summary[name]) - most) for name, most in bounds.items()},
        "Summary": location,
    }


def in_words(summary: Mapping[str, Any], location: str) -> str:
    """Write the notice."""
    accounts, keys = summary["Accounts"], summary["Keys"]
    kind = "dry run: nothing was deleted" if summary["DryRun"] else summary["Mode"]
    coming = _COMING.format(notice=_in_words(timedelta(seconds=summary["NoticeSeconds"])))
    lines = [
        f"Root access keys, run {summary['Run']} ({kind})",
        "",
        f"{accounts['Seen']} accounts seen, {accounts['skipped']} skipped.",
        f"Of those seen: {accounts['clean']} clean, {accounts['with keys']} with keys, {accounts['failed']} failed.",
        "Keys: " + ", ".join(f"{count} {outcome}" for outcome, count in keys.items()) + ".",
        *([coming] if keys[KeyOutcome.PLANNED] else []),
        "",
        *_first([f"{item['AccountId']} failed: {item['Why']}" for item in summary["Failed"]], "accounts that failed"),
        *(f"{item['AccountId']}: {item['Why']}" for item in summary["Management"]),
        *_keys(summary, _is_planned, "planned keys"),
        *_keys(summary, _is_kept_because_used, "keys kept because they are used"),
        *_keys(summary, lambda key: not _is_planned(key) and not _is_kept_because_used(key), "other keys"),
        "",
        f"All of it: {location}",
    ]
    return "\n".join(lines)


def subject(summary: Mapping[str, Any]) -> str:
    """Write the subject of the notice: at most 100 characters of ASCII."""
    keys = summary["Keys"]
    failed = summary["Accounts"]["failed"] + keys["failed"]
    found = sum(keys.values()) + summary["Accounts"]["detected"]
    return f"Root access keys: {found} found, {keys['deleted']} deleted, {keys['planned']} planned, {failed} failed"


def failure_text(failure: Any) -> str:
    """Take the text of an error out of what Step Functions tells of it, without what a text has no use for."""
    cause = member(failure, "Cause")
    try:
        told = json.loads(str(cause))
    except ValueError:
        told = None
    text = str(member(told, "errorMessage") or member(failure, "Error") or "unknown")
    return "".join(letter for letter in text if letter.isprintable())[:_LONGEST_TEXT]


def _in_words(time: timedelta) -> str:
    """Write a duration in its largest whole unit."""
    seconds = int(time.total_seconds())
    units = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
    unit, count = next((unit, seconds // length) for unit, length in units if seconds % length == 0)
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def _is_planned(key: Mapping[str, Any]) -> bool:
    return bool(key["Outcome"] == KeyOutcome.PLANNED)


def _is_kept_because_used(key: Mapping[str, Any]) -> bool:
    return key["Outcome"] == KeyOutcome.KEPT and bool((key.get("LastUse") or {}).get("At"))


def _used(key: Mapping[str, Any]) -> dict[str, str]:
    return {"AccountId": key["AccountId"], "AccessKeyId": key["AccessKeyId"], **key["LastUse"]}


def _keys(summary: Mapping[str, Any], chosen: Callable[[Mapping[str, Any]], bool], what: str) -> list[str]:
    keys = [key for key in summary["Found"] if chosen(key)]
    return _first([f"{key['AccountId']} {key['AccessKeyId']} {key['Outcome']}: {key['Why']}" for key in keys], what)


def _first(lines: Sequence[str], what: str) -> list[str]:
    """Cut a list, and say how many are left out."""
    more = len(lines) - _LINES_OF_A_KIND
    return list(lines) if more <= 0 else [*lines[:_LINES_OF_A_KIND], f"... and {more} more {what}."]


def _complete(account: Mapping[str, Any], result: Mapping[str, Any] | None) -> dict[str, Any]:
    if result is None:
        return {"Account": account, "Outcome": AccountOutcome.FAILED.value, "Keys": [], "Why": _NO_RESULT}
    if "Failure" in result:
        why = failure_text(result["Failure"])
        found = list(result.get("Found", ()))
        return {"Account": account, "Outcome": AccountOutcome.FAILED.value, "Keys": found, "Why": why}
    return dict(result)


def _told(results: Sequence[Mapping[str, Any]], outcome: AccountOutcome) -> list[dict[str, str]]:
    return [
        {"AccountId": result["Account"]["Id"], "Why": result["Why"]}
        for result in results
        if result["Outcome"] == outcome
    ]
