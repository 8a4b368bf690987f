"""The proof of SMTP passwords: logins at real servers on loopback, which check name, certificate and password."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, Any

import pytest
from botocore.loaders import Loader
from botocore.session import get_session
from support.smtp_server import HOSTS, NO_TLS, STARTTLS, TLS_FIRST, smtp_endpoints
from unit.aws.test_sts import Waiting

from access_key_provider.aws import smtp
from access_key_provider.aws.smtp import SmtpProver, smtp_host
from access_key_provider.model.errors import UnprovenKeyError
from access_key_provider.model.secret_format import ses_smtp_password
from access_key_provider.model.state import NewAccessKey

if TYPE_CHECKING:
    from pathlib import Path

KEY = NewAccessKey("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
REGIONS = ("eu-central-1", "us-east-1")


def accepts(host: str, user: str, password: str) -> bool:
    """Know the passwords of one key, each for its own host, as SES does."""
    region = dict(zip(HOSTS, REGIONS, strict=True))[host]
    return (user, password) == (KEY.id, ses_smtp_password(KEY.secret, region))


@pytest.mark.parametrize(("port", "tls"), [(587, STARTTLS), (2587, STARTTLS), (465, TLS_FIRST), (2465, TLS_FIRST)])
def test_each_endpoint_takes_its_password_twice(tmp_path: Path, port: int, tls: str) -> None:
    """At the port that is declared; by STARTTLS or TLS, as AWS says of it."""
    with smtp_endpoints(tmp_path, accepts, tls=tls) as endpoints:
        SmtpProver(Waiting()).prove(KEY, REGIONS, port)
    assert endpoints.logins == [(host, KEY.id, True) for host in HOSTS for _ in range(2)]
    assert {given for _, given in endpoints.connected_to} == {port}


def test_a_new_key_is_waited_for(tmp_path: Path) -> None:
    """SES knows it some seconds after IAM."""
    clock = Waiting()
    with smtp_endpoints(tmp_path, accepts) as endpoints:
        endpoints.refusals = 5
        SmtpProver(clock).prove(KEY, REGIONS[:1], 587)
    assert [taken for _, _, taken in endpoints.logins] == [False] * 5 + [True] * 2
    assert clock.slept == 12


def test_each_region_has_its_own_time(tmp_path: Path) -> None:
    """Twenty-five of them, some far away, take longer than a new key may."""
    clock = Waiting()

    def slow(*given: str) -> bool:
        clock.sleep(55)
        return accepts(*given)

    with smtp_endpoints(tmp_path, slow) as endpoints:
        SmtpProver(clock).prove(KEY, REGIONS, 587)
    assert len(endpoints.logins) == 4


@pytest.mark.parametrize("seconds", [300, 90])
def test_a_password_that_never_works_is_given_up_in_time(tmp_path: Path, seconds: float) -> None:
    """The message names the key, the host and the answer, and neither secret nor password."""
    clock = Waiting(seconds)
    with smtp_endpoints(tmp_path, lambda *_: False), pytest.raises(UnprovenKeyError) as given_up:
        SmtpProver(clock).prove(KEY, REGIONS, 587)
    assert re.search(rf"{KEY.id} .* {HOSTS[0]} in time \(last answer: 535\): deploy again", str(given_up.value))
    assert len(str(given_up.value)) < 256
    assert not any(part in str(given_up.value) for part in (KEY.secret, ses_smtp_password(KEY.secret, REGIONS[0])))
    assert (110 < clock.slept < 130) if seconds == 300 else (clock.remaining() > 50)


def test_a_password_of_another_region_is_no_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is derived for its region."""
    monkeypatch.setattr(smtp, "ses_smtp_password", lambda secret, _region: ses_smtp_password(secret, "us-east-1"))
    with smtp_endpoints(tmp_path, accepts) as endpoints, pytest.raises(UnprovenKeyError, match="eu-central-1"):
        SmtpProver(Waiting()).prove(KEY, REGIONS, 587)
    assert endpoints.logins[0] == (HOSTS[0], KEY.id, False)


@pytest.mark.parametrize("tls", [STARTTLS, TLS_FIRST])
def test_no_password_goes_to_a_host_of_another_name(tmp_path: Path, tls: str) -> None:
    """Whoever answers under SES's name needs SES's certificate."""
    with (
        smtp_endpoints(tmp_path, accepts, tls=tls, names=("mail.example.com",)) as endpoints,
        pytest.raises(UnprovenKeyError, match=r"could not be reached .*SSLCertVerificationError"),
    ):
        SmtpProver(Waiting()).prove(KEY, REGIONS, 465 if tls == TLS_FIRST else 587)
    assert endpoints.logins == []


def test_no_password_goes_out_unencrypted(tmp_path: Path) -> None:
    """A server that does not offer STARTTLS at a port for it gets nothing."""
    with smtp_endpoints(tmp_path, accepts, tls=NO_TLS) as endpoints, pytest.raises(UnprovenKeyError):
        SmtpProver(Waiting()).prove(KEY, REGIONS, 587)
    assert endpoints.logins == []


def test_an_endpoint_that_can_not_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried thrice; the message says what a function in a VPC needs."""

    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuse)
    clock = Waiting()
    with pytest.raises(UnprovenKeyError) as given_up:
        SmtpProver(clock).prove(KEY, REGIONS, 587)
    assert f"{HOSTS[0]}:587 could not be reached" in str(given_up.value)
    assert "(ConnectionRefusedError). Functions in a VPC need a way there" in str(given_up.value)
    assert len(str(given_up.value)) < 256
    assert clock.slept < 10


def test_the_hosts_end_as_the_sdk_says() -> None:
    """In each partition where SES is; the construct writes the same into the secret."""
    session, data = get_session(), Loader().load_data("endpoints")
    suffixes = {partition["partition"]: partition["dnsSuffix"] for partition in data["partitions"]}
    expected = {
        region: f"email-smtp.{region}.{suffixes[partition]}"
        for partition in suffixes
        for region in session.get_available_regions("ses", partition)
    }
    assert len(expected) > 20
    assert {region: smtp_host(region) for region in expected} == expected
