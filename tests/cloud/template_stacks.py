"""Stacks of the template that other languages use, by CloudFormation's own API and nothing of the CDK."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from cloud.stacks import Deployment

from cdk_iam_access_key.template.build import write_template

if TYPE_CHECKING:
    from local_cloud import LocalCloud

BUCKET = "templates"


@cache
def written() -> tuple[str, bytes]:
    """Give the template and the archive as `make template` writes them."""
    with TemporaryDirectory() as directory:
        template, archive = write_template(Path(directory))
        return template.read_text("utf-8"), archive.read_bytes()


def package(cloud: LocalCloud) -> dict[str, Any]:
    """Do what `aws cloudformation package` does: upload the archive, and name it where its path stood.

    The functions settle no new key: it works at once here.
    """
    text, archive = written()
    template: dict[str, Any] = json.loads(text)
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    key = hashlib.md5(archive, usedforsecurity=False).hexdigest()
    s3.put_object(Bucket=BUCKET, Key=key, Body=archive)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Lambda::Function":
            resource["Properties"]["Code"] = {"S3Bucket": BUCKET, "S3Key": key}
            resource["Properties"]["Environment"]["Variables"]["SETTLING_SECONDS"] = "0"
    return template


# Fails once the key is there, as a consumer of the stack that is refused.
FAILURE = {
    "NoSignal": {"Type": "AWS::CloudFormation::WaitConditionHandle"},
    "Failure": {
        "Type": "AWS::CloudFormation::WaitCondition",
        "DependsOn": "Key",
        "Properties": {"Handle": {"Ref": "NoSignal"}, "Timeout": "1", "Count": 1},
    },
}


class TemplateStack(Deployment):
    """A stack of the template with some parameters."""

    def set(self, *, fails: bool = False, **parameters: object) -> dict[str, str]:
        """Create or update the stack, and return its outputs. Raises DeploymentError."""
        good, bad = ("UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE") if self.deployed else ("CREATE_COMPLETE", "")
        template = package(self.cloud)
        template["Resources"] |= FAILURE if fails else {}
        self.start(template, Parameters=[_parameter(*one) for one in parameters.items()])
        return self.outputs(self.await_status(bad if fails else good))


def _parameter(name: str, value: object) -> dict[str, str]:
    return {"ParameterKey": name, "ParameterValue": str(value)}
