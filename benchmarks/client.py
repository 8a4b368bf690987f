"""Processor time of `iam-access-key credentials`: within the interval, and when it renews, on loopback.

Prints ratios: what an SDK waits for at each request of credentials against an empty Python, and a renewal, of which
there is one an interval, against that.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

_ROUNDS = 15
_ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(_ROOT / part) for part in ("client", "tests")]

from support.aws_server import ARN, AwsServer  # noqa: E402

_CLIENT = ("-m", "iam_access_key_client", "credentials", "--secret", ARN)


def main() -> None:
    """Measure in turns, and print the ratios of the least times."""
    server = AwsServer()
    key = server.account.rotate()
    with tempfile.TemporaryDirectory() as home:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": home,
            "PYTHONPATH": str(_ROOT / "client"),
            "AWS_ENDPOINT_URL": server.url,
            "AWS_ACCESS_KEY_ID": key.access_key_id,
            "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
        }
        _seconds(environment, "-m", "iam_access_key_client", "enrol", "--secret", ARN, "--yes")
        rounds = [
            (
                _seconds(environment, "-c", "pass"),
                _seconds(environment, *_CLIENT),
                _seconds({**environment, "IAM_ACCESS_KEY_HOME": _aged(home)}, *_CLIENT),
            )
            for _ in range(_ROUNDS)
        ]
    server.stop()
    empty, fast, renewal = (min(times) for times in zip(*rounds, strict=True))
    print(f"an empty Python: {empty * 1000:.0f} ms of processor time")
    print(f"credentials within the interval: {fast * 1000:.0f} ms, {fast / empty:.1f} times an empty Python")
    print(f"credentials that renew: {renewal * 1000:.0f} ms, {renewal / fast:.1f} times those within the interval")


def _aged(home: str) -> str:
    """Copy the store, as it is when its interval is over."""
    folder = Path(home, "aged")
    folder.mkdir(mode=0o700, exist_ok=True)
    (path,) = Path(home, ".aws", "iam-access-key").glob("*.json")
    text = path.read_text()
    (folder / path.name).write_text(text.replace('"triedAt": ', '"triedAt": 1').replace('"readAt": ', '"readAt": 1'))
    return str(folder)


def _seconds(environment: dict[str, str], *arguments: str) -> float:
    process = subprocess.Popen([sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
