"""What a run says: within the limits of SNS and EventBridge whatever happened, and in words that can be acted on."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from unit.root_keys.account import Account
from unit.root_keys.guard_settings import deployed, settings
from unit.root_keys.organization import OWN, Key, Member
from unit.root_keys.state_machine import run, step

from root_access_keys import finish
from root_access_keys.model import Run
from root_access_keys.settings import Settings
from root_access_keys.summary import failure_text, in_short, in_words, subject, summarize

RUN = Run("one", deletes=True, began=datetime.now(UTC), settings="")
LONG_AGO = datetime.now(UTC) - timedelta(days=400)


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        (
            json.dumps({"errorMessage": "AssumeRoot: Throttling", "errorType": "TryAgainError"}),
            "AssumeRoot: Throttling",
        ),
        (json.dumps({"errorMessage": "", "errorType": "Death"}), "Sandbox.Timedout"),
        (json.dumps({"errorType": "Death"}), "Sandbox.Timedout"),
        ("RequestId: 0a1b2c3d Error: Task timed out", "Sandbox.Timedout"),
        ("[1, 2]", "Sandbox.Timedout"),
        ("7", "Sandbox.Timedout"),
        ("", "Sandbox.Timedout"),
        (None, "Sandbox.Timedout"),
    ],
)
def test_the_text_of_a_failure(cause: str | None, text: str) -> None:
    """The message if there is one, or else what kind of error it was; never nothing."""
    assert failure_text({"Error": "Sandbox.Timedout", "Cause": cause}) == text
    assert failure_text({} if cause is None else {"Cause": cause}) == (text if text.startswith("Assume") else "unknown")


def failed(number: int, length: int = 32_000) -> str:
    """Write a failure, the longest that Step Functions tells of, in characters that JSON makes six times as long."""
    cause = json.dumps({"errorMessage": "ü" * length, "errorType": "Error"}, ensure_ascii=False)
    return json.dumps({"Account": listed(number), "Failure": {"Error": "Error", "Cause": cause}})


def listed(number: int) -> dict[str, Any]:
    """Write an account with the longest name."""
    return {"Id": f"{number:012}", "Name": "ü" * 50, "Management": False, "Due": []}


def test_the_longest_texts_fit() -> None:
    """Two hundred accounts that failed as wordily as can be: the doubles of SNS and EventBridge check their limits."""
    with Account().installed() as account:
        accounts = [listed(number) for number in range(1, 201)]
        account.objects |= {
            "runs/one/accounts.json": json.dumps(accounts).encode(),
            "runs/one/skipped.json": b"[]",
            **{f"runs/one/results/{number:012}.json": failed(number).encode() for number in range(1, 201)},
        }
        with deployed(settings("Audit")):
            told = step(finish.handler, {"Start": {"Run": RUN.to_json()}})
        assert told["Accounts"]["failed"] == 200
        assert len(json.dumps(told)) < 1000, "Step Functions passes on 256 KiB at most"
        detail = json.loads(account.events[0]["Detail"])
        assert len(detail["Failed"]) == 50
        assert detail["Summary"] == "s3://results/runs/one/summary.json"
        assert len(json.loads(account.objects["runs/one/summary.json"])["Failed"]) == 200
        assert account.notices[0]["Message"].endswith("All of it: s3://results/runs/one/summary.json")


def key_of(number: int, outcome: str, at: str) -> dict[str, Any]:
    """Write the result of an account with one key."""
    use = {"At": at, "Service": "iam", "Region": "ap-southeast-1"}
    key = {"AccessKeyId": f"AKIA{number:016}", "Status": "Active", "Created": LONG_AGO.isoformat()}
    told = {"Outcome": outcome, "Why": f"last used 3 days ago {'.' * 300}", "LastUse": use}
    return {"Account": listed(number), "Outcome": "with keys", "Keys": [key | told], "Why": ""}


def test_ten_thousand_accounts_fit() -> None:
    """All that is long at once: failures, keys in use and others, each cut with what is left out, and nothing lost."""
    at = datetime.now(UTC).isoformat()
    numbers = range(1, 10_001)
    results: dict[str, Any] = {}
    for number in numbers:
        keys = [key_of(number, outcome, at) for outcome in ("kept", "planned", "deleted")]
        results[f"{number:012}"] = [json.loads(failed(number, 600)), *keys][number % 4]
    accounts = [listed(number) for number in numbers]
    with deployed(settings()):
        summary = summarize(RUN, Settings.deployed(), accounts=accounts, skipped=[], results=results)
    assert (len(summary["KeptBecauseUsed"]), len(summary["Failed"]), len(summary["Found"])) == (2500, 2500, 7500)
    detail = in_short(summary, "s3://results/runs/one/summary.json")
    # EventBridge counts the other members of the entry too.
    assert len(json.dumps(detail).encode()) < 250 * 1024
    assert (len(detail["KeptBecauseUsed"]), len(detail["Failed"])) == (150, 50)
    assert detail["LeftOut"] == {"KeptBecauseUsed": 2350, "Failed": 2450}
    notice = in_words(summary, "s3://results/runs/one/summary.json")
    assert len(notice.encode()) < 250 * 1024
    for kind in ("accounts that failed", "keys kept because they are used", "planned keys", "other keys"):
        assert f"... and 2430 more {kind}." in notice
    counts = [notice.count(f" {outcome}: ") for outcome in ("failed", "kept", "planned", "deleted")]
    assert counts == [70, 70, 70, 70]


def test_who_uses_a_key_is_told_with_service_and_time() -> None:
    """In the result of each key, and for those that are kept for it in summary, event and notice; for no other."""
    used = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
    keys = {
        "AKIAOFTHEROOTUSED": Key("AKIAOFTHEROOTUSED", LONG_AGO, used),
        "AKIAOFTHEROOTUNUSED": Key("AKIAOFTHEROOTUNUSED", LONG_AGO, LONG_AGO),
        "AKIAOFTHEROOTNEVER": Key("AKIAOFTHEROOTNEVER", used),
        "AKIAOFTHEROOTUNKNOWN": Key("AKIAOFTHEROOTUNKNOWN", LONG_AGO, "ServiceFailure"),
    }
    with Account({"200000000000": Member(list(keys.values()))}).installed() as account:
        summary = run(account, "one", settings())
        run(account, "two", settings("Audit"))
    s3 = {"Service": "s3", "Region": "us-east-1"}
    assert {key["AccessKeyId"]: key["LastUse"] for key in summary["Found"]} == {
        "AKIAOFTHEROOTUSED": {"At": used.isoformat(), **s3},
        "AKIAOFTHEROOTUNUSED": {"At": LONG_AGO.isoformat(), **s3},
        "AKIAOFTHEROOTNEVER": {"At": None, "Service": "N/A", "Region": "N/A"},
        "AKIAOFTHEROOTUNKNOWN": {"Unknown": "GetAccessKeyLastUsed: ServiceFailure"},
    }
    entry = {"AccountId": "200000000000", "AccessKeyId": "AKIAOFTHEROOTUSED", "At": used.isoformat(), **s3}
    first, audited = (json.loads(event["Detail"]) for event in account.events)
    assert summary["KeptBecauseUsed"] == first["KeptBecauseUsed"] == [entry]
    assert first["LeftOut"] == {"Failed": 0, "KeptBecauseUsed": 0}
    assert audited["KeptBecauseUsed"] == [], "an audit keeps nothing, it reports"
    assert "AKIAOFTHEROOTUSED kept: last used 3 days ago with s3 in us-east-1" in account.notices[0]["Message"]


def test_what_a_deletion_does_is_told_with_the_last_use() -> None:
    """Also of a key that was gone by then, as it was seen before."""
    keys = [Key("AKIAOFTHEROOTUNUSED", LONG_AGO, LONG_AGO), Key("AKIAOFTHEROOTGONE", LONG_AGO, LONG_AGO)]
    with Account({"200000000000": Member(keys)}).installed() as account:
        run(account, "one", settings())
        entered = len(account.log) + account.log.index("sts:AssumeRoot")
        # Between the session of the audit, with its three calls, and that of the deletion.
        account.hooks[entered + 4] = account.members["200000000000"].keys.pop
        summary = run(account, "two", settings())
    found = {key["AccessKeyId"]: (key["Outcome"], key["LastUse"]["At"]) for key in summary["Found"]}
    at = LONG_AGO.isoformat()
    assert found == {"AKIAOFTHEROOTUNUSED": ("deleted", at), "AKIAOFTHEROOTGONE": ("gone", at)}
    assert summary["KeptBecauseUsed"] == []


def summary_of(**counts: int) -> dict[str, Any]:
    """Write a summary of many accounts."""
    accounts = dict.fromkeys(("Seen", "clean", "with keys", "detected", "unseen", "skipped", "failed"), 99_999)
    keys = dict.fromkeys(("reported", "kept", "planned", "deleted", "gone", "failed", "unknown"), 99_999)
    told = {"Run": "x" * 80, "Mode": "DeleteUnused", "DryRun": False, "Failed": [], "Management": [], "Found": []}
    told["NoticeSeconds"] = 3600
    return told | {"Accounts": accounts, "Keys": keys} | counts


def test_the_longest_subject_fits() -> None:
    """SNS takes a hundred characters of ASCII, without a line break."""
    text = subject(summary_of())
    assert len(text) <= 100
    assert text.isascii()
    assert text.isprintable()


def test_a_dry_run_says_what_comes() -> None:
    """Nobody is to be surprised by the next run."""
    text = in_words(summary_of() | {"DryRun": True}, "s3://x")
    assert "(dry run: nothing was deleted)" in text
    assert "A run that begins 1 hour after a key was planned first, or later, deletes it if it is unused" in text


def test_a_key_that_is_used_is_told_with_who_uses_it() -> None:
    """The service, the Region and how long ago; an Inactive key is told as well."""
    used = datetime.now(UTC) - timedelta(days=3)
    keys = [Key("AKIAOFTHEROOTUSED", LONG_AGO, used), Key("AKIAOFTHEROOTINACTIVE", LONG_AGO, None, active=False)]
    with Account({"200000000000": Member(keys)}).installed() as account:
        summary = run(account, "one", settings("Audit"))
    message = account.notices[0]["Message"]
    assert "200000000000 AKIAOFTHEROOTUSED reported: last used 3 days ago with s3 in us-east-1" in message
    assert "AKIAOFTHEROOTINACTIVE reported: never used since it was created 400 days ago" in message
    assert [key["Status"] for key in summary["Found"]] == ["Active", "Inactive"]


def test_nobody_is_told_where_nobody_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a topic there is no notice; the event and the summary are there."""
    with Account({"200000000000": Member()}).installed() as account:
        monkeypatch.delenv("TOPIC_ARN")
        assert run(account, "one", settings("Audit"))["Accounts"]["clean"] == 1
    assert account.notices == []
    assert len(account.events) == 1


@pytest.mark.parametrize("own", [True, False])
def test_the_management_account_is_told(monkeypatch: pytest.MonkeyPatch, own: bool) -> None:  # noqa: FBT001
    """From itself what was found, and from elsewhere that it was not seen, with what to do."""
    if own:
        monkeypatch.setattr("unit.root_keys.organization.MANAGEMENT", OWN)
    with Account({"200000000000": Member()}, own_root_keys=1).installed() as account:
        summary = run(account, "one", settings(at_once=True))
    expected = "sign in as root" if own else "deploy a RootAccessKeyGuard there"
    assert summary["Accounts"]["detected" if own else "unseen"] == 1
    assert expected in account.notices[0]["Message"]
    assert account.notices[0]["Subject"].startswith(f"Root access keys: {int(own)} found")


def test_an_event_that_is_not_taken_is_put_again() -> None:
    """EventBridge answers 200 then."""
    with Account({"200000000000": Member()}, refused_events=3).installed() as account:
        assert run(account, "one", settings())
    assert len(account.events) == 1
