"""The real AWS command line: the CDK brings its archive along, for functions that deploy to buckets."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from local_cloud import LocalCloud


def package(cloud: LocalCloud, directory: Path, template: str) -> Path:
    """Package a template of a directory to the bucket `mine`, and return the packaged one."""
    packaged = directory / "packaged.yaml"
    options = ("--template-file", template, "--s3-bucket", "mine", "--output-template-file", packaged.name)
    environment = cloud.environment() | {"PYTHONPATH": str(unpack(directory)), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "awscli", "cloudformation", "package", *options],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return packaged


def unpack(directory: Path) -> Path:
    """Unpack the command line, and return where its modules are."""
    (published,) = (
        file for file in (files("aws_cdk.asset_awscli_v1") / "_jsii").iterdir() if file.name.endswith("tgz")
    )
    with published.open("rb") as opened, tarfile.open(fileobj=opened) as archive:
        archive.extract("package/lib/layer.zip", directory, filter="data")
    with zipfile.ZipFile(directory / "package/lib/layer.zip") as layer:
        layer.extractall(directory)
    return directory / "awscli"
