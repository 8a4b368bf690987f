"""`secret_format`: what it writes into the template, what its readers get, and what is refused."""

from __future__ import annotations

import configparser
import io
import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from aws_cdk import App, Aws, CfnOutput, CfnParameter, Environment, Fn, SecretValue, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk.assertions import Annotations, Match
from botocore.configloader import raw_config_parse
from dotenv import dotenv_values
from hypothesis import given
from hypothesis import strategies as st
from synth.templates import KEY, only

from access_key_provider.aws.smtp import smtp_host
from access_key_provider.entrypoints.custom_resource_request import Properties
from access_key_provider.model.secret_format import ses_smtp_password
from access_key_provider.model.state import NewAccessKey
from cdk_iam_access_key import AccessKey, Escape, Field, SecretFormat
from cdk_iam_access_key._access_key.declared_keys import Home
from cdk_iam_access_key._access_key.ses_endpoints import _regions
from cdk_iam_access_key._access_key.validation import checked_format

if TYPE_CHECKING:
    from collections.abc import Callable

    from access_key_provider.model import secret_format as provider

ID = "AKIAIOSFODNN7EXAMPLE"
BOTH = "{access_key_id} {secret_access_key}"
NAMES: dict[str, Field | str] = {"id": Field.ACCESS_KEY_ID, "secret": Field.SECRET_ACCESS_KEY}

ANYWHERE = Home(cast("Stack", None), "token", Aws.REGION, "")

secrets = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/+", min_size=40, max_size=40)


def received(secret_format: SecretFormat) -> provider.SecretFormat:
    """Give what the provider makes of the properties."""
    arns = {"SecretArn": f"arn:aws:secretsmanager:eu-central-1:123456789012:secret:{'x-AbCdEf'}"}
    role = {"RoleArn": "arn:aws:iam::123456789012:role/r", "UserName": "deploy", "Serial": "1", "Status": "Active"}
    return Properties.parse({**arns, **role, **checked_format(ANYWHERE, secret_format)}).secret_format


def document(secret_format: SecretFormat, secret: str) -> str:
    """Give what a reader of the secret gets."""
    return received(secret_format).document(NewAccessKey(ID, secret))


# --- each format, read back as its readers do


@given(secret=secrets)
def test_json_is_read_back(secret: str) -> None:
    """In any order, with any constants, also such that have braces, quotation marks and other letters in them."""
    strange = 'a "b" \\ {access} {access_key_id }\n€'
    fields = {"AWS_SECRET_ACCESS_KEY": Field.SECRET_ACCESS_KEY, "AWS_ACCESS_KEY_ID": Field.ACCESS_KEY_ID, "ü}": strange}
    read = json.loads(document(SecretFormat.json(fields), secret))
    assert read == {"AWS_SECRET_ACCESS_KEY": secret, "AWS_ACCESS_KEY_ID": ID, "ü}": strange}
    assert list(read) == list(fields)


@given(secret=secrets)
def test_an_env_file_is_read_back(secret: str) -> None:
    """By what reads `.env` files in Python; Docker and systemd take what is neither quoted nor expanded as it is."""
    fields: dict[str, Field | str] = {
        "_k1": Field.ACCESS_KEY_ID,
        "S": Field.SECRET_ACCESS_KEY,
        "HOST": "a.b:1/?".rstrip("?"),
    }
    read = dotenv_values(stream=io.StringIO(document(SecretFormat.env_file(fields), secret)))
    assert read == {"_k1": ID, "S": secret, "HOST": "a.b:1/"}
    lines = document(SecretFormat.env_file(), secret).splitlines()
    assert lines == [f"AWS_ACCESS_KEY_ID={ID}", f"AWS_SECRET_ACCESS_KEY={secret}"]


@given(secret=secrets)
def test_a_credentials_file_is_read_back(secret: str) -> None:
    """By Python's parser of such files, which the SDK uses."""
    parser = configparser.RawConfigParser()
    parser.read_string(document(SecretFormat.credentials_file("build-1", region="eu-central-1"), secret))
    expected = {"aws_access_key_id": ID, "aws_secret_access_key": secret, "region": "eu-central-1"}
    assert {name: dict(parser[name]) for name in parser.sections()} == {"build-1": expected}


