"""Each example, deployed to the embedded AWS with IAM enforced, and its key used as its readers use it."""

from __future__ import annotations

import base64
import json
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError
from cloud.stacks import Account, Deployment, Session
from support.ci_servers import TOKEN, GitHub, GitLab, Server
from support.examples import EXAMPLES, synthesized

from cdk_iam_access_key.cli import command as command_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_cloud import LocalCloud

_BOOTSTRAP = "/cdk-bootstrap/hnb659fds/version"
_OTHER_ACCOUNT = "444455556666"
# By example, the system that its function brings the key to, and the secret of the function's token.
_CI_SYSTEMS = {"github_secrets": (GitHub, "ci/github-token"), "gitlab_variables": (GitLab, "ci/gitlab-token")}


@dataclass(frozen=True)
class _InAccount:
    """Another account of the same cloud, as its root user; what a deployment asks of a cloud."""

    cloud: LocalCloud
    account: str

    @property
    def region(self) -> str:
        return self.cloud.region

    def client(self, service: str, **options: Any) -> Any:
        return self.cloud.client(service, **{"access_key_id": self.account, "secret_access_key": "test", **options})


@dataclass(frozen=True)
class _Deployed:
    """What is there of an example.

    Attributes:
        account: The account.
        stacks: Its stacks, in the order in which they were deployed.
        ci_system: Where a function of it brings the key.
    """

    account: Account
    stacks: list[Deployment]
    ci_system: Server | None = None

    @property
    def key(self) -> str:
        """The secret of the one key."""
        (secret,) = self.keys
        return secret

    @property
    def keys(self) -> list[str]:
        """The secrets of all keys."""
        return [arn for arn, entry in self.account.entries().items() if entry.get("keys")]

    def of(self, kind: str) -> str:
        """The physical id of the first resource of a type in the last stack."""
        return self.stacks[-1].physical_id("", kind)

    def session(self, role: str) -> Session:
        """Assume a role of this account."""
        admin = self.account.administrator("admin")
        name = self.stacks[-1].physical_id(role, "AWS::IAM::Role")
        return admin.assume(self.account.iam.get_role(RoleName=name)["Role"]["Arn"])


def _deployed(cloud: LocalCloud, directory: Path, name: str, ci_system: Server | None) -> _Deployed:
    """Deploy an example, with a provider that does not wait for a key to settle."""
    stacks = []
    if ci_system:
        cloud.client("secretsmanager").create_secret(Name=_CI_SYSTEMS[name][1], SecretString=TOKEN)
    assembly = synthesized(name, directory, {"111122223333": cloud.account})
    for artifact in assembly.stacks:
        account = artifact.environment.account
        there: Any = _InAccount(cloud, account) if account == _OTHER_ACCOUNT else cloud
        there.client("ssm").put_parameter(Name=_BOOTSTRAP, Value="30", Type="String", Overwrite=True)
        _publish(cloud, directory, artifact.stack_name)
        template = json.loads(Path(artifact.template_full_path).read_text("utf-8"))
        for resource in template["Resources"].values():
            variables = resource.get("Properties", {}).get("Environment", {}).get("Variables", {})
            if "SETTLING_SECONDS" in variables:
                variables["SETTLING_SECONDS"] = "0"
            if ci_system and "TOKEN_SECRET" in variables:
                variables["API_URL"] = ci_system.url
        stack = Deployment(there, directory, artifact.stack_name)
        stack.start(json.dumps(template))
        stack.await_status("CREATE_COMPLETE")
        stacks.append(stack)
    return _Deployed(Account(cloud), stacks, ci_system)


def _publish(cloud: LocalCloud, assembly: Path, stack: str) -> None:
    place = {"${AWS::AccountId}": cloud.account, "${AWS::Region}": cloud.region}
    s3 = cloud.client("s3")
    for file in json.loads((assembly / f"{stack}.assets.json").read_text("utf-8"))["files"].values():
        for destination in file["destinations"].values():
            bucket = destination["bucketName"]
            for token, value in place.items():
                bucket = bucket.replace(token, value)
            s3.create_bucket(Bucket=bucket)
            source = assembly / file["source"]["path"]
            archive = Path(shutil.make_archive(str(source), "zip", source)) if source.is_dir() else source
            content = archive.read_bytes()
            s3.put_object(Bucket=bucket, Key=destination["objectKey"], Body=content)


