"""Processor time of a cold start: from the first import to the first call to AWS, against what boto3 alone takes.

Prints the ratio. The floor imports boto3 and makes a client of each service that the provider calls: a function that
does nothing can't be faster. Nothing is sent: the first request ends the process.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_ROUNDS = 15
_ROOT = Path(__file__).resolve().parent.parent

_FLOOR = """
import time
import boto3
for service in ("sts", "iam", "secretsmanager", "dynamodb"):
    boto3.client(service)
print(time.process_time())
"""

_PROVIDER = """
import os, time
from access_key_provider import main
from botocore.endpoint import Endpoint

def stop(*_):
    print(time.process_time(), flush=True)
    os._exit(0)

Endpoint.make_request = stop

class Context:
    def get_remaining_time_in_millis(self):
        return 300_000

arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:shop/deploy-AbCdEf"
main.handler(
    {
        "RequestType": "Create",
        "ResponseURL": "https://localhost/?X-Amz-Date=20260102T030405Z",
        "StackId": "arn:aws:cloudformation:eu-central-1:123456789012:stack/shop/0a1b2c3d",
        "RequestId": "1",
        "LogicalResourceId": "Key",
        "ResourceType": "Custom::IAMAccessKey",
        "ResourceProperties": {
            "UserName": "deploy",
            "SecretArn": arn,
            "RoleArn": "arn:aws:iam::123456789012:role/cdk-iam-access-key/shop/key",
            "Serial": "1",
            "Status": "Active",
            "GracePeriod": "3600",
            "RetentionPeriod": "604800",
        },
    },
    Context(),
)
"""

_SWEEP = _PROVIDER.split("arn =", maxsplit=1)[0] + 'main.handler({"Operation": "Sweep"}, Context())\n'


def main() -> None:
    """Measure in turns, and print the ratios of the least times."""
    least = {name: min(_seconds(code, entry) for _ in range(_ROUNDS)) for name, code, entry in _MEASURED}
    floor = least.pop("floor")
    print(f"floor: {floor * 1000:.0f} ms of processor time")
    for name, seconds in least.items():
        print(f"{name}: {seconds * 1000:.0f} ms, {seconds / floor:.2f} of the floor")


_MEASURED = (("floor", _FLOOR, "provider"), ("request", _PROVIDER, "provider"), ("sweep", _SWEEP, "worker"))


def _seconds(code: str, entry_points: str) -> float:
    settings = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(_ROOT / "lambda"),
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "unused",
        "AWS_SECRET_ACCESS_KEY": "unused",
        "AWS_EC2_METADATA_DISABLED": "true",
        "LEDGER_TABLE": "ledger",
        "ENTRY_POINTS": entry_points,
    }
    done = subprocess.run([sys.executable, "-c", code], env=settings, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    main()
