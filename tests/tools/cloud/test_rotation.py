"""The embedded account's Secrets Manager rotates: four steps, one token, and what is left when one fails."""

from __future__ import annotations

import datetime as dt
import json
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from cloud.account import new_key, policy, refused
from cloud.invocations import LISTENER, allow, events, function_arn, permission, role_arn
from tools.cloud.cloudformation_stack import LAMBDA, Stack, deployed, function, role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tools.cloud.cloudformation_stack import Template

    from local_cloud import LocalCloud

pytestmark = pytest.mark.thorough

SERVICE = "secretsmanager.amazonaws.com"
STEPS = ["createSecret", "setSecret", "testSecret", "finishSecret"]

# Does what a rotation function does; the secret's description says what goes wrong.
ROTATOR = (
    LISTENER
    + """
    import boto3
    own = boto3.client("secretsmanager")
    step, secret, token = event["Step"], event["SecretId"], event["ClientRequestToken"]
    described = own.describe_secret(SecretId=secret)
    play = json.loads(described.get("Description") or "{}")
    if play.get("fail") == step:
        raise ValueError("as told")
    if step == "createSecret":
        sent = {"right": event["RotationToken"], "wrong": "0" * 36}.get(play.get("token"))
        put(play.get("role"), sent, SecretId=secret, ClientRequestToken=token, SecretString="value of " + token,
            VersionStages=["AWSPENDING", "ours"])
    if step == "finishSecret":
        labels = described["VersionIdsToStages"]
        current = [version for version, stages in labels.items() if "AWSCURRENT" in stages][0]
        own.update_secret_version_stage(
            SecretId=secret, VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=current)
def put(role, rotation_token, **request):
    import boto3
    keys = {}
    if role:
        got = boto3.client("sts").assume_role(RoleArn=role, RoleSessionName="rotation")["Credentials"]
        names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        keys = dict(zip(names, (got["AccessKeyId"], got["SecretAccessKey"], got["SessionToken"])))
    if rotation_token:
        request["RotationToken"] = rotation_token
    boto3.client("secretsmanager", **keys).put_secret_value(**request)
"""
)

ROTATE = allow(["secretsmanager:*", "sts:AssumeRole"], "*")
TEMPLATE: Template = {
    "Resources": {
        "RotatorRole": role(LAMBDA, "/", ROTATE),
        "Writer": role({"AWS": {"Ref": "AWS::AccountId"}}, "/", allow("secretsmanager:PutSecretValue", "*")),
        "Rotator": function(ROTATOR, "RotatorRole"),
        "Leave": permission("Rotator", SERVICE, SourceAccount={"Ref": "AWS::AccountId"}),
        "Closed": function(ROTATOR, "RotatorRole"),
        "Foreign": function(ROTATOR, "RotatorRole"),
        "ForeignLeave": permission("Foreign", SERVICE, SourceAccount="999999999999"),
    }
}