def test_the_sdk_reads_a_credentials_file(tmp_path: Path) -> None:
    """Written to disk as it is."""
    file = tmp_path / "credentials"
    file.write_text(document(SecretFormat.credentials_file(), "a/b+c" * 8))
    expected = {"aws_access_key_id": ID, "aws_secret_access_key": "a/b+c" * 8}
    assert raw_config_parse(str(file)) == {"default": expected}


@given(secret=secrets)
def test_a_url_is_read_back(secret: str) -> None:
    """Both within the authority and in the query string."""
    text = "s3://{access_key_id}:{secret_access_key}@host/path?id={access_key_id}&key={secret_access_key}#{x y}"
    parts = urlsplit(document(SecretFormat.template(text, escape=Escape.URL), secret))
    assert (parts.username, unquote(parts.password or ""), parts.hostname) == (ID, secret, "host")
    assert parse_qs(parts.query) == {"id": [ID], "key": [secret]}


@given(secret=secrets)
def test_smtp_settings_are_read_back(secret: str) -> None:
    """The first region has the plain names; the secret access key is not among them."""
    written = document(SecretFormat.ses_smtp(["eu-west-1", "us-east-1"], port=2587), secret)
    first, second = (ses_smtp_password(secret, region) for region in ("eu-west-1", "us-east-1"))
    assert json.loads(written) == {
        "username": ID,
        "password": first,
        "host": "email-smtp.eu-west-1.amazonaws.com",
        "port": 2587,
        "password_eu-west-1": first,
        "host_eu-west-1": "email-smtp.eu-west-1.amazonaws.com",
        "password_us-east-1": second,
        "host_us-east-1": "email-smtp.us-east-1.amazonaws.com",
    }
    assert secret not in written


def test_a_placeholder_can_be_escaped_alone() -> None:
    """Where one text has a URL and something else."""
    text = "url=https://{access_key_id}:{secret_access_key|url}@host\nsecret={secret_access_key}\n"
    lines = document(SecretFormat.template(text), "a/b" * 12).splitlines()
    assert lines == [f"url=https://{ID}:{'a%2Fb' * 12}@host", f"secret={'a/b' * 12}"]
    escaped = SecretFormat.template(text, escape=Escape.URL)
    assert escaped.text.count("|url}") == 3
    assert "|url|url" not in escaped.text


def test_the_default_spelt_out_is_the_default() -> None:
    """Whoever writes it down does not rotate."""
    fields = {"accessKeyId": Field.ACCESS_KEY_ID, "secretAccessKey": Field.SECRET_ACCESS_KEY}
    assert received(SecretFormat.json(fields)).key_serial("1") == "1"


# --- the template


def test_the_properties(stack: Stack, user: iam.User) -> None:
    """The text as it will be filled in, which reader it is for, and the port of a proof."""
    secret_format = SecretFormat.ses_smtp(["eu-west-1"], prove_smtp=True)
    AccessKey(stack, "Key", user=user, secret_format=secret_format)
    properties = only(stack, KEY)
    assert {name: properties[name] for name in ("SecretFormat", "SecretFormatKind", "ProveSmtpPort")} == {
        "SecretFormat": secret_format.text,
        "SecretFormatKind": "json",
        "ProveSmtpPort": "587",
    }


def test_a_plain_key_has_none(stack: Stack, user: iam.User) -> None:
    """What is not declared is not sent, and nobody is told of it."""
    AccessKey(stack, "Key", user=user)
    assert not {"SecretFormat", "SecretFormatKind", "ProveSmtpPort"} & only(stack, KEY).keys()
    assert Annotations.from_stack(stack).find_info("*", Match.string_like_regexp("secret_format")) == []


def test_it_is_said_that_a_change_rotates(stack: Stack, user: iam.User) -> None:
    """At synth and in `cdk diff`: a stored key can't be written anew."""
    AccessKey(stack, "Key", user=user, secret_format=SecretFormat.env_file())
    (info,) = Annotations.from_stack(stack).find_info("/Stack/Key", Match.any_value())
    assert "any change of it rotates the key" in info.entry.data


def test_a_constant_may_be_a_token(stack: Stack, user: iam.User) -> None:
    """The provider gets the text with the value in it, and the braces of no token are taken for a placeholder's."""
    fields = {**NAMES, "region": Aws.REGION, "both": f"{{{stack.region}}}"}
    AccessKey(stack, "Key", user=user, secret_format=SecretFormat.json(fields))
    region = {"Ref": "AWS::Region"}
    text = '{"id": "{access_key_id}", "secret": "{secret_access_key}", "region": "'
    assert only(stack, KEY)["SecretFormat"] == {"Fn::Join": ["", [text, region, '", "both": "\\u007b', region, '}"}']]}


