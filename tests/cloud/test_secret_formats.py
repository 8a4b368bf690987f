"""Secrets that are written as their readers need them, deployed, changed and rolled back, with IAM enforced."""

from __future__ import annotations

import configparser
import io
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from aws_cdk import aws_ssm as ssm
from dotenv import dotenv_values
from ses_smtp_credentials.lib import calculate_key

from cdk_iam_access_key import Escape, Field, SecretFormat

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_cdk import Stack
    from cloud.shop import Settings, Shop

    from cdk_iam_access_key import AccessKey

REGION = "eu-central-1"
URL = "s3://{access_key_id}:{secret_access_key}@bucket/"


def written(make: Callable[[Stack], SecretFormat]) -> Settings:
    """Declare a format."""
    return lambda stack: {"secret_format": make(stack)}


def env_file(stack: Stack) -> SecretFormat:
    """Have a constant that only the deployment knows."""
    fields: dict[str, Field | str] = {"ID": Field.ACCESS_KEY_ID, "SECRET": Field.SECRET_ACCESS_KEY}
    return SecretFormat.env_file({**fields, "ACCOUNT": stack.account})


def consume_user_name(key: AccessKey) -> None:
    """Declare a consumer of a field of the format, pinned to the version."""
    value = key.secret_value("username").unsafe_unwrap()
    ssm.StringParameter(key, "User", parameter_name="mail-user", string_value=value)


def read(shop: Shop, name: str) -> str:
    """Read a secret as its readers do."""
    return str(shop.account.secrets.get_secret_value(SecretId=shop[name].secret)["SecretString"])


def works(shop: Shop, key_id: str, secret: str) -> bool:
    """Sign a call with a key."""
    sts = shop.account.cloud.client("sts", access_key_id=key_id, secret_access_key=secret)
    return bool(sts.get_caller_identity()["Arn"])


def keys_in(shop: Shop) -> dict[str, tuple[str, str]]:
    """Take the keys out of the secrets, each with its readers' own parser."""
    env = dotenv_values(stream=io.StringIO(read(shop, "env")))
    file = configparser.RawConfigParser()
    file.read_string(read(shop, "file"))
    url = urlsplit(read(shop, "url"))
    found: dict[str, Any] = {
        "env": (env["ID"], env["SECRET"]),
        "file": (file["build"]["aws_access_key_id"], file["build"]["aws_secret_access_key"]),
        "url": (url.username, unquote(str(url.password))),
    }
    return found


def test_formats_are_deployed_changed_and_rolled_back(shop: Shop) -> None:
    """Each reader finds a key that works; a failed change brings the very key and document back."""
    shop.add("env", settings=written(env_file))
    shop.add("file", settings=written(lambda _: SecretFormat.credentials_file("build")))
    shop.add("url", settings=written(lambda _: SecretFormat.template(URL, escape=Escape.URL)))
    shop.add("mail", settings=written(lambda _: SecretFormat.ses_smtp([REGION, "us-east-1"])), beside=consume_user_name)
    shop.add("last", waits=True)
    shop.deploy()

    assert all(works(shop, *key) for key in keys_in(shop).values())
    mail = json.loads(read(shop, "mail"))
    secrets = shop.account.cloud.secret_access_keys()
    assert mail["password"] in {calculate_key(secret, REGION) for secret in secrets}
    assert mail["password_us-east-1"] in {calculate_key(secret, "us-east-1") for secret in secrets}
    user = shop.account.cloud.client("ssm").get_parameter(Name="mail-user")["Parameter"]["Value"]
    assert user == mail["username"]

    before = {name: read(shop, name) for name in ("env", "file", "url", "mail")}
    shop.account.add_unmanaged_key("last")
    shop.change("env", "url", settings=written(lambda _: SecretFormat.credentials_file("other")))
    shop.change("last", serial="2")
    shop.deploy(fails=True)
    assert {name: read(shop, name) for name in before} == before

    shop.change("last", serial="1")
    shop.deploy()
    assert read(shop, "env").startswith("[other]")
    assert read(shop, "file") == before["file"]
    env_keys = shop.account.keys("env")
    assert sorted(env_keys.values()) == ["Active", "Active"], "the previous key has no grace period"