class Rotation:
    """A secret, and a function that may rotate it."""

    def __init__(self, cloud: LocalCloud, stack: Stack) -> None:
        self.cloud, self.stack = cloud, stack
        self.api = cloud.client("secretsmanager")
        made = self.api.create_secret(Name=f"secret-{uuid.uuid4().hex[:8]}", SecretString="first")
        self.arn, self.first = made["ARN"], made["VersionId"]

    def play(self, **what: str) -> None:
        """Tell the function what to do wrong."""
        self.api.update_secret(SecretId=self.arn, Description=json.dumps(what))

    def rotate(self, function: str = "Rotator", **more: Any) -> str:
        """Start a rotation, and give its token."""
        token = str(uuid.uuid4())
        lambda_arn = function_arn(self.cloud, self.stack, function)
        self.api.rotate_secret(SecretId=self.arn, ClientRequestToken=token, RotationLambdaARN=lambda_arn, **more)
        return token

    def steps(self, times: int = 0) -> list[dict[str, Any]]:
        """Give the events that the function got for this secret, waiting until there are so many."""
        return events(self.cloud, self.stack.physical_id("Rotator"), times, SecretId=self.arn)

    def describe(self) -> dict[str, Any]:
        """Describe the secret."""
        described: dict[str, Any] = self.api.describe_secret(SecretId=self.arn)
        return described

    def labels(self) -> dict[str, set[str]]:
        """Give which labels sit where."""
        return {version: set(labels) for version, labels in self.describe()["VersionIdsToStages"].items()}

    def await_(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def await_end(self) -> None:
        """Wait until no function is invoked any more: all steps were, or three attempts have failed."""
        self.await_(lambda: "LastRotatedDate" in self.describe())


@pytest.fixture(scope="module")
def stack(cloud: LocalCloud) -> Iterator[Stack]:
    """Deploy the functions once."""
    with deployed(cloud, TEMPLATE) as stack:
        yield stack


@pytest.fixture
def rotation(cloud: LocalCloud, stack: Stack) -> Rotation:
    """Make a secret."""
    return Rotation(cloud, stack)


class TestSteps:
    """A rotation from its start to its end."""

    def test_a_rotation_is_four_steps_with_one_token(self, rotation: Rotation) -> None:
        """Each event names the step, the secret's ARN and the version; the function moves AWSCURRENT."""
        token = rotation.rotate()
        rotation.await_end()
        steps = rotation.steps()
        assert [event["Step"] for event in steps] == STEPS
        assert {event["ClientRequestToken"] for event in steps} == {token}
        assert len({event["RotationToken"] for event in steps}) == 1
        assert set(steps[0]) == {"Step", "SecretId", "ClientRequestToken", "RotationToken"}
        labels = rotation.labels()
        assert labels == {token: {"AWSCURRENT", "AWSPENDING", "ours"}, rotation.first: {"AWSPREVIOUS"}}
        assert rotation.api.get_secret_value(SecretId=rotation.arn)["SecretString"] == f"value of {token}"

    def test_the_next_rotation_takes_the_label_along(self, rotation: Rotation) -> None:
        """AWSPENDING on the current version hinders nothing; the token of each rotation is another."""
        first = rotation.rotate()
        rotation.await_end()
        second = rotation.rotate()
        rotation.await_(lambda: "AWSCURRENT" in rotation.labels().get(second, set()))
        assert rotation.labels() == {second: {"AWSCURRENT", "AWSPENDING", "ours"}, first: {"AWSPREVIOUS"}}
        assert len({event["RotationToken"] for event in rotation.steps(8)}) == 2

    @pytest.mark.parametrize("step", STEPS)
    def test_a_step_that_fails_starts_it_all_again(self, rotation: Rotation, step: str) -> None:
        """The same token comes three times, then AWSPENDING is left; the next call takes that version up again."""
        rotation.play(fail=step)
        token = rotation.rotate()
        attempt = STEPS[: STEPS.index(step) + 1]
        assert [event["Step"] for event in rotation.steps(3 * len(attempt))] == 3 * attempt
        time.sleep(0.5)
        assert len(rotation.steps()) == 3 * len(attempt)
        assert "AWSPENDING" in rotation.labels()[token]
        assert rotation.labels()[rotation.first] == {"AWSCURRENT"}
        rotation.play()
        with refused(
            "InvalidRequestException", "A previous rotation isn't complete. That rotation will be reattempted"
        ):
            rotation.rotate()
        rotation.await_end()
        assert {event["ClientRequestToken"] for event in rotation.steps()} == {token}
        assert "AWSCURRENT" in rotation.labels()[token]

    def test_the_version_has_no_value_before_the_first_step_ends(self, rotation: Rotation) -> None:
        """It is listed with AWSPENDING, there is nothing to read, and it gets a value once."""
        rotation.play(fail="createSecret")
        token = rotation.rotate()
        assert rotation.labels()[token] == {"AWSPENDING"}
        with refused("ResourceNotFoundException", token):
            rotation.api.get_secret_value(SecretId=rotation.arn, VersionId=token)
        put = {"SecretId": rotation.arn, "ClientRequestToken": token, "VersionStages": ["ours"]}
        rotation.api.put_secret_value(**put, SecretString="once")
        rotation.api.put_secret_value(**put, SecretString="once")
        with refused("ResourceExistsException"):
            rotation.api.put_secret_value(**put, SecretString="twice")
        assert rotation.labels()[token] == {"AWSPENDING", "ours"}

    def test_testing_alone_leaves_no_version(self, rotation: Rotation) -> None:
        """Without RotateImmediately, testSecret comes with a version that never saw createSecret."""
        token = rotation.rotate(RotateImmediately=False)
        (event,) = rotation.steps(1)
        assert (event["Step"], event["ClientRequestToken"]) == ("testSecret", token)
        rotation.await_(lambda: rotation.labels() == {rotation.first: {"AWSCURRENT"}})
        assert "LastRotatedDate" not in rotation.describe()
        assert rotation.describe()["RotationEnabled"]


class TestRotationToken:
    """A value that another role than the function's own puts needs the token of the event."""

    def test_the_right_token_is_accepted(self, rotation: Rotation) -> None:
        """The role may put the value."""
        rotation.play(role=role_arn(rotation.cloud, rotation.stack, "Writer"), token="right")
        token = rotation.rotate()
        rotation.await_end()
        assert "AWSCURRENT" in rotation.labels()[token]

    @pytest.mark.parametrize("sent", ["none", "wrong"])
    def test_no_token_and_a_wrong_one_are_refused(self, rotation: Rotation, sent: str) -> None:
        """The step fails, and there is no value."""
        rotation.play(role=role_arn(rotation.cloud, rotation.stack, "Writer"), token=sent)
        token = rotation.rotate()
        assert [event["Step"] for event in rotation.steps(3)] == 3 * ["createSecret"]
        assert rotation.labels()[token] == {"AWSPENDING"}

    def test_a_wrong_token_of_the_own_role_is_refused(self, rotation: Rotation) -> None:
        """What is given must be right."""
        rotation.play(token="wrong")
        rotation.rotate()
        assert [event["Step"] for event in rotation.steps(3)] == 3 * ["createSecret"]


class TestConfiguration:
    """What RotateSecret asks for, keeps and tells."""

    @pytest.mark.parametrize("name", ["Closed", "Foreign"])
    def test_the_function_must_let_secrets_manager_in(self, rotation: Rotation, name: str) -> None:
        """A permission for another account is none; nothing is changed."""
        with refused("AccessDeniedException", "Secrets Manager cannot invoke the specified Lambda function"):
            rotation.rotate(name)
        assert not rotation.describe()["RotationEnabled"]
        assert rotation.labels() == {rotation.first: {"AWSCURRENT"}}

    def test_the_caller_must_be_allowed_to_invoke_the_function(self, rotation: Rotation) -> None:
        """The right to rotate the secret is not enough."""
        iam, name = rotation.cloud.client("iam"), f"user-{uuid.uuid4().hex[:8]}"
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy("secretsmanager:*", rotation.arn))
        rotation.api = rotation.cloud.client("secretsmanager", **new_key(rotation.cloud, name))
        with refused("AccessDeniedException", "lambda:InvokeFunction"):
            rotation.rotate()

    def test_without_a_function_there_is_no_rotation(self, rotation: Rotation) -> None:
        """A secret that never had one says so."""
        with refused("InvalidRequestException", "No Lambda rotation function ARN is associated"):
            rotation.api.rotate_secret(SecretId=rotation.arn)

    @pytest.mark.parametrize(
        "rules",
        [
            {"AutomaticallyAfterDays": 1, "ScheduleExpression": "rate(1 day)"},
            {"ScheduleExpression": "rate(3 hours)"},
            {"ScheduleExpression": "rate(1001 days)"},
            {"ScheduleExpression": "rate(10 minutes)"},
            {"ScheduleExpression": "cron(5 8 * * ? *)"},
            {"ScheduleExpression": "cron(0 8 * * ? 2031)"},
            {"ScheduleExpression": "cron(0 8 * * * *)"},
            {"ScheduleExpression": "rate(1 day)", "Duration": "25h"},
        ],
    )
    def test_rules_that_are_wrong_are_refused(self, rotation: Rotation, rules: dict[str, Any]) -> None:
        """Below four hours, with minutes, with a year, both kinds at once: nothing is changed."""
        with refused("InvalidParameterException"):
            rotation.rotate(RotationRules=rules)
        assert not rotation.describe()["RotationEnabled"]

    @pytest.mark.parametrize(
        ("rules", "hours"),
        [
            ({"AutomaticallyAfterDays": 2}, (48, 72)),
            ({"ScheduleExpression": "rate(10 days)", "Duration": "3h"}, (240, 264)),
            ({"ScheduleExpression": "rate(4 hours)"}, (3.9, 4)),
            ({"ScheduleExpression": "cron(0 16 1,15 * ? *)"}, (0, 24 * 17)),
            ({"ScheduleExpression": "cron(0 8 ? * SUN#1 *)"}, (0, 24 * 36)),
        ],
    )
    def test_the_next_date_is_told(self, rotation: Rotation, rules: dict[str, Any], hours: tuple[float, float]) -> None:
        """DescribeSecret gives the rules back, when it was rotated and when it will be."""
        rotation.rotate(RotationRules=rules)
        rotation.await_end()
        described, now = rotation.describe(), dt.datetime.now(dt.UTC)
        assert described["RotationRules"] == rules
        assert described["RotationLambdaARN"] == function_arn(rotation.cloud, rotation.stack, "Rotator")
        assert now - dt.timedelta(minutes=1) < described["LastRotatedDate"] <= now
        least, most = hours
        assert least <= (described["NextRotationDate"] - now).total_seconds() / 3600 <= most

    def test_the_schedule_rotates_by_itself(self, rotation: Rotation) -> None:
        """When the date has come, a rotation starts with a token of its own, and the next date is set."""
        rotation.rotate(RotateImmediately=False, RotationRules={"ScheduleExpression": "rate(4 hours)"})
        rotation.await_(lambda: rotation.labels() == {rotation.first: {"AWSCURRENT"}})
        rotation.cloud.rotate_by_schedule(rotation.arn)
        rotation.await_end()
        assert [event["Step"] for event in rotation.steps()] == ["testSecret", *STEPS]
        assert rotation.labels()[rotation.first] == {"AWSPREVIOUS"}
        assert rotation.describe()["NextRotationDate"] > dt.datetime.now(dt.UTC)

    def test_cancelling_ends_the_schedule(self, rotation: Rotation) -> None:
        """It is no longer enabled and has no next date; rotating once more enables it with what it had."""
        rules = {"AutomaticallyAfterDays": 3}
        rotation.rotate(RotationRules=rules)
        rotation.await_end()
        rotation.api.cancel_rotate_secret(SecretId=rotation.arn)
        rotation.cloud.rotate_by_schedule(rotation.arn)
        time.sleep(0.6)
        described = rotation.describe()
        assert not described["RotationEnabled"]
        assert "NextRotationDate" not in described
        assert len(rotation.steps()) == 4
        rotation.api.rotate_secret(SecretId=rotation.arn)
        assert rotation.describe()["RotationEnabled"]
        assert rotation.describe()["RotationRules"] == rules
        rotation.steps(8)

    def test_cancelling_needs_its_permission(self, rotation: Rotation) -> None:
        """The action is evaluated by its name."""
        iam, name = rotation.cloud.client("iam"), f"user-{uuid.uuid4().hex[:8]}"
        iam.create_user(UserName=name)
        caller = rotation.cloud.client("secretsmanager", **new_key(rotation.cloud, name))
        with refused("AccessDeniedException"):
            caller.cancel_rotate_secret(SecretId=rotation.arn)
        allowed = policy("secretsmanager:CancelRotateSecret", rotation.arn)
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=allowed)
        assert caller.cancel_rotate_secret(SecretId=rotation.arn)["ARN"] == rotation.arn