@pytest.mark.parametrize("make", [SecretFormat.env_file, SecretFormat.json])
def test_each_of_them_takes_a_token(stack: Stack, user: iam.User, make: Callable[..., SecretFormat]) -> None:
    """A region that only the deployment knows."""
    AccessKey(stack, "Key", user=user, secret_format=make({**NAMES, "region": stack.region}))
    assert {"Ref": "AWS::Region"} in only(stack, KEY)["SecretFormat"]["Fn::Join"][1]


def test_fields_of_the_format(stack: Stack, user: iam.User) -> None:
    """`secret_value` takes its names, and no others."""
    key = AccessKey(stack, "Key", user=user, secret_format=SecretFormat.json({**NAMES, "region": "eu-west-1"}))
    CfnOutput(stack, "Value", value=key.secret_value("secret").unsafe_unwrap())
    with pytest.raises(ValueError, match="field must be id or secret or region, got 'secretAccessKey'"):
        key.secret_value()


def test_a_format_without_fields(stack: Stack, user: iam.User) -> None:
    """A file is read as a whole."""
    key = AccessKey(stack, "Key", user=user, secret_format=SecretFormat.env_file())
    with pytest.raises(ValueError, match=r"a JSON object, .* makes no JSON; take all of the value with key\.secret"):
        key.secret_value("AWS_ACCESS_KEY_ID")


def test_regions_of_the_stacks_partition(app: App) -> None:
    """A key of one partition is unknown in another; where the stack's is not known, nothing can be said."""
    stack = Stack(app, "Placed", env=Environment(account="111122223333", region="eu-west-1"))
    elsewhere = SecretFormat.ses_smtp(["us-gov-west-1"])
    with pytest.raises(ValueError, match="partition of eu-west-1, got us-gov-west-1; a key works in its own partition"):
        AccessKey(stack, "Key", user=iam.User(stack, "User"), secret_format=elsewhere)
    AccessKey(stack, "Own", user=iam.User(stack, "Other"), secret_format=SecretFormat.ses_smtp(["eu-north-1"]))
    anywhere = Stack(app, "Anywhere")
    AccessKey(anywhere, "Key", user=iam.User(anywhere, "User"), secret_format=elsewhere)


def test_hosts_of_other_partitions() -> None:
    """Their names end otherwise. The oldest boto3 that is supported does not know the newest partition."""
    hosts = {
        "us-gov-west-1": "email-smtp.us-gov-west-1.amazonaws.com",
        "eusc-de-east-1": "email-smtp.eusc-de-east-1.amazonaws.eu",
    }
    known = {region: host for region, host in hosts.items() if region in _regions()}
    text = SecretFormat.ses_smtp(list(known)).text
    assert re.findall(r'"host_[^"]*": "([^"]*)"', text) == list(known.values())
    assert known


def test_the_provider_proves_at_the_hosts_that_readers_get() -> None:
    """In every region."""
    regions = _regions()
    written = json.loads(SecretFormat.ses_smtp(regions).text)
    assert len(regions) > 20
    assert {region: written[f"host_{region}"] for region in regions} == {
        region: smtp_host(region) for region in regions
    }


def test_the_examples_of_the_page(stack: Stack, user: iam.User) -> None:
    """Each does what it says, as far as a stack can tell."""
    page = (Path(__file__).parents[2] / "docs/secret-formats.md").read_text("utf-8")
    examples = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(examples) == 3
    names = {"AccessKey": AccessKey, "Escape": Escape, "Field": Field, "SecretFormat": SecretFormat}
    for example in examples:
        exec(example, {**names, "self": stack, "user": user})
    assert only(stack, KEY)["SecretFormatKind"] == "json"
    inline = re.findall(r"`(SecretFormat\.\w+\([^`…]*\))`", page)
    made = [eval(one, dict(names)) for one in inline if "(fields)" not in one and "(text)" not in one]
    assert len(made) >= 3


# --- what is refused


