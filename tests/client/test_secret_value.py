"""The key pair is found in each text that the provider writes, and in no other."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from access_key_provider.model.secret_format import ses_smtp_password
from iam_access_key_client.errors import NotAKeyPairError
from iam_access_key_client.secret_value import find_pair
from iam_access_key_client.state import KeyPair

ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
PAIR = KeyPair(ID, SECRET)
ENCODED = quote(SECRET, safe="")
SMTP = ses_smtp_password(SECRET, "eu-central-1")

TEXTS = {
    "default": json.dumps({"accessKeyId": ID, "secretAccessKey": SECRET}),
    "aws names": json.dumps({"AWS_ACCESS_KEY_ID": ID, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "eu-central-1"}),
    "other names": json.dumps({"id": ID, "secret": SECRET}),
    "nested": json.dumps({"env": "prod", "aws": {"accessKeyId": ID, "secretAccessKey": SECRET}}),
    "nested, other names": json.dumps({"env": "prod", "s3": {"target": {"id": ID, "secret": SECRET}, "n": None}}),
    "with an SMTP password": json.dumps({"accessKeyId": ID, "secretAccessKey": SECRET, "password": SMTP}),
    "env file": f"AWS_ACCESS_KEY_ID={ID}\nAWS_SECRET_ACCESS_KEY={SECRET}\n",
    "exported, quoted": f"export S3_ACCESS_KEY_ID=\"{ID}\"\nexport S3_SECRET_ACCESS_KEY='{SECRET}'\n",
    "env file of other names": f"S3_KEY={ID}\nS3_SECRET={SECRET}\n",
    "credentials file": f"[build]\naws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\nregion = eu-central-1\n",
    "rclone": f"[backup]\ntype = s3\naccess_key_id = {ID}\nsecret_access_key = {SECRET}\n",
    "yaml": f"aws:\n  accessKeyId: {ID}\n  secretAccessKey: {SECRET}\n",
    "url": f"s3://{ID}:{ENCODED}@s3.eu-central-1.amazonaws.com/backup",
    "s3fs": f"{ID}:{SECRET}\n",
    "windows": f"AWS_ACCESS_KEY_ID={ID}\r\nAWS_SECRET_ACCESS_KEY={SECRET}\r\n",
    "two lines": f"{ID}\n{SECRET}\n",
}
NO_PAIRS = {
    "empty": "",
    "SES": json.dumps({"username": ID, "password": SMTP, "host": "email-smtp.eu-central-1.amazonaws.com", "port": 587}),
    "SES as a secret access key": json.dumps({"accessKeyId": ID, "secretAccessKey": SMTP}),
    "a password": json.dumps({"username": "admin", "password": "correct horse"}),
    "a list": json.dumps([ID, "x"]),
    "half": json.dumps({"accessKeyId": ID}),
    "two keys": f"[a]\naws_access_key_id={ID}\naws_secret_access_key={SECRET}\n"
    f"[b]\naws_access_key_id=AKIAI44QH8DHBEXAMPLE\naws_secret_access_key={SECRET[::-1]}\n",
    "temporary": "ASIAIOSFODNN7EXAMPLE\n" + SECRET,
}


@pytest.mark.parametrize("name", TEXTS)
def test_pair_is_found(name: str) -> None:
    """By names or by shape."""
    assert find_pair(TEXTS[name]) == PAIR


@pytest.mark.parametrize("index", range(40))
@pytest.mark.parametrize("encoded", [True, False])
def test_pair_is_found_wherever_a_special_character_stands(index: int, encoded: bool) -> None:  # noqa: FBT001
    """A part of a percent-encoded secret is never taken for a secret."""
    secret = ("a" * 40)[:index] + "/" + ("b" * 39)[index:]
    text = f"s3://{ID}:{quote(secret, safe='')}@host/" if encoded else f"{ID} {secret}"
    assert find_pair(text) == KeyPair(ID, secret)


@pytest.mark.parametrize("name", NO_PAIRS)
def test_text_without_a_single_pair_is_refused(name: str) -> None:
    """The message holds nothing of the text."""
    with pytest.raises(NotAKeyPairError) as caught:
        find_pair(NO_PAIRS[name])
    assert not any(word in str(caught.value) for word in (SECRET, SMTP, ID, "horse"))


def test_fields_say_where_the_pair_is() -> None:
    """Two pairs in one document, and the fields choose."""
    text = json.dumps({"a": ID, "b": SECRET, "accessKeyId": "AKIAI44QH8DHBEXAMPLE", "secretAccessKey": SECRET[::-1]})
    assert find_pair(text, ("a", "b")) == PAIR
    assert find_pair(json.dumps({"x": json.loads(text), "y": [1]}), ("a", "b")) == PAIR
    with pytest.raises(NotAKeyPairError, match="field c"):
        find_pair(text, ("a", "c"))
    with pytest.raises(NotAKeyPairError, match="no single pair"):
        find_pair(json.dumps({"a": ID, "b": SMTP}), ("a", "b"))
