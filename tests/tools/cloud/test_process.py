"""The embedded account starts, runs what the construct library deploys, and stops without a trace."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cloud.account import new_key, policy, refused
from tools.cloud.cloudformation_stack import LAMBDA, Stack, custom_resource, function, role, with_provider

from local_cloud import CdkCli, CdkError, LocalCloud, LocalCloudError
from local_cloud.replacing import PatchError, replace_function

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[3]

# Assumes each role it is asked to and says how that went.
ASSUMER = """
import boto3
from botocore.exceptions import ClientError
def attempt(role):
    try:
        return boto3.client("sts").assume_role(RoleArn=role, RoleSessionName="session")["AssumedRoleUser"]["Arn"]
    except ClientError as error:
        return error.response["Error"]["Code"]
def handler(event, context):
    return {name: attempt(role) for name, role in event.items()}
"""


def is_running(pid: int) -> bool:
    """Tell whether any process of a group is there."""
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return True


def has_ended(pid: int) -> bool:
    """Tell whether a process group is gone, waiting shortly for it."""
    deadline = time.monotonic() + 5
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_running(pid)


class TestProcess:
    """Start, stop, and what is left behind."""

    def test_stop_leaves_no_process_and_no_file(self) -> None:
        """Stopping ends the emulator, the functions it runs, and removes its temporary directory."""
        with LocalCloud() as cloud:
            stack = Stack(cloud)
            assert stack.create(with_provider(Thing=custom_resource())) == "CREATE_COMPLETE"
            pid, directory = cloud.pid, cloud.directory
            assert is_running(pid)
        assert has_ended(pid)
        assert not directory.exists()

    def test_a_given_directory_is_kept(self, tmp_path: Path) -> None:
        """A directory that the caller names keeps the log and loses the announcement."""
        with LocalCloud(tmp_path / "account"):
            pass
        assert (tmp_path / "account" / "cloud.log").exists()
        assert not (tmp_path / "account" / "cloud.json").exists()

    def test_the_emulator_dies_with_the_process_that_started_it(self, tmp_path: Path) -> None:
        """Even a parent that is killed leaves no emulator behind."""
        program = (
            "import os, pathlib, sys; from local_cloud import LocalCloud;"
            "cloud = LocalCloud(pathlib.Path(sys.argv[1])).start();"
            "print(cloud.pid, flush=True); os.kill(os.getpid(), 9)"
        )
        ended = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert ended.returncode == -signal.SIGKILL
        assert has_ended(int(ended.stdout))

    def test_starting_twice_is_refused(self, cloud: LocalCloud) -> None:
        """One object is one account."""
        with pytest.raises(LocalCloudError, match="already runs"):
            cloud.start()

    def test_a_failed_start_shows_the_log(self, cloud: LocalCloud) -> None:
        """A port that is taken is named in the error, and nothing stays behind."""
        port = int(cloud.endpoint_url.rsplit(":", 1)[-1])
        with pytest.raises(LocalCloudError, match="Address already in use"):
            LocalCloud(port=port).start()

    @pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="the kernel does not list its sockets there")
    def test_it_listens_on_the_loopback_address_only(self, cloud: LocalCloud) -> None:
        """No socket of the emulator is reachable from another machine."""
        port = int(cloud.endpoint_url.rsplit(":", 1)[-1])
        sockets = Path("/proc/net/tcp").read_text().splitlines() + Path("/proc/net/tcp6").read_text().splitlines()
        listening = [line.split()[1] for line in sockets if line.split()[3] == "0A"]
        assert [address for address in listening if address.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


class TestEnvironment:
    """What a client needs to find the account, and nothing else."""

    def test_a_client_with_this_environment_reaches_the_account(self, cloud: LocalCloud) -> None:
        """A program that knows nothing of the emulator talks to it as the administrator."""
        program = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
        answer = subprocess.run(
            [sys.executable, "-c", program], env=cloud.environment(), capture_output=True, text=True, check=True
        )
        assert answer.stdout.strip() == cloud.account

    def test_the_machine_s_own_settings_do_not_reach_a_client(
        self, cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A profile, an endpoint and a proxy of the machine are ignored."""
        monkeypatch.setenv("AWS_PROFILE", "production")
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://127.0.0.1:1")
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert cloud.client("s3").list_buckets()["Buckets"] is not None
        assert cloud.calls()

    def test_the_command_line_starts_points_and_stops(self, tmp_path: Path) -> None:
        """`up` runs it in the background, `env` points a shell at it, `reset` empties it, `down` ends it."""

        def run(command: str) -> subprocess.CompletedProcess[str]:
            arguments = [sys.executable, "-m", "local_cloud", command, "--directory", str(tmp_path)]
            environment = {**os.environ, "AWS_PROFILE": "production"}
            return subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

        try:
            assert "IAM enforced" in run("up").stdout
            cloud = LocalCloud.attach(tmp_path)
            assert str(cloud.pid) in run("up").stdout
            exports = run("env").stdout
            assert "unset AWS_PROFILE" in exports
            identity = f"{exports}\n{sys.executable} -c \"import boto3; boto3.client('iam').create_user(UserName='u')\""
            subprocess.run(["/bin/sh", "-ec", identity], check=True)
            assert [user["UserName"] for user in cloud.client("iam").list_users()["Users"]] == ["u"]
            assert run("reset").returncode == 0
            assert cloud.client("iam").list_users()["Users"] == []
            pid = cloud.pid
        finally:
            assert run("down").returncode == 0
        cloud.stop()
        assert has_ended(pid)
        assert "nothing runs" in run("env").stderr