REFUSED: list[tuple[str, Callable[[], Any], str]] = [
    ("no fields", lambda: SecretFormat.json({}), "fields must map names to a Field or a text, got an object of dict"),
    ("no mapping", lambda: SecretFormat.json("x"), "fields must map names to a Field or a text, got 'x' (str)"),  # type: ignore[arg-type]
    ("empty name", lambda: SecretFormat.json({**NAMES, "": "x"}), "not empty and have no colon, got ''"),
    ("colon", lambda: SecretFormat.json({**NAMES, "a:b": "x"}), "not empty and have no colon, got 'a:b'"),
    ("number as a name", lambda: SecretFormat.json({**NAMES, 1: "x"}), "got 1 (int)"),  # type: ignore[dict-item]
    ("token as a name", lambda: SecretFormat.json({**NAMES, Aws.REGION: "x"}), "not empty and have no colon, got"),
    ("number", lambda: SecretFormat.json({**NAMES, "port": 1}), "field port must be a Field or a text, got 1 (int)"),  # type: ignore[dict-item]
    (
        "secret",
        lambda: SecretFormat.json({**NAMES, "other": SecretValue.secrets_manager("other")}),  # type: ignore[dict-item]
        "field other must be a Field or a text, got an object of SecretValue",
    ),
    (
        "reference",
        lambda: SecretFormat.json({**NAMES, "other": "{{resolve:secretsmanager:other}}"}),
        "must have no dynamic reference in it",
    ),
    (
        "reference in a template",
        lambda: SecretFormat.template(BOTH + "{{resolve:ssm:x}}"),
        "must have no dynamic reference in it",
    ),
    *(
        (
            f"other syntax, {text[:12]}",
            lambda text=text: SecretFormat.template(text),  # type: ignore[misc]
            "placeholders in single braces",
        )
        for text in (
            "${access_key_id} {secret_access_key}",
            "{access_key_id} ${secret_access_key}",
            "{{access_key_id}} {{secret_access_key}}",
            "{access_key_id} ${ses_smtp_password:eu-central-1}",
        )
    ),
    (
        "secret before a host",
        lambda: SecretFormat.template("{access_key_id}:{secret_access_key}@bucket/path"),
        "within a URL",
    ),
    (
        "region of a template that is a token",
        lambda: SecretFormat.template(f"{{access_key_id}} {{ses_smtp_password:{Aws.REGION}}}"),
        "for a region that is known at synth, got a token",
    ),
    ("placeholder", lambda: SecretFormat.json({**NAMES, "x": "{access_key_id}"}), "field x must be a Field or a text"),
    ("no id", lambda: SecretFormat.json({"x": Field.SECRET_ACCESS_KEY}), "got one without its id;"),
    ("no secret", lambda: SecretFormat.json({"x": Field.ACCESS_KEY_ID}), "without its secret or an SMTP password;"),
    ("neither", lambda: SecretFormat.json({"x": "y"}), "without its id and its secret or an SMTP password;"),
    ("env, neither", lambda: SecretFormat.env_file({}), "without its id and its secret"),
    ("env, no mapping", lambda: SecretFormat.env_file([]), "fields must map names to a Field or a text, got"),  # type: ignore[arg-type]
    ("env, name", lambda: SecretFormat.env_file({**NAMES, "a-b": "x"}), "not beginning with a digit, got 'a-b'"),
    ("env, digit", lambda: SecretFormat.env_file({**NAMES, "1a": "x"}), "not beginning with a digit, got '1a'"),
    ("env, line end", lambda: SecretFormat.env_file({**NAMES, "a\n": "x"}), "not beginning with a digit, got"),
    *(
        (
            f"env, {value!r}",
            lambda value=value: SecretFormat.env_file({**NAMES, "x": value}),  # type: ignore[misc]
            "field x must be a Field or a text of letters, digits and _./:@+=,-, got",
        )
        for value in ("a b", "$HOME", "a#b", '"a"', "a\n", "ü", "a\\b", "`id`")
    ),
    ("env, number", lambda: SecretFormat.env_file({**NAMES, "x": None}), "field x must be a Field or a text, got None"),  # type: ignore[dict-item]
    (
        "profile",
        lambda: SecretFormat.credentials_file("a b"),
        "profile must consist of letters, digits and _.-, got 'a b'",
    ),
    ("bracket", lambda: SecretFormat.credentials_file("a]"), "profile must consist of"),
    ("no profile", lambda: SecretFormat.credentials_file(""), "profile must consist of"),
    ("region", lambda: SecretFormat.credentials_file(region="eu\nx = y"), "region must be the name of a region, got"),
    ("no text", lambda: SecretFormat.template(None), "text must be a str, got None"),  # type: ignore[arg-type]
    (
        "escape",
        lambda: SecretFormat.template(BOTH, escape="url"),
        "escape must be Escape.NONE or Escape.URL, got 'url'",
    ),  # type: ignore[arg-type]
    (
        "misspelt",
        lambda: SecretFormat.template("{access_key} " + BOTH),
        "placeholders than {access_key_id}, {secret_ac",
    ),
    (
        "misspelt, named",
        lambda: SecretFormat.template("{access_key} " + BOTH),
        "got {access_key}; correct or remove it",
    ),
    (
        "an escape",
        lambda: SecretFormat.template("{access_key_id|json} {secret_access_key}"),
        "got {access_key_id|json};",
    ),
    ("region of an id", lambda: SecretFormat.template("{access_key_id:eu-west-1}"), "got {access_key_id:eu-west-1};"),
    ("no region", lambda: SecretFormat.template("{access_key_id} {ses_smtp_password}"), "got {ses_smtp_password};"),
    (
        "no such region",
        lambda: SecretFormat.template("{ses_smtp_password:eu-x-1}"),
        "SES has an endpoint, got 'eu-x-1'",
    ),
    ("template without a secret", lambda: SecretFormat.template("{access_key_id}"), "without its secret"),
    ("umlaut", lambda: SecretFormat.template(BOTH + "ü"), "printable ASCII characters and line breaks, got 'ü'"),
    (
        "SMTP in no region",
        lambda: SecretFormat.ses_smtp([]),
        "regions must be a list of regions, got an object of list",
    ),
    (
        "SMTP in a text",
        lambda: SecretFormat.ses_smtp("eu-west-1"),
        "regions must be a list of regions, got 'eu-west-1'",
    ),
    ("SMTP in China", lambda: SecretFormat.ses_smtp(["cn-north-1"]), "where SES has an endpoint, got 'cn-north-1'"),
    (
        "SMTP by FIPS",
        lambda: SecretFormat.ses_smtp(["fips-us-east-1"]),
        "where SES has an endpoint, got 'fips-us-east-1'",
    ),
    ("SMTP in a number", lambda: SecretFormat.ses_smtp([1]), "where SES has an endpoint, got 1 (int)"),  # type: ignore[list-item]
    ("SMTP in a token", lambda: SecretFormat.ses_smtp([Aws.REGION]), "a region that is known at synth, got a token"),
    ("SMTP twice", lambda: SecretFormat.ses_smtp(["eu-west-1"] * 2), "name each region once, got eu-west-1, eu-west-1"),
    ("port", lambda: SecretFormat.ses_smtp(["eu-west-1"], port=80), "one of 25, 465, 587, 2465, 2587, got 80 (int)"),
    ("port as a text", lambda: SecretFormat.ses_smtp(["eu-west-1"], port="587"), "got '587' (str)"),  # type: ignore[arg-type]
    (
        "proof on port 25",
        lambda: SecretFormat.ses_smtp(["eu-west-1"], port=25, prove_smtp=True),
        "prove_smtp must come with another port than 25",
    ),
    (
        "long",
        lambda: SecretFormat.template(BOTH + "x" * 60_000),
        "of at most 60,000 bytes, as Secrets Manager takes 65,536",
    ),
    ("long at the end", lambda: SecretFormat.template(BOTH * 235), "of at most 60,000 bytes"),
    ("long when escaped", lambda: SecretFormat.template(BOTH * 120, escape=Escape.URL), "of at most 60,000 bytes"),
]


