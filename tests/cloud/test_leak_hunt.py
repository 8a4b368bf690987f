"""The leak hunt of this folder finds what is planted; that it finds nothing else is what every other test shows."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from cloud.account import new_key
from cloud.leak_hunt import CloudHunt
from ses_smtp_credentials.lib import calculate_key
from support.leak_scanner import LeakError

from cdk_iam_access_key import Escape, SecretFormat
from local_cloud import CdkResult

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from local_cloud import LocalCloud


@pytest.fixture(autouse=True)
def leak_hunt() -> None:
    """Keep the hunt that watches every other test away: it finds what is planted here."""


def _in_the_output(hunt: CloudHunt, secret: str) -> None:
    hunt.outputs.append(CdkResult(("deploy",), 0, f"Outputs:\n{secret}", 1.0))


def _in_an_assembly(hunt: CloudHunt, secret: str) -> None:
    folder = hunt.directory / "cdk.out.1"
    folder.mkdir(parents=True)
    (folder / "Shop.template.json").write_text(base64.b64encode(f"key={secret}".encode()).decode())


def _in_a_template(hunt: CloudHunt, secret: str) -> None:
    handle = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
    template = json.dumps({"Description": secret, "Resources": {"Handle": handle}})
    hunt.cloud.client("cloudformation").create_stack(StackName="Leaky", TemplateBody=template)


def _in_a_log(hunt: CloudHunt, secret: str) -> None:
    logs = hunt.cloud.client("logs")
    named = {"logGroupName": "leaky", "logStreamName": "leaky"}
    logs.create_log_group(logGroupName="leaky")
    logs.create_log_stream(**named)
    logs.put_log_events(**named, logEvents=[{"timestamp": 1, "message": secret.encode().hex()}])


def _in_the_emulators_log(hunt: CloudHunt, secret: str) -> None:
    with (hunt.cloud.directory / "cloud.log").open("a") as log:
        log.write(f"{secret}\n")


def _as_a_password(hunt: CloudHunt, secret: str) -> None:
    _in_the_output(hunt, f"password: {calculate_key(secret, 'us-east-1')}")


def _in_a_document(hunt: CloudHunt, secret: str) -> None:
    document = SecretFormat.template("s3://{access_key_id}:{secret_access_key}@bucket", escape=Escape.URL).text
    filled = document.replace("{secret_access_key|url}", quote(secret, safe=""))
    _in_the_output(hunt, base64.b64encode(filled.encode()).decode())


@pytest.mark.parametrize(
    ("plant", "where"),
    [
        (_in_the_output, "output 1 of cdk deploy"),
        (_in_an_assembly, "Shop.template.json"),
        (_in_a_template, "get_template of Leaky"),
        (_in_a_log, "the log leaky"),
        (_in_the_emulators_log, "the log of the emulator"),
        (_as_a_password, "SMTP password of secret access key 1, plain, in output 1 of cdk deploy"),
        (_in_a_document, "base64, in output 1 of cdk deploy"),
    ],
)
def test_a_planted_leak_is_found(
    empty_cloud: LocalCloud, tmp_path: Path, plant: Callable[[CloudHunt, str], None], where: str
) -> None:
    """In each place that a test writes to, by the name of the place and without the secret."""
    hunt = CloudHunt(empty_cloud, tmp_path / "planted")
    empty_cloud.client("iam").create_user(UserName="deploy")
    secret = new_key(empty_cloud, "deploy")["secret_access_key"]
    assert hunt.check().length > 100, "nothing was searched"
    plant(hunt, secret)
    with pytest.raises(LeakError, match=where) as leak:
        hunt.check()
    assert secret not in str(leak.value)
