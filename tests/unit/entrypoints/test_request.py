"""What CloudFormation sends, checked before anything is done with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.stack import ROLE_ARN, STACK_ID

from access_key_provider.entrypoints.custom_resource_request import (
    Properties,
    Request,
    parse_cut_over,
    parse_secret_id,
    parse_signature_time,
    session_name,
)
from access_key_provider.model.errors import InvalidRequestError
from access_key_provider.model.retirement_rules import REMOVE_UNUSED, RetirementRules
from lambda_shared import cfn_response

SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop/deploy-AbCdEf"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LONG = "x" * 5000
VALID = {"UserName": "deploy", "SecretArn": SECRET, "RoleArn": ROLE_ARN, "Serial": "1", "Status": "Active"}

BOTH = "{access_key_id} {secret_access_key}"
TEXT = {"SecretFormatKind": "text"}

BAD = [
    pytest.param({"UserName": None}, "UserName is missing", id="missing user"),
    pytest.param({"UserName": ""}, "UserName is ''", id="empty user"),
    pytest.param({"UserName": "root"}, "never the root user", id="root"),
    pytest.param({"UserName": "team/root"}, "never the root user", id="root with a path"),
    pytest.param({"UserName": "/team/deploy"}, "UserName is '/team/deploy'", id="slash before"),
    pytest.param({"UserName": "team/"}, "UserName is 'team/'", id="path alone"),
    pytest.param({"UserName": "te am/deploy"}, "UserName is 'te am/deploy'", id="blank in a path"),
    pytest.param({"UserName": "deploy\n"}, "1 to 64 characters", id="line end"),
    pytest.param({"UserName": LONG}, "(5000 characters)", id="long user"),
    pytest.param({"UserName": "müller"}, "UserName is 'müller'", id="not ASCII"),
    pytest.param({"UserName": ["deploy"]}, "UserName is of type list", id="list"),
    pytest.param({"UserName": {"Ref": "User"}}, "UserName is of type dict", id="object"),
    pytest.param({"SecretArn": None}, "SecretArn is missing", id="missing secret"),
    pytest.param({"SecretArn": "shop/deploy"}, "a complete ARN", id="secret by name"),
    pytest.param({"SecretArn": SECRET.rpartition("-")[0]}, "a complete ARN", id="secret without its suffix"),
    pytest.param({"SecretArn": SECRET + "\n"}, "a complete ARN", id="secret with a line end"),
    pytest.param({"RoleArn": None}, "RoleArn is missing", id="missing role"),
    pytest.param({"RoleArn": "deploy"}, "the ARN of a role", id="role by name"),
    pytest.param({"RoleArn": "arn:aws:iam::123456789012:user/deploy"}, "the ARN of a role", id="a user's ARN"),
    pytest.param({"RoleArn": ROLE_ARN + "x" * 700}, "the ARN of a role", id="long role"),
    pytest.param({"Serial": None}, "Serial is missing", id="missing serial"),
    pytest.param({"Serial": ""}, "Serial is ''", id="empty serial"),
    pytest.param({"Serial": "  "}, "not only blanks", id="blank serial"),
    pytest.param({"Serial": "1" * 129}, "1 to 128", id="long serial"),
    pytest.param({"Serial": 1}, "Serial is of type int", id="serial as a number"),
    pytest.param({"Serial": "1\ud800"}, "1 to 128", id="serial that is no text"),
    pytest.param({"Status": "active"}, "Active or Inactive", id="status in lower case"),
    pytest.param({"Status": None}, "Status is missing", id="missing status"),
    pytest.param({"Status": "Expired"}, "Active or Inactive", id="status that can't be set"),
    pytest.param({"Description": "a, b"}, "that tags allow", id="comma in the description"),
    pytest.param({"Description": ""}, "1 to 233", id="empty description"),
    pytest.param({"Description": LONG}, "(5000 characters)", id="long description"),
    pytest.param({"GracePeriod": "-1"}, "a number of seconds", id="negative time"),
    pytest.param({"GracePeriod": "1.5"}, "a number of seconds", id="part of a second"),
    pytest.param({"GracePeriod": "٣"}, "a number of seconds", id="other digits"),
    pytest.param({"GracePeriod": 60}, "of type int", id="time as a number"),
    pytest.param({"GracePeriod": str(91 * 86_400)}, "must be 0 to 7776000 seconds", id="long grace period"),
    pytest.param({"RetentionPeriod": str(366 * 86_400)}, "must be", id="long retention period"),
    pytest.param({"RetireWhenUnusedFor": "999999999"}, "must be", id="unused for 31 years"),
    pytest.param({"OverdueAfter": "9999999999"}, "at most 9 digits", id="ten digits"),
    pytest.param({"MaxActiveAge": "3600"}, "must be 86400 to", id="age of an hour"),
    pytest.param({"RemoveUnusedAfter": "0"}, "must be 86400 to", id="unused keys at once"),
    pytest.param({"OnKeyLimit": "RemoveAll"}, "Fail or RetirePrevious or RemoveUnused", id="unknown key limit"),
    pytest.param({"CutOver": "true"}, "Deferred", id="another cut-over"),
    pytest.param({"RotationSchedule": ""}, "the expression of a schedule", id="empty schedule"),
    pytest.param({"RotationSchedule": "x" * 257}, "the expression of a schedule", id="long schedule"),
    pytest.param({"AdoptedKey": ""}, "the id of an access key", id="empty key id"),
    pytest.param({"AdoptedKey": "ASIAIOSFODNN7EXAMPLE"}, "AKIA and 12 to 124 more", id="temporary key"),
    pytest.param({"AdoptedKey": "AKIA" + "X" * 125}, "the id of an access key", id="long key id"),
    pytest.param({"AdoptedKey": ["AKIAIOSFODNN7EXAMPLE"]}, "AdoptedKey is of type list", id="several keys"),
    pytest.param({"SecretFormat": "", **TEXT}, "SecretFormat is ''", id="empty format"),
    pytest.param({"SecretFormat": BOTH + "x" * 60_000, **TEXT}, "1 to 60,000 characters", id="long format"),
    pytest.param({"SecretFormat": BOTH + "\ud800", **TEXT}, "1 to 60,000 characters", id="format that is no text"),
    pytest.param({"SecretFormat": {"text": BOTH}, **TEXT}, "SecretFormat is of type dict", id="format as an object"),
    pytest.param({"SecretFormat": "{access_key_id}", **TEXT}, "readers need both", id="format without a secret"),
    pytest.param({"SecretFormatKind": "yaml", "SecretFormat": BOTH}, "json or env_file or text", id="another kind"),
    pytest.param({"SecretFormatKind": None, "SecretFormat": BOTH}, "SecretFormatKind is missing", id="no kind"),
    pytest.param({"ProveSmtpPort": "25", "SecretFormat": BOTH, **TEXT}, "465, 587, 2465 or 2587", id="another port"),
    pytest.param({"ProveSmtpPort": 587, "SecretFormat": BOTH, **TEXT}, "of type int", id="port as a number"),
]


def changed(change: dict[str, Any]) -> dict[str, Any]:
    """Change valid properties; None leaves one out."""
    return {name: value for name, value in ({**VALID, **change}).items() if value is not None}


def request(**members: Any) -> Request:
    """Parse a request."""
    event = {
        "RequestType": "Create",
        "ResponseURL": "https://localhost/1?X-Amz-Date=20260102T030405Z&X-Amz-Expires=7200",
        "StackId": STACK_ID,
        "RequestId": "00000000-0000-4000-8000-000000000001",
        "LogicalResourceId": "Key",
        "ResourceProperties": VALID,
    }
    return Request.parse(event | members)


# --- properties


@pytest.mark.parametrize(("change", "reason"), BAD)
def test_a_property_that_no_key_can_be_made_from_is_refused(change: dict[str, Any], reason: str) -> None:
    """The message names the property, what was given and what is allowed, and fits a reason."""
    with pytest.raises(InvalidRequestError) as refused:
        Properties.parse(changed(change))
    assert reason in str(refused.value)
    assert next(iter(change)) in str(refused.value)
    assert len(str(refused.value)) < 256


@pytest.mark.parametrize("properties", [None, [], "deploy", 7, ["UserName"]])
def test_properties_of_another_shape_are_refused(properties: object) -> None:
    """Not even an object."""
    with pytest.raises(InvalidRequestError, match="must be an object"):
        Properties.parse(properties)
    with pytest.raises(InvalidRequestError, match="must be an object"):
        parse_cut_over(properties)


@pytest.mark.parametrize(
    "arn",
    [
        SECRET,
        "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:x-AbCdEf",
        "arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:a/b_c+d=e.f@g-h-AbCdEf",
    ],
)
def test_secrets_of_all_partitions_are_taken(arn: str) -> None:
    """With every character that a name may have."""
    assert Properties.parse(changed({"SecretArn": arn})).secret_arn == arn


@pytest.mark.parametrize("name", ["deploy", "team/deploy", "a/b/c/deploy"])
def test_a_path_before_the_name_is_left_out(name: str) -> None:
    """IAM's calls take the name alone; a template that has the user's ARN can't take its last part only."""
    assert Properties.parse(VALID | {"UserName": name}).user_name == "deploy"