@pytest.mark.parametrize(("make", "message"), [one[1:] for one in REFUSED], ids=[one[0] for one in REFUSED])
def test_what_can_not_work_is_refused(make: Callable[[], Any], message: str) -> None:
    """The message names the value, what is allowed and what to change."""
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


@pytest.mark.parametrize(
    "before",
    [
        "s3://{access_key_id}:",
        "url = 'smtp+ssl://x/",
        "/path?key=",
        "x?a=b&aws.key=",
        "https://host/?id={access_key_id}&key=",
    ],
)
def test_a_template_that_breaks_on_a_slash_is_refused(before: str) -> None:
    """Within a URL, unless the value is percent-encoded."""
    text = f"{{access_key_id}} {before}{{secret_access_key}}"
    with pytest.raises(ValueError, match=r"no \{secret_access_key\} as it is within a URL, .* escape=Escape\.URL"):
        SecretFormat.template(text)
    SecretFormat.template(text, escape=Escape.URL)
    SecretFormat.template(text.replace("access_key}", "access_key|url}"))


@pytest.mark.parametrize("before", ["see https://host/ ", 'a="https://host" b="', "x = y ? z : ", "a && B="])
def test_a_value_beside_a_url_stays_as_it_is(before: str) -> None:
    """A blank or a quotation mark ends a URL."""
    SecretFormat.template(f"{{access_key_id}} {before}{{secret_access_key}}")


