"""Processor time of synthesizing an app with many keys, each of a user of its own, against the CDK's own constructs.

Prints the ratio. Both apps are programs of their own, as the CDK's command line runs them, so starting the CDK counts
in both. The time is that of the program and of the Node process that it starts: other work on the machine does not
count.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

_ROUNDS = 5
_KEYS = 90
_ROOT = Path(__file__).resolve().parent.parent
_NODE = Path(sys.executable).with_name("node")

# The CDK waits five seconds for its Node process, and whose end is not waited for is not counted.
_BEGIN = """
import subprocess
import sys

wait = subprocess.Popen.wait
subprocess.Popen.wait = lambda process, timeout=None: wait(process)

from aws_cdk import App, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager

app = App(outdir=sys.argv[1])
stack = Stack(app, "Stack")
"""

_CDK = (
    _BEGIN
    + """
for index in range(int(sys.argv[2])):
    key = iam.AccessKey(stack, f"Key{index}", user=iam.User(stack, f"User{index}"))
    secretsmanager.Secret(stack, f"Secret{index}", secret_string_value=key.secret_access_key)
app.synth()
"""
)

_OURS = (
    _BEGIN
    + """
from cdk_iam_access_key import AccessKey

for index in range(int(sys.argv[2])):
    AccessKey(stack, f"Key{index}", user=iam.User(stack, f"User{index}"))
app.synth()
"""
)


def main() -> None:
    """Measure in turns, and print the ratios of the least times."""
    least: dict[tuple[str, int], float] = {}
    for _ in range(_ROUNDS):
        for name, code in (("cdk", _CDK), ("ours", _OURS)):
            for keys in (0, _KEYS):
                least[name, keys] = min(least.get((name, keys), sys.maxsize), _seconds(code, keys))
    for name, title in (("cdk", "iam.AccessKey and Secret of the CDK"), ("ours", "AccessKey")):
        whole, start = least[name, _KEYS], least[name, 0]
        each = (whole - start) / _KEYS
        print(f"{title}: {whole:.2f} s for {_KEYS} keys, {start:.2f} s for none, {each * 1000:.1f} ms a key")
    print(f"ratio: {least['ours', _KEYS] / least['cdk', _KEYS]:.2f}")


def _seconds(code: str, keys: int) -> float:
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join(str(_ROOT / folder) for folder in ("constructs", "lambda"))}
    if _NODE.exists():
        settings.setdefault("JSII_NODE", str(_NODE))
    before = os.times()
    with TemporaryDirectory() as output:
        subprocess.run(
            [sys.executable, "-c", code, output, str(keys)], env=settings, stderr=subprocess.DEVNULL, check=True
        )
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


if __name__ == "__main__":
    main()