def test_a_secret_of_another_region_is_refused() -> None:
    """Where the function knows its own."""
    assert Properties.parse(VALID, "eu-central-1").secret_arn == SECRET
    with pytest.raises(InvalidRequestError, match=r"is in eu-central-1, this stack in us-east-1: use a secret of this"):
        Properties.parse(VALID, "us-east-1")


def test_without_rules_the_previous_key_is_deactivated_at_once_and_kept() -> None:
    """The defaults of a template that says nothing."""
    parsed = Properties.parse(VALID)
    assert parsed.rules == RetirementRules()
    assert parsed.description is None


def test_every_rule_is_read() -> None:
    """Each in seconds, as the construct writes it."""
    rules = {
        "GracePeriod": "3600",
        "RetentionPeriod": "7200",
        "RetireWhenUnusedFor": "10800",
        "OverdueAfter": "0",
        "MaxActiveAge": "86400",
        "OnKeyLimit": "RemoveUnused",
        "RemoveUnusedAfter": "172800",
        "CutOver": "Deferred",
        "RotationSchedule": "rate(30 days)",
    }
    assert Properties.parse(VALID | rules).rules == RetirementRules(
        grace=timedelta(hours=1),
        retention=timedelta(hours=2),
        unused_for=timedelta(hours=3),
        overdue_after=timedelta(),
        max_active_age=timedelta(days=1),
        on_key_limit=REMOVE_UNUSED,
        unused_since=timedelta(days=2),
        deferred=True,
        rotation="rate(30 days)",
    )