class TestCalls:
    """The record of what clients asked."""

    def test_calls_say_who_asked_for_what_and_how_it_ended(self, empty_cloud: LocalCloud) -> None:
        """Names and ids are kept, tags by their keys, errors by their codes."""
        iam = empty_cloud.client("iam")
        iam.create_user(UserName="u", Tags=[{"Key": "k", "Value": "private"}])
        key = new_key(empty_cloud, "u")
        secret = empty_cloud.client("secretsmanager").create_secret(Name="s", Tags=[{"Key": "t", "Value": "private"}])
        with refused("AccessDenied"):
            empty_cloud.client("iam", **key).list_access_keys(UserName="u")
        with refused("AccessDeniedException"):
            empty_cloud.client("secretsmanager", **key).describe_secret(SecretId=secret["ARN"])
        calls = empty_cloud.calls()
        assert [(call.name, dict(call.parameters), call.error) for call in calls] == [
            ("iam:CreateUser", {"UserName": "u", "TagKeys": ("k",)}, None),
            ("iam:CreateAccessKey", {"UserName": "u"}, None),
            ("secretsmanager:CreateSecret", {"Name": "s", "TagKeys": ("t",)}, None),
            ("iam:ListAccessKeys", {"UserName": "u"}, "AccessDenied"),
            ("secretsmanager:DescribeSecret", {"SecretId": secret["ARN"]}, "AccessDeniedException"),
        ]
        assert calls[-1].access_key_id == key["access_key_id"]
        assert calls[-1].principal == f"arn:aws:iam::{empty_cloud.account}:user/u"
        empty_cloud.clear_calls()
        assert empty_cloud.calls() == []

    def test_no_secret_is_recorded_or_logged(self, empty_cloud: LocalCloud) -> None:
        """Neither the calls nor the emulator's log hold a secret access key or a secret's value."""
        empty_cloud.client("iam").create_user(UserName="u")
        key = new_key(empty_cloud, "u")
        empty_cloud.client("secretsmanager").create_secret(Name="s", SecretString=key["secret_access_key"])
        empty_cloud.client("sts", **key).get_caller_identity()
        log = (empty_cloud.directory / "cloud.log").read_text()
        for text in (repr(empty_cloud.calls()), log):
            assert key["secret_access_key"] not in text


