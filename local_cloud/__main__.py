"""The embedded AWS account at the command line: `python -m local_cloud up|env|reset|down`."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from pathlib import Path

from local_cloud.cloud import LocalCloud
from local_cloud.environment import without_foreign_settings
from local_cloud.process import LocalCloudError

_DIRECTORY = Path(__file__).resolve().parent.parent / ".local-cloud"
_USAGE = """\
An AWS account runs at {endpoint_url} (process {pid}), IAM enforced.

  eval "$({command} env)"     point this shell at it, and your own cdk with it:
  npx cdk bootstrap && npx cdk deploy

  {command} reset             empty the account
  {command} down              stop it
"""


def main() -> int:
    """Run one command and give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m local_cloud", description=__doc__)
    parser.add_argument("command", choices=("up", "env", "reset", "down"))
    parser.add_argument("--port", type=int, default=0, help="where `up` listens, by default any free port")
    parser.add_argument(
        "--directory", type=Path, default=_DIRECTORY, help="where its state lies, by default .local-cloud"
    )
    arguments = parser.parse_args()
    directory: Path = arguments.directory.resolve()
    try:
        match arguments.command:
            case "up":
                _up(directory, arguments.port)
            case "env":
                _env(LocalCloud.attach(directory))
            case "reset":
                LocalCloud.attach(directory).reset()
            case "down":
                _down(directory)
    except LocalCloudError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _up(directory: Path, port: int) -> None:
    try:
        cloud = LocalCloud.attach(directory)
    except LocalCloudError:
        cloud = LocalCloud(directory, port=port, outlives_parent=True).start()
    command = "python -m local_cloud"
    if directory != _DIRECTORY:
        command += f" --directory {shlex.quote(str(directory))}"
    print(_USAGE.format(endpoint_url=cloud.endpoint_url, pid=cloud.pid, command=command))


def _env(cloud: LocalCloud) -> None:
    variables = cloud.environment()
    # What this shell exports besides, such as AWS_PROFILE or AWS_ENDPOINT_URL_IAM, would win over these.
    for name in sorted(os.environ.keys() - without_foreign_settings(os.environ).keys() - variables.keys()):
        print(f"unset {name}")
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")


def _down(directory: Path) -> None:
    LocalCloud.attach(directory).stop()
    # A directory that somebody named may hold more than ours.
    if directory == _DIRECTORY:
        shutil.rmtree(directory)


if __name__ == "__main__":
    sys.exit(main())