class TestResources:
    """AWS::SecretsManager::RotationSchedule and ResourcePolicy in a template."""

    def declared(self, rotation: Rotation, name: str = "Rotator", **properties: Any) -> Template:
        """Declare the rotation of a secret by one of the functions."""
        given = {
            "SecretId": rotation.arn,
            "RotationLambdaARN": function_arn(rotation.cloud, rotation.stack, name),
            "RotationRules": {"AutomaticallyAfterDays": 30},
        }
        statement = {**allow("secretsmanager:GetSecretValue", "*"), "Principal": {"AWS": "*"}, "Effect": "Deny"}
        document = {"Version": "2012-10-17", "Statement": [statement]}
        return {
            "Resources": {
                "Schedule": {"Type": "AWS::SecretsManager::RotationSchedule", "Properties": given | properties},
                "Policy": {
                    "Type": "AWS::SecretsManager::ResourcePolicy",
                    "Properties": {"SecretId": rotation.arn, "ResourcePolicy": document},
                },
            }
        }

    def test_it_rotates_at_once_and_stops_with_the_stack(self, rotation: Rotation) -> None:
        """Create rotates, an update of the rules rotates again, deletion cancels; the policy comes and goes."""
        stack = Stack(rotation.cloud)
        assert stack.create(self.declared(rotation)) == "CREATE_COMPLETE"
        assert stack.physical_id("Schedule") == rotation.arn
        rotation.await_end()
        assert len(rotation.steps()) == 4
        assert "Deny" in rotation.api.get_resource_policy(SecretId=rotation.arn)["ResourcePolicy"]
        rules = {"ScheduleExpression": "rate(4 hours)"}
        assert stack.update(self.declared(rotation, RotationRules=rules)) == "UPDATE_COMPLETE"
        assert len(rotation.steps(8)) == 8
        assert rotation.describe()["RotationRules"] == rules
        assert stack.delete() == "DELETE_COMPLETE"
        assert not rotation.describe()["RotationEnabled"]
        assert "ResourcePolicy" not in rotation.api.get_resource_policy(SecretId=rotation.arn)

    def test_it_waits_for_its_date_if_told(self, rotation: Rotation) -> None:
        """With RotateImmediatelyOnUpdate false only the test is run."""
        stack = Stack(rotation.cloud)
        assert stack.create(self.declared(rotation, RotateImmediatelyOnUpdate=False)) == "CREATE_COMPLETE"
        assert [event["Step"] for event in rotation.steps(1)] == ["testSecret"]
        rotation.await_(lambda: rotation.labels() == {rotation.first: {"AWSCURRENT"}})
        assert rotation.describe()["NextRotationDate"]
        assert stack.delete() == "DELETE_COMPLETE"

    def test_an_update_of_the_secret_leaves_the_version_of_a_rotation(self, rotation: Rotation) -> None:
        """The version that has no value yet is not taken for one that never gets any."""

        def secret(description: str) -> Template:
            properties = {"Description": description}
            return {"Resources": {"Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": properties}}}

        stack = Stack(rotation.cloud)
        assert stack.create(secret('{"fail": "createSecret"}')) == "CREATE_COMPLETE"
        rotation.arn = stack.physical_id("Secret")
        token = rotation.rotate()
        assert stack.update(secret('{"fail": "createSecret", "again": ""}')) == "UPDATE_COMPLETE"
        assert rotation.labels() == {token: {"AWSPENDING"}}

    def test_what_is_refused_fails_the_deployment(self, rotation: Rotation) -> None:
        """A function that does not let Secrets Manager in rolls the stack back."""
        stack = Stack(rotation.cloud)
        assert stack.create(self.declared(rotation, "Closed")) == "ROLLBACK_COMPLETE"
        assert "Secrets Manager cannot invoke" in stack.reasons("Schedule")[0]