@pytest.mark.parametrize("given_format", ["json", SecretFormat.json, {"id": Field.ACCESS_KEY_ID}, Field.ACCESS_KEY_ID])
def test_another_thing_is_no_format(stack: Stack, user: iam.User, given_format: Any) -> None:
    """The message names what makes one."""
    with pytest.raises(ValueError, match=r"secret_format must be a SecretFormat, got .*; make one with SecretFormat\."):
        AccessKey(stack, "Key", user=user, secret_format=given_format)


@pytest.mark.parametrize("how", ["secret", "parameter store"])
def test_a_secret_in_a_token_is_refused(app: App, stack: Stack, user: iam.User, how: str) -> None:
    """Only the template shows it."""
    other = secretsmanager.Secret.from_secret_name_v2(stack, "Other", "other").secret_value
    value = other.unsafe_unwrap() if how == "secret" else SecretValue.ssm_secure("/other").unsafe_unwrap()
    AccessKey(stack, "Key", user=user, secret_format=SecretFormat.json({**NAMES, "other": Fn.join("", ["x", value])}))
    with pytest.raises(RuntimeError, match="Stack/Key: secret_format must have no dynamic reference in it"):
        app.synth()


def test_a_parameter_is_no_secret(app: App, stack: Stack, user: iam.User) -> None:
    """Its value is in the template's hands."""
    parameter = CfnParameter(stack, "Host", default="x")
    fields = {**NAMES, "host": parameter.value_as_string}
    AccessKey(stack, "Key", user=user, secret_format=SecretFormat.json(fields))
    app.synth()


@given(text=st.text("{}ab_:|url \n", max_size=60).map(lambda text: BOTH + text))
def test_what_is_taken_at_synth_is_taken_at_deployment(text: str) -> None:
    """No template that synthesises fails for its placeholders when it is deployed."""
    try:
        secret_format = SecretFormat.template(text)
    except ValueError:
        return
    received(secret_format)


@pytest.mark.parametrize("part", ["x", "{", "{a", "://", "?a=", "A=b\n", "&"])
def test_a_long_text_is_judged_at_once(part: str) -> None:
    """By the construct and by the provider, whose time is short."""
    text = (BOTH + part * 60_000)[:59_700]
    began = time.process_time()
    received(SecretFormat.template(text))
    assert time.process_time() - began < 2


@pytest.mark.parametrize("unwrap", [False, True])
def test_a_parameter_whose_value_is_hidden_is_refused(app: App, stack: Stack, user: iam.User, *, unwrap: bool) -> None:
    """The ledger would show it, and the secret have it for good."""
    hidden = CfnParameter(stack, "Hidden", no_echo=True)
    text = SecretValue.cfn_parameter(hidden).unsafe_unwrap() if unwrap else hidden.value_as_string
    AccessKey(stack, "Key", user=user, secret_format=SecretFormat.json({**NAMES, "other": text}))
    with pytest.raises(RuntimeError, match=r"Stack/Key: secret_format must have .* and no NoEcho parameter"):
        app.synth()


def test_a_parameter_that_everybody_sees_is_taken(stack: Stack, user: iam.User) -> None:
    """Like any value that only the deployment knows."""
    shown = CfnParameter(stack, "Shown").value_as_string
    AccessKey(stack, "Key", user=user, secret_format=SecretFormat.json({**NAMES, "other": shown}))
    assert "Shown" in str(only(stack, KEY)["SecretFormat"])


def test_regions_of_two_partitions_never_go_together() -> None:
    """Also in a stack for any region."""
    stack = Stack(App(), "Anywhere")
    with pytest.raises(ValueError, match="regions of the partition of us-east-1, got us-gov-west-1"):
        AccessKey(
            stack,
            "Key",
            user=iam.User(stack, "User"),
            secret_format=SecretFormat.ses_smtp(["us-gov-west-1", "us-east-1"]),
        )
