"""A consumer proves that it has the new key and no other one, by one event, signed with it."""

from __future__ import annotations

import errno
import http.client
import json
import os
import re
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support.aws_server import ARN, expected_signature

from iam_access_key_client.aws import PROOF_BODY, PROOF_CONTENT_TYPE, Aws
from iam_access_key_client.state import KeyPair

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from client.conftest import Host
    from support.aws_server import Account, AwsServer, Key

SIGNED = ["content-type", "host", "x-amz-date", "x-iam-access-key-consumer", "x-iam-access-key-secret"]
PAIR = KeyPair("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


def proof_headers(detail: dict[str, Any], endpoint: str) -> dict[str, str]:
    """Return what the provider sends to STS."""
    return {
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        "host": endpoint,
        "x-amz-date": detail["signedAt"],
        "x-iam-access-key-consumer": detail["consumer"],
        "x-iam-access-key-secret": detail["secretArn"],
    }


def scope_of(detail: dict[str, Any], region: str = "eu-central-1") -> str:
    """Return the scope of the signature."""
    return f"{detail['signedAt'][:8]}/{region}/sts/aws4_request"


def moved(host: Host, account: Account, *arguments: str) -> Key:
    """Rotate, and let a host that gave the old key out move to the new one."""
    host.run("credentials", "--consumer", "ci-runner-7", *arguments)
    new = account.rotate()
    host.let_the_interval_pass()
    assert host.run("credentials").key_id == new.access_key_id
    return new


def test_event_is_as_agreed_with_the_provider(enrolled: Host, account: Account, server: AwsServer) -> None:
    """One event, whose signature the published algorithm gives, and which STS takes for a call with the new key."""
    new = moved(enrolled, account)
    assert account.events == []
    enrolled.let_credentials_expire()
    enrolled.let_the_interval_pass()
    done = enrolled.run("credentials")
    assert (done.key_id, done.err) == (new.access_key_id, "")
    (event,) = account.events
    (call,) = [call for call in account.calls if call.action == "PutEvents"]
    assert call.access_key_id == new.access_key_id
    detail = json.loads(event.pop("Detail"))
    assert event == {
        "Source": "cdk-iam-access-key.consumer",
        "DetailType": "Access Key Acknowledgement",
        "Resources": [ARN],
    }
    assert list(detail) == ["schemaVersion", "secretArn", "consumer", "accessKeyId", "signedAt", "signature"]
    assert (detail["schemaVersion"], detail["secretArn"], detail["consumer"]) == ("1", ARN, "ci-runner-7")
    assert detail["accessKeyId"] == new.access_key_id
    assert re.fullmatch(r"\d{8}T\d{6}Z", detail["signedAt"])
    assert re.fullmatch(r"[0-9a-f]{64}", detail["signature"])
    body = b"Action=GetCallerIdentity&Version=2011-06-15"
    endpoint = server.url.removeprefix("http://")
    headers, scope = proof_headers(detail, endpoint), scope_of(detail)
    assert detail["signature"] == expected_signature(new.secret_access_key, headers, SIGNED, body, scope)
    assert sts_status(endpoint, headers, detail, body) == 200
    assert sts_status(endpoint, {**headers, "x-iam-access-key-consumer": "another"}, detail, body) == 403
    enrolled.let_the_interval_pass()
    enrolled.run("credentials")
    assert len(account.events) == 1
    assert enrolled.state.acknowledged == account.current.version_id


def sts_status(endpoint: str, headers: dict[str, str], detail: dict[str, Any], body: bytes) -> int:
    """Send the proof to STS, as the provider does."""
    credential = f"{detail['accessKeyId']}/{scope_of(detail)}"
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={';'.join(SIGNED)}, Signature={detail['signature']}"
    )
    connection = http.client.HTTPConnection(endpoint)
    connection.request("POST", "/", body, {**headers, "authorization": authorization})
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize(
    ("region", "endpoint"),
    [
        ("eu-central-1", "sts.eu-central-1.amazonaws.com"),
        ("us-east-1", "sts.us-east-1.amazonaws.com"),
        ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"),
    ],
)
@pytest.mark.parametrize("setting", ["", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"])
def test_proof_is_for_the_plain_regional_endpoint(host: Host, region: str, endpoint: str, setting: str) -> None:
    """The provider sends it there, whatever this machine is set to."""
    host.patch.delenv("AWS_ENDPOINT_URL")
    host.patch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
    if setting:
        host.patch.setenv(setting, "true")
    detail = Aws(ARN.replace("eu-central-1", region))._proof(PAIR, "vendor-x")
    headers = proof_headers(detail, endpoint)
    expected = expected_signature(
        PAIR.secret_access_key, headers, SIGNED, PROOF_BODY.encode(), scope_of(detail, region)
    )
    assert headers["content-type"] == PROOF_CONTENT_TYPE
    assert detail["signature"] == expected


def test_not_before_the_old_credentials_have_expired(enrolled: Host, account: Account) -> None:
    """An SDK may sign with the old key until the time that it was given."""
    moved(enrolled, account)
    for _ in range(2):
        enrolled.let_the_interval_pass()
        enrolled.run("credentials")
    assert account.count("PutEvents") == 0
    assert enrolled.state.previous
    assert enrolled.state.previous.given_out_until > time.time() + 15 * 60


def test_first_key_is_acknowledged_at_enrolment(host: Host, account: Account) -> None:
    """There is no other one here; without a name, nobody is told."""
    key = account.rotate()
    host.enrol(key)
    assert account.events == []
    host.enrol(key, "--consumer", "vendor-x")
    assert [json.loads(event["Detail"])["consumer"] for event in account.events] == ["vendor-x"]


@pytest.mark.parametrize("fault", ["denied", "failed entry", "failure"])
def test_event_that_is_not_taken_is_sent_again_at_the_next_read(enrolled: Host, account: Account, fault: str) -> None:
    """One line on standard error, and the key is given out."""
    new = moved(enrolled, account)
    enrolled.let_credentials_expire()
    if fault == "denied":
        account.denied.add("PutEvents")
    elif fault == "failed entry":
        account.failed_entry = "InternalFailure"
    else:
        account.failing["PutEvents"] = "InternalFailure"
    enrolled.let_the_interval_pass()
    done = enrolled.run("credentials")
    assert (done.code, done.key_id, done.err.count("\n")) == (0, new.access_key_id, 1)
    assert "could not be acknowledged yet: events:PutEvents answered " in done.err
    assert ("declare key.wait_for_consumers(...)" in done.err) == (fault == "denied")
    assert not enrolled.state.acknowledged
    account.denied.clear()
    account.failing.clear()
    account.failed_entry = ""
    assert enrolled.run("credentials").err == ""
    assert account.events == []
    enrolled.let_the_interval_pass()
    assert enrolled.run("credentials").err == ""
    assert len(account.events) == 1


def test_endpoint_that_is_none_stops_no_key(enrolled: Host, account: Account) -> None:
    """The proof is signed for it; Secrets Manager has one of its own."""
    enrolled.let_the_interval_pass()
    enrolled.patch.setenv("AWS_ENDPOINT_URL_STS", "no-url")
    done = enrolled.run("credentials", "--consumer", "ci")
    assert (done.code, "could not be acknowledged yet: sts: ValueError" in done.err) == (0, True)
    assert acknowledged(account) == []


def test_not_while_a_command_runs_with_the_old_key(enrolled: Host, account: Account) -> None:
    """However it ends; a command with the new key is in nobody's way, and no mark of either is left."""
    with sleeping(enrolled, "--consumer", "ci") as process:
        new = account.rotate()
        enrolled.let_the_interval_pass()
        assert enrolled.run("credentials", "--consumer", "ci").key_id == new.access_key_id
        with sleeping(enrolled):
            for ended in (False, True):
                enrolled.let_credentials_expire()
                enrolled.let_the_interval_pass()
                assert enrolled.run("credentials").err == ""
                assert acknowledged(account) == [new.access_key_id] * ended
                process.send_signal(signal.SIGKILL)
                process.wait()
            assert len(list(enrolled.store.folder.glob("*.use-*"))) == 1


def test_mark_that_cannot_be_looked_at_is_told(enrolled: Host, account: Account) -> None:
    """As after `sudo -E iam-access-key exec`: nobody would learn why the consumer stays missing."""
    mark = enrolled.store.path.with_name(f"{enrolled.store.path.name}.use-1-root")
    mark.mkdir()
    enrolled.let_the_interval_pass()
    done = enrolled.run("credentials", "--consumer", "ci")
    assert (done.code, str(mark) in done.err, acknowledged(account)) == (0, True, [])


@contextmanager
def sleeping(host: Host, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command that has the key, until it is killed."""
    with host.start("exec", *arguments, "--", "sh", "-c", "echo begun; exec sleep 60") as process:
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        yield process
        process.kill()


def test_not_while_a_file_has_the_old_key(enrolled: Host, account: Account) -> None:
    """`write` acknowledges when its command has succeeded with the new key, and at once."""
    path, fail = enrolled.home / "key.env", enrolled.home / "fail"
    arguments = (str(path), "--consumer", "ci", "--then", f"test ! -e {fail}")
    enrolled.run("write", *arguments)
    old = enrolled.state.current.pair.access_key_id
    new = account.rotate()
    enrolled.let_the_interval_pass()
    assert enrolled.run("credentials", "--consumer", "ci").key_id == new.access_key_id
    enrolled.let_credentials_expire()
    enrolled.let_the_interval_pass()
    enrolled.run("credentials")
    fail.touch()
    assert enrolled.run("write", *arguments).code == 1
    enrolled.let_the_interval_pass()
    enrolled.run("credentials")
    assert acknowledged(account) == [old]
    fail.unlink()
    enrolled.let_credentials_expire()
    assert enrolled.run("write", *arguments).code == 0
    assert acknowledged(account) == [old, new.access_key_id]


def acknowledged(account: Account) -> list[str]:
    """Return the ids of the keys that were acknowledged."""
    return [json.loads(event["Detail"])["accessKeyId"] for event in account.events]


def test_file_that_is_gone_holds_nothing_back(enrolled: Host, account: Account) -> None:
    """Nobody writes it any more."""
    path = enrolled.home / "key.env"
    enrolled.run("write", str(path), "--consumer", "ci")
    new = account.rotate()
    path.unlink()
    for _ in range(2):
        enrolled.let_the_interval_pass()
        enrolled.run("credentials")
        enrolled.let_credentials_expire()
    assert acknowledged(account)[-1] == new.access_key_id
    assert enrolled.state.files == {}


def test_file_that_cannot_be_seen_holds_the_acknowledgement_back(enrolled: Host, account: Account) -> None:
    """A service may hide folders from its programs; they get the key all the same."""
    path = enrolled.home / "key.env"
    enrolled.run("write", str(path), "--consumer", "ci")
    old = account.current
    new = account.rotate()
    call = os.stat

    def hidden(name: object, *arguments: object, **options: object) -> os.stat_result:
        if str(name) == str(path):
            raise PermissionError(errno.EACCES, "Permission denied")
        return call(name, *arguments, **options)  # type: ignore[arg-type, call-overload, no-any-return]

    enrolled.patch.setattr("os.stat", hidden)
    for _ in range(2):
        enrolled.let_the_interval_pass()
        done = enrolled.run("credentials")
        enrolled.let_credentials_expire()
        assert (done.code, done.key_id, done.err) == (0, new.access_key_id, "")
    assert old
    assert acknowledged(account) == [json.loads(old.text)["accessKeyId"]]
    assert list(enrolled.state.files) == [str(path)]


def test_acknowledged_by_hand(enrolled: Host, account: Account) -> None:
    """At once, with the stored key; where none is stored, with the one in the environment; a failure is told."""
    done = enrolled.run("acknowledge", "--consumer", "vendor-x")
    assert (done.code, done.err, enrolled.state.acknowledged) == (0, "", None)
    key = enrolled.state.current.pair
    enrolled.run("credentials", "--consumer", "vendor-x")
    enrolled.run("acknowledge", "--consumer", "vendor-x")
    assert enrolled.state.acknowledged == account.current.version_id
    enrolled.store.path.unlink()
    done = enrolled.run(
        *("acknowledge", "--consumer", "vendor-y"),
        AWS_ACCESS_KEY_ID=key.access_key_id,
        AWS_SECRET_ACCESS_KEY=key.secret_access_key,
    )
    assert done.code == 0
    details = [json.loads(event["Detail"]) for event in account.events]
    assert [detail["consumer"] for detail in details] == ["vendor-x", "vendor-x", "vendor-y"]
    assert {detail["accessKeyId"] for detail in details} == {key.access_key_id}
    account.keys[key.access_key_id].status = "Inactive"
    done = enrolled.run(
        *("acknowledge", "--consumer", "vendor-y"),
        AWS_ACCESS_KEY_ID=key.access_key_id,
        AWS_SECRET_ACCESS_KEY=key.secret_access_key,
    )
    assert (done.code, "InvalidClientTokenId" in done.err) == (1, True)


@pytest.mark.parametrize("hours", [-5, 5])
def test_clock_that_is_hours_off(host: Host, account: Account, hours: int) -> None:
    """Enrolment, a rotation and an acknowledgement go by the clock of AWS, which its responses tell."""
    account.ahead = hours * 3600
    host.enrol(account.rotate(), "--consumer", "ci")
    young = account.rotate(age=30)
    host.let_the_interval_pass()
    assert host.run("credentials").key_id != young.access_key_id
    new = account.rotate(age=90)
    host.let_the_interval_pass()
    done = host.run("credentials")
    assert (done.key_id, done.err) == (new.access_key_id, "")
    host.let_credentials_expire()
    host.let_the_interval_pass()
    assert host.run("credentials").err == ""
    detail = json.loads(account.events[-1]["Detail"])
    assert detail["accessKeyId"] == new.access_key_id
    signed = time.mktime(time.strptime(detail["signedAt"], "%Y%m%dT%H%M%SZ")) - time.timezone
    assert abs(signed - account.now) < 60


def test_clock_that_is_set_back_stops_nothing(enrolled: Host, account: Account) -> None:
    """The last read is in the future then; so the next one comes now."""
    new = account.rotate()
    enrolled.edit(readAt=time.time() + 86_400, triedAt=time.time() + 86_400)
    assert enrolled.run("credentials").key_id == new.access_key_id