def test_properties_of_a_later_release_are_ignored() -> None:
    """A rollback may bring properties that this release does not know."""
    assert Properties.parse(VALID | {"Later": {"a": ["b"]}}) == Properties.parse(VALID)


# --- the request


@pytest.mark.parametrize(
    "change",
    [
        {"StackId": "shop"},
        {"StackId": STACK_ID + "\n"},
        {"StackId": STACK_ID.replace("cloudformation", "iam")},
        {"RequestId": "a b"},
        {"RequestId": "x" * 129},
        {"LogicalResourceId": "Key-1"},
        {"LogicalResourceId": "K" * 256},
    ],
)
def test_a_member_that_cloudformation_does_not_send_is_refused(change: dict[str, str]) -> None:
    """Whoever may invoke the function can send anything; none of it reaches AWS or the ledger."""
    with pytest.raises(InvalidRequestError, match=f"^{next(iter(change))} "):
        request(**change)


@pytest.mark.parametrize(
    ("url", "time"),
    [
        ("https://localhost/1?X-Amz-Date=20260102T030405Z", NOW),
        ("https://localhost/1?a=b&X-Amz-Date=20260102T030405Z&X-Amz-Date=20270102T030405Z", NOW),
        ("https://localhost/1", None),
        ("https://localhost/1?X-Amz-Date=", None),
        ("https://localhost/1?X-Amz-Date=yesterday", None),
        ("https://localhost/1?X-Amz-Date=20260102T030405", None),
        ("https://localhost/1?X-Amz-Date=00000102T030405Z", None),
        ("https://localhost/1?X-Amz-Date=20261302T030405Z", None),
        ("https://[/1?X-Amz-Date=20260102T030405Z", None),
    ],
)
def test_the_date_of_a_request_is_that_of_its_signature(url: str, time: datetime | None) -> None:
    """The only one that CloudFormation sends; without it the request is taken as it comes."""
    parsed = request(ResponseURL=url)
    assert parsed.requested_at == time
    claimed = parsed.claim(Properties.parse(VALID), NOW + timedelta(minutes=1), present=True)
    assert claimed.request.dated is (time is not None)
    assert claimed.request.time == (time or NOW + timedelta(minutes=1))