def test_what_the_construct_library_deploys_works_here(stack: Stack, cloud: LocalCloud) -> None:
    """Functions of python3.14 on arm64 run with their role, and assume only what policy and trust allow."""
    function_role = {"AWS": {"Fn::GetAtt": ["FunctionRole", "Arn"]}}
    under_path = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Resource": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/keys/*"},
    }
    template = {
        "Resources": {
            "FunctionRole": role(LAMBDA, "/", under_path),
            "Allowed": role(function_role, "/keys/stack/"),
            "OtherPath": role(function_role, "/other/"),
            "OtherTrust": role({"AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:role/nobody"}}, "/keys/stack/"),
            "Function": function(ASSUMER, "FunctionRole"),
            "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"RetentionInDays": 30}},
            "Invocations": {
                "Type": "AWS::Lambda::EventInvokeConfig",
                "Properties": {
                    "FunctionName": {"Ref": "Function"},
                    "Qualifier": "$LATEST",
                    "MaximumRetryAttempts": 0,
                    "MaximumEventAgeInSeconds": 300,
                },
            },
            "Key": {
                "Type": "AWS::KMS::Key",
                "Properties": {"KeyPolicy": json.loads(policy("kms:*", "*"))},
            },
        }
    }
    template["Resources"]["Function"]["Properties"]["LoggingConfig"] = {"LogGroup": {"Ref": "Logs"}}
    assert stack.create(template) == "CREATE_COMPLETE"
    roles = {
        name: cloud.client("iam").get_role(RoleName=stack.physical_id(name))["Role"]["Arn"]
        for name in ("Allowed", "OtherPath", "OtherTrust")
    }
    answer = cloud.client("lambda").invoke(FunctionName=stack.physical_id("Function"), Payload=json.dumps(roles))
    outcome = json.load(answer["Payload"])
    assert "FunctionError" not in answer, outcome
    assert outcome["Allowed"].startswith(f"arn:aws:sts::{cloud.account}:assumed-role/")
    assert (outcome["OtherPath"], outcome["OtherTrust"]) == ("AccessDenied", "AccessDenied")
    assert {call.principal.rpartition("/")[0] for call in cloud.calls() if call.name == "sts:AssumeRole"} == {
        f"arn:aws:sts::{cloud.account}:assumed-role/{stack.physical_id('FunctionRole')}"
    }
    assert stack.delete() == "DELETE_COMPLETE"


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Listen where a client that wants to leave the machine would ask for the way."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{listener.getsockname()[1]}")
        yield listener


APP = """
import sys
import aws_cdk as cdk
from aws_cdk import aws_iam as iam
app = cdk.App()
stack = cdk.Stack(app, "Small", env=cdk.Environment(account="111122223333", region="us-east-1"))
iam.CfnUser(stack, "User", user_name=app.node.try_get_context("user") or "someone")
app.synth()
"""


def test_the_real_command_line_bootstraps_deploys_and_destroys(
    bootstrapped_cloud: LocalCloud, tmp_path: Path, proxy: socket.socket
) -> None:
    """The CDK CLI deploys an app of a test's own and asks nobody else; a failure carries the end of its output."""
    (tmp_path / "small.py").write_text(APP)
    cdk = CdkCli(bootstrapped_cloud, app=["python", "small.py"], directory=tmp_path)
    iam = bootstrapped_cloud.client("iam")
    assert "Small" in cdk.deploy("Small", context={"user": "u"}).output
    assert [user["UserName"] for user in iam.list_users()["Users"]] == ["u"]
    with pytest.raises(CdkError, match="No stacks match") as failure:
        cdk.deploy("Large")
    assert failure.value.result.returncode == 1
    cdk.destroy("Small")
    assert iam.list_users()["Users"] == []
    assert list(tmp_path.iterdir()) == [tmp_path / "small.py"]
    with pytest.raises(BlockingIOError):
        proxy.accept()


@pytest.mark.parametrize("parameters", ["", "event context more"])
def test_an_upgrade_that_moves_what_a_patch_replaces_is_noticed(parameters: str) -> None:
    """A function that is gone, or takes something else, is refused by name."""
    module = types.ModuleType("upgraded")
    if parameters:
        module.__dict__["handle"] = lambda event, context, more: (event, context, more)
    with pytest.raises(PatchError, match="handle"):
        replace_function(module, "handle", "event context", lambda original: original)