def _read(session: Any, secret: str) -> str:
    return str(session.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"])


def _refused(session: Any, secret: str) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        _read(session, secret)


def _tags_and_policy(deployed: _Deployed) -> None:
    reader = deployed.session("Reader")
    assert "accessKeyId" in _read(reader, deployed.key)
    # The administrator is allowed everything by its own policy.
    _refused(deployed.account.administrator("second"), deployed.key)
    tags = deployed.account.secrets.describe_secret(SecretId=deployed.key)["Tags"]
    assert {"Key": "data-class", "Value": "credential"} in tags


def _ecs_task(deployed: _Deployed) -> None:
    task = deployed.account.cloud.client("ecs").describe_task_definition(
        taskDefinition=deployed.of("AWS::ECS::TaskDefinition")
    )
    (container,) = task["taskDefinition"]["containerDefinitions"]
    # Which field is for which name, the synthesized template says: this account forgets it.
    assert len(container["secrets"]) == len(deployed.account.value(deployed.key)) == 3
    assert deployed.account.value(deployed.key)["AWS_ACCESS_KEY_ID"].startswith("AKIA")


def _lambda_reader(deployed: _Deployed) -> None:
    function = deployed.stacks[0].physical_id("Reader", "AWS::Lambda::Function")
    answer = deployed.account.cloud.client("lambda").invoke(FunctionName=function)
    assert ":user/LambdaReader-User" in answer["Payload"].read().decode()


def _codebuild_project(deployed: _Deployed) -> None:
    name = deployed.of("AWS::CodeBuild::Project")
    (project,) = deployed.account.cloud.client("codebuild").batch_get_projects(names=[name])["projects"]
    variables = {one["name"]: (one["type"], one["value"]) for one in project["environment"]["environmentVariables"]}
    assert variables["PUBLISH_ACCESS_KEY_ID"] == ("SECRETS_MANAGER", f"{deployed.key}:accessKeyId")
    assert variables["PUBLISH_SECRET_ACCESS_KEY"] == ("SECRETS_MANAGER", f"{deployed.key}:secretAccessKey")


def _dynamic_reference(deployed: _Deployed) -> None:
    ssm = deployed.account.cloud.client("ssm")
    current = deployed.account.value(deployed.key)["accessKeyId"]
    for name in ("Followed", "AsCreated"):
        assert ssm.get_parameter(Name=f"/dynamic-reference/{name}")["Parameter"]["Value"] == current


def _kms_keys(deployed: _Deployed) -> None:
    reader = deployed.session("Reader")
    secrets = deployed.account.secrets
    encrypted = {secret: secrets.describe_secret(SecretId=secret)["KmsKeyId"] for secret in deployed.keys}
    assert len(encrypted) == 4
    assert sum("444455556666" in kms_key for kms_key in encrypted.values()) == 1
    assert len(set(encrypted.values())) == 3
    for secret in encrypted:
        assert deployed.account.works(secret)
        assert "accessKeyId" in _read(reader, secret)


def _replica_regions(deployed: _Deployed) -> None:
    here = _read(deployed.account.cloud, deployed.key)
    for region in ("eu-west-1", "us-west-2"):
        there = deployed.account.cloud.client("secretsmanager", region=region)
        assert there.get_secret_value(SecretId="replicated/deploy-key")["SecretString"] == here


def _reader_of_another_account(deployed: _Deployed) -> None:
    cloud = deployed.account.cloud
    other = _InAccount(cloud, _OTHER_ACCOUNT)
    there = Session(cloud, "", {"access_key_id": _OTHER_ACCOUNT, "secret_access_key": "test"})
    reader = there.assume(f"arn:aws:iam::{_OTHER_ACCOUNT}:role/deploy-key-reader")
    assert _read(reader, deployed.key) == _read(cloud, deployed.key)
    assert deployed.account.works(deployed.key)
    # Whoever else the other account lets read it is not let in.
    role = other.client("iam").create_role(RoleName="stranger", AssumeRolePolicyDocument=_trusting(_OTHER_ACCOUNT))
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    other.client("iam").put_role_policy(RoleName="stranger", PolicyName="all", PolicyDocument=json.dumps(everything))
    _refused(there.assume(role["Role"]["Arn"]), deployed.key)


def _trusting(account: str) -> str:
    principal = {"AWS": f"arn:aws:iam::{account}:root"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _copies(deployed: _Deployed) -> None:
    cloud = deployed.account.cloud
    text = _read(cloud, deployed.key)
    assert text.startswith("AWS_ACCESS_KEY_ID=AKIA")
    parameter = cloud.client("ssm").get_parameter(Name="/copies/deploy-key:current", WithDecryption=True)
    assert parameter["Parameter"]["Value"] == text
    there = cloud.client("secretsmanager", region="us-west-2")
    assert there.get_secret_value(SecretId="copies/deploy-key")["SecretString"] == text


def _ses_smtp(deployed: _Deployed) -> None:
    value = deployed.account.value(deployed.key)
    assert value["host_eu-central-1"] == "email-smtp.eu-central-1.amazonaws.com"
    # Version 4, as its first byte says.
    assert base64.b64decode(value["password_us-east-1"])[0] == 4


def _github_actions(deployed: _Deployed) -> None:
    role = deployed.account.iam.get_role(RoleName=deployed.stacks[0].physical_id("JobRole", "AWS::IAM::Role"))
    (statement,) = role["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert deployed.account.secrets.describe_secret(SecretId=deployed.key)["RotationEnabled"]


def _vendor_key(deployed: _Deployed) -> None:
    assert "accessKeyId" in _read(deployed.session("WhoHandsItOver"), deployed.key)
    rules = deployed.account.cloud.client("events").list_rules()["Rules"]
    assert any(deployed.key in rule.get("EventPattern", "") for rule in rules)


def _ci_secrets(deployed: _Deployed) -> None:
    first = _as_jobs_get_it(deployed)
    for command in ("rotate", "undo"):
        with mock.patch.dict("os.environ", deployed.account.cloud.environment()):
            assert command_line.main([command, "--secret", deployed.key, "--yes"]) == command_line.DONE
        found = _as_jobs_get_it(deployed)
        assert (found == first) is (command == "undo")


def _as_jobs_get_it(deployed: _Deployed) -> dict[str, str]:
    """Return the key in the CI system, which is that of the secret."""
    assert deployed.ci_system
    value = deployed.account.value(deployed.key)
    assert deployed.ci_system.has == {
        "AWS_ACCESS_KEY_ID": value["accessKeyId"],
        "AWS_SECRET_ACCESS_KEY": value["secretAccessKey"],
    }
    return deployed.ci_system.has.copy()


def _ecs_restart(deployed: _Deployed) -> None:
    events, states = (deployed.account.cloud.client(service) for service in ("events", "stepfunctions"))
    (rule,) = [rule for rule in events.list_rules()["Rules"] if "Secret Label Updated" in rule.get("EventPattern", "")]
    assert json.loads(rule["EventPattern"])["resources"] == [deployed.key]
    (target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
    definition = json.loads(states.describe_state_machine(stateMachineArn=target["Arn"])["definition"])
    (state,) = definition["States"].values()
    assert state["Parameters"]["ForceNewDeployment"] is True
    assert state["Parameters"]["Service"] == deployed.of("AWS::ECS::Service")


def _renewing(deployed: _Deployed) -> None:
    user = deployed.of("AWS::IAM::User")
    names = deployed.account.iam.list_user_policies(UserName=user)["PolicyNames"]
    (renewal,) = [name for name in names if name.startswith("SelfRenewal")]
    policy = deployed.account.iam.get_user_policy(UserName=user, PolicyName=renewal)["PolicyDocument"]
    (statement,) = policy["Statement"]
    assert statement["Resource"] == deployed.key
    assert statement["Condition"]["IpAddress"]["aws:SourceIp"][0].startswith("203.0.113.")


CHECKS: dict[str, Callable[[_Deployed], None]] = {
    "tags_and_policy": _tags_and_policy,
    "ecs_task": _ecs_task,
    "lambda_reader": _lambda_reader,
    "codebuild_project": _codebuild_project,
    "dynamic_reference": _dynamic_reference,
    "kms_keys": _kms_keys,
    "replica_regions": _replica_regions,
    "reader_of_another_account": _reader_of_another_account,
    "copies": _copies,
    "ses_smtp": _ses_smtp,
    "github_actions": _github_actions,
    "vendor_key": _vendor_key,
    "github_secrets": _ci_secrets,
    "gitlab_variables": _ci_secrets,
    "ecs_restart": _ecs_restart,
    "machine": _renewing,
    "postfix_with_ses": _renewing,
    "external_secrets": _renewing,
}


def _check(cloud: LocalCloud, directory: Path, name: str) -> None:
    with ExitStack() as servers:
        ci_system = servers.enter_context(_CI_SYSTEMS[name][0]()) if name in _CI_SYSTEMS else None
        deployed = _deployed(cloud, directory, name, ci_system)
        CHECKS[name](deployed)
        for stack in reversed(deployed.stacks):
            stack.delete()
    users = [user["UserName"] for user in deployed.account.iam.list_users()["Users"]]
    assert set(users) <= {"admin", "second"}
    assert deployed.account.entries() == {}


def test_the_reader_of_another_account(empty_cloud: LocalCloud, tmp_path: Path) -> None:
    """The one that needs two accounts: deployed to both, and read from the other."""
    _check(empty_cloud, tmp_path, "reader_of_another_account")


@pytest.mark.thorough
@pytest.mark.parametrize("name", sorted(set(EXAMPLES) - {"reader_of_another_account"}))
def test_an_example_is_deployed_and_used(empty_cloud: LocalCloud, tmp_path: Path, name: str) -> None:
    """Its key works where the example says that it is, and all of it is gone afterwards."""
    _check(empty_cloud, tmp_path, name)