def test_a_date_of_the_future_is_none_of_cloudformations() -> None:
    """It would outdate every request to come; two clocks may differ by minutes, and no more is believed."""
    late = request(ResponseURL="https://localhost/1?X-Amz-Date=99991231T235959Z")
    assert late.claim(Properties.parse(VALID), NOW, present=True).request.time <= NOW + timedelta(minutes=5)


def test_signature_times_are_read_as_signatures_have_them() -> None:
    """And nothing else is."""
    assert parse_signature_time("20260102T030405Z") == NOW
    for nonsense in ("", "2026-01-02T03:04:05Z", "20260102T030405+0100", "x" * 10_000):
        assert parse_signature_time(nonsense) is None


@pytest.mark.parametrize(
    ("physical_id", "properties", "expected"),
    [
        ("known", VALID, "known"),
        ("", VALID, f"deploy@{SECRET}"),
        (None, VALID, f"deploy@{SECRET}"),
        (["x"], VALID, f"deploy@{SECRET}"),
        (None, {}, "shop/Key"),
        (None, None, "shop/Key"),
    ],
)
def test_a_failure_is_answered_with_an_id_that_is_never_empty(
    physical_id: object, properties: object, expected: str
) -> None:
    """The resource's own, or the one that it would have had: its Delete comes back with it."""
    assert request(PhysicalResourceId=physical_id, ResourceProperties=properties).response_id() == expected


def test_every_id_fits_into_what_cloudformation_takes() -> None:
    """The longest user and secret names there are, with all attributes and the longest reason."""
    arn = f"arn:aws-us-gov:secretsmanager:eu-central-1:123456789012:secret:{'s' * 512}-AbCdEf"
    parsed = request(ResourceProperties=changed({"UserName": "u" * 64, "SecretArn": arn}))
    assert len(parsed.response_id()) <= 1024
    names = {"SecretArn": arn, "SecretName": "s" * 512}
    data = {"AccessKeyId": "A" * 20, **names, "SecretVersionId": "v" * 64, "Status": "Inactive"}
    event = {"StackId": STACK_ID, "RequestId": "r" * 128, "LogicalResourceId": "K" * 255}
    content = cfn_response.body(event, "FAILED", parsed.response_id(), "ü" * 9000, data)
    assert 3000 < len(content) <= 4096


def test_a_description_that_nobody_gave_names_the_resource() -> None:
    """The stack's name and the logical id."""
    assert request().claim(Properties.parse(VALID), NOW, present=True).description == "shop/Key"
    given = Properties.parse(changed({"Description": "for the vendor"}))
    assert request().claim(given, NOW, present=True).description == "for the vendor"


def test_what_is_deployed_is_known_if_it_makes_sense() -> None:
    """The rollback of an Update that failed for its properties brings them as the old ones."""
    assert request(OldResourceProperties=VALID).deployed == Properties.parse(VALID)
    for nonsense in (None, [], {}, changed({"UserName": ""})):
        assert request(OldResourceProperties=nonsense).deployed is None


# --- other events


@pytest.mark.parametrize("name", ["Create-Key", "x" * 200, "Create-Käse/1", "a b"])
def test_a_session_is_named_as_sts_allows(name: str) -> None:
    """Whatever the logical id is."""
    named = session_name("Create", name)
    assert named.startswith("Create-")
    assert len(named) <= 64
    assert set(named) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+=,.@-")


@pytest.mark.parametrize("nonsense", [None, 7, [], "", "shop/deploy", SECRET + "\n", SECRET.rpartition("-")[0]])
def test_an_event_names_its_secret_by_a_complete_arn(nonsense: object) -> None:
    """Nothing else is looked for in an account."""
    assert parse_secret_id({"SecretId": SECRET}) == SECRET
    with pytest.raises(InvalidRequestError, match="SecretId must be the complete ARN"):
        parse_secret_id({"SecretId": nonsense})
    with pytest.raises(InvalidRequestError):
        parse_secret_id({})


@pytest.mark.parametrize(
    "change", [{"SecretArn": "x"}, {"SecretArn": None}, {"SecretVersionId": "x"}, {"SecretVersionId": "v" * 65}]
)
def test_a_cut_over_names_a_secret_and_a_version(change: dict[str, str | None]) -> None:
    """As the key's resource has answered them."""
    valid = {"SecretArn": SECRET, "SecretVersionId": "v" * 36}
    assert parse_cut_over(valid) == (SECRET, "v" * 36)
    with pytest.raises(InvalidRequestError, match=next(iter(change))):
        parse_cut_over({name: value for name, value in (valid | change).items() if value is not None})
