"""The documents that readers of the secret get, and what is refused before anything is called."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.hmac import HMAC
from hypothesis import given
from hypothesis import strategies as st
from ses_smtp_credentials.constants import SMTP_REGIONS
from ses_smtp_credentials.lib import calculate_key

from access_key_provider.model.errors import InvalidRequestError
from access_key_provider.model.secret_format import DEFAULT_FORMAT, FormatKind, SecretFormat, ses_smtp_password
from access_key_provider.model.state import NewAccessKey

if TYPE_CHECKING:
    from collections.abc import Iterable

KEY = NewAccessKey("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
PUBLISHED = "BMPPgbAHoFVbze1Ud0oA5uNdXRwUXUZ+qOwphGJbl/cS"
ENV = "A={access_key_id}\nB={secret_access_key}\n"
BOTH = "{access_key_id} {secret_access_key}"

secrets = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/+", min_size=40, max_size=40)


def text(document: str, kind: FormatKind = FormatKind.TEXT) -> SecretFormat:
    """Make a format."""
    return SecretFormat(document, kind)


# --- SMTP passwords


def test_the_published_password() -> None:
    """AWS's SDK for PHP has this secret, region and password in its tests."""
    assert ses_smtp_password(KEY.secret, "us-east-2") == PUBLISHED


@given(secret=secrets, region=st.sampled_from(SMTP_REGIONS))
def test_another_implementation_agrees(secret: str, region: str) -> None:
    """A library that others use, and the algorithm as AWS describes it by another HMAC."""

    def signed(key: bytes, messages: Iterable[bytes]) -> bytes:
        for message in messages:
            code = HMAC(key, hashes.SHA256())
            code.update(message)
            key = code.finalize()
        return key

    described = signed(
        b"AWS4" + secret.encode(), [b"11111111", region.encode(), b"ses", b"aws4_request", b"SendRawEmail"]
    )
    password = ses_smtp_password(secret, region)
    assert password == calculate_key(secret, region) == base64.b64encode(bytes([4]) + described).decode()


# --- documents


def test_the_default_document() -> None:
    """Its readers have relied on it from the first release on."""
    document = f'{{"accessKeyId": "{KEY.id}", "secretAccessKey": "{KEY.secret}"}}'
    assert DEFAULT_FORMAT.document(KEY) == document
    DEFAULT_FORMAT.check()


@pytest.mark.parametrize(
    ("given_text", "document"),
    [
        (BOTH, f"{KEY.id} {KEY.secret}"),
        ("{ses_smtp_password:us-east-2}", PUBLISHED),
        ("{ses_smtp_password:us-east-2|url}", PUBLISHED.replace("+", "%2B").replace("/", "%2F")),
        ("{secret_access_key|url}", KEY.secret.replace("/", "%2F")),
        ("{{access_key_id}}", f"{{{KEY.id}}}"),
        ('{"a": {}, "b": "{1} {A} { } {a b}"}', '{"a": {}, "b": "{1} {A} { } {a b}"}'),
    ],
)
def test_placeholders_are_replaced_and_nothing_else(given_text: str, document: str) -> None:
    """Other braces stand for themselves."""
    assert text(given_text).document(KEY) == document


def test_regions_are_named_once_in_order() -> None:
    """Each is proven once."""
    passwords = "{ses_smtp_password:b} {ses_smtp_password:a|url} {ses_smtp_password:b}"
    assert text(f"{BOTH} {passwords}").smtp_regions == ("b", "a")


# --- what is refused


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        pytest.param(text(BOTH + "{secret}"), "{secret} in the text of SecretFormat is no placeholder", id="unknown"),
        pytest.param(text(BOTH + "{access_key_id:eu}"), "is no placeholder", id="a region too many"),
        pytest.param(text(BOTH + "{ses_smtp_password}"), "is no placeholder", id="no region"),
        pytest.param(text(BOTH + "{ses_smtp_password:}"), "is no placeholder", id="an empty region"),
        pytest.param(text(BOTH + "{access_key_id|json}"), "is no placeholder", id="unknown escape"),
        pytest.param(text(BOTH + "{access_key_id|}"), "is no placeholder", id="empty escape"),
        pytest.param(text("{access_key_id}"), "readers need both", id="no secret"),
        pytest.param(text("{secret_access_key}"), "readers need both", id="no id"),
        pytest.param(text("x"), "readers need both", id="nothing"),
        pytest.param(text(BOTH + "x" * 59_800), "60000 bytes", id="long"),
        pytest.param(text(BOTH * 235), "60000 bytes", id="long when it is filled in"),
        pytest.param(text(BOTH + "€" * 20_000), "60000 bytes", id="long in bytes"),
        pytest.param(text(f'{{"a": "{BOTH}", "b": "x"y"}}', FormatKind.JSON), "no JSON object", id="quotation mark"),
        pytest.param(text(f'["{BOTH}"]', FormatKind.JSON), "no JSON object", id="a list"),
        pytest.param(text(BOTH + "[" * 50_000, FormatKind.JSON), "no JSON object", id="no end of lists"),
        pytest.param(text("[" * 50_000 + BOTH, FormatKind.JSON), "no JSON object", id="lists in lists"),
        pytest.param(text(ENV + "C=a b\n", FormatKind.ENV_FILE), "env file", id="blank"),
        pytest.param(text(ENV + "C=$X\n", FormatKind.ENV_FILE), "env file", id="dollar"),
        pytest.param(text(ENV + "\n", FormatKind.ENV_FILE), "env file", id="line break"),
    ],
)
def test_a_text_that_no_reader_understands_is_refused(refused: SecretFormat, reason: str) -> None:
    """The message is short enough for a response."""
    with pytest.raises(InvalidRequestError) as error:
        refused.check()
    assert reason in str(error.value)
    assert len(str(error.value)) < 256


def test_a_text_up_to_the_limit_is_taken() -> None:
    """The longest key that IAM could make still fits into what Secrets Manager takes."""
    longest = text(BOTH + "x" * (60_000 - 128 - 128 - 1))
    longest.check()
    with pytest.raises(InvalidRequestError):
        text(longest.text + "x").check()


# --- the shape is part of the key


def test_the_default_shape_has_the_serials_name() -> None:
    """Also of a claim that was written before there were formats."""
    assert DEFAULT_FORMAT.key_serial("1") == "1"
    assert SecretFormat(DEFAULT_FORMAT.text, prove_smtp_port=587).key_serial("1") == "1"


def test_another_shape_is_another_key() -> None:
    """Each text has a name of its own, with the serial in it; what only proves the key changes nothing."""
    names = {text(document).key_serial(serial) for document in (BOTH, BOTH + "\n") for serial in "12"}
    assert len(names) == 4
    assert all(name.startswith(("1 in shape ", "2 in shape ")) for name in names)
    assert SecretFormat(BOTH, prove_smtp_port=587).key_serial("1") == text(BOTH).key_serial("1")


@given(secret=secrets)
def test_json_needs_no_escapes(secret: str) -> None:
    """Whatever IAM makes, the value stands between quotation marks as it is."""
    key = NewAccessKey(KEY.id, secret)
    document = json.loads(DEFAULT_FORMAT.document(key))
    assert document == {"accessKeyId": KEY.id, "secretAccessKey": secret}
