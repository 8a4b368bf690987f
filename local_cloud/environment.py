"""Environment variables: of the emulator's process, and of the programs that talk to it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from local_cloud.certificate import Certificate

REGION = "us-east-1"
LOOPBACK = "127.0.0.1"
# Where all calls come from, as the account sees it: an address for documentation, which nobody has.
PUBLIC_ADDRESS = "203.0.113.7"

# Variables that would point a client elsewhere: to another account, another endpoint, a profile.
FOREIGN_PREFIXES = ("AWS_", "CDK_")


def client_environment(
    *, endpoint_url: str, directory: Path, certificate: Certificate, account: str, administrator: tuple[str, str]
) -> dict[str, str]:
    """Give the variables that point an AWS client at the emulator, and nowhere else."""
    bundle = str(certificate.authority)
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_CA_BUNDLE": bundle,
        "NODE_EXTRA_CA_CERTS": bundle,
        "AWS_ACCESS_KEY_ID": administrator[0],
        "AWS_SECRET_ACCESS_KEY": administrator[1],
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        # It remembers there which account a key belongs to.
        "CDK_HOME": str(directory / "cdk"),
        "CDK_DEFAULT_ACCOUNT": account,
        "CDK_DEFAULT_REGION": REGION,
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_DISABLE_VERSION_CHECK": "true",
        # The CLI reads its options from CDK_ variables too.
        "CDK_NOTICES": "false",
        "CDK_VERSION_REPORTING": "false",
        # A proxy of the machine must not be asked for the loopback address.
        "NO_PROXY": f"{LOOPBACK},localhost",
        "no_proxy": f"{LOOPBACK},localhost",
    }


def without_foreign_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Copy an environment without what could lead an AWS client away from the emulator."""
    return {name: value for name, value in environment.items() if not name.startswith(FOREIGN_PREFIXES)}


def server_environment(
    *, directory: Path, certificate: Certificate, account: str, administrator: tuple[str, str]
) -> dict[str, str]:
    """Give the emulator's whole environment; its Lambda functions inherit it.

    Nothing of the caller's environment but the search path gets in, so that neither credentials nor
    `PYTHONPATH` reach a function.
    """
    bundle = str(certificate.authority)
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(directory),
        "TMPDIR": str(directory / "tmp"),
        "STATE_DIR": str(directory / "state"),
        "S3_DATA_DIR": str(directory / "s3"),
        "AUTH": "true",
        "MINISTACK_ACCOUNT_ID": account,
        "MINISTACK_REGION": REGION,
        "MINISTACK_HOST": LOOPBACK,
        "BIND_HOST": LOOPBACK,
        "PERSIST_STATE": "0",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # A Docker daemon of the machine is none of ours.
        "DOCKER_HOST": "unix:///nonexistent",
        "LAMBDA_EXECUTOR": "local",
        "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.05",
        "SFN_WAIT_SCALE": "0",
        "USE_SSL": "1",
        "MINISTACK_SSL_CERT": str(certificate.chain),
        "MINISTACK_SSL_KEY": str(certificate.key),
        "SSL_CERT_FILE": bundle,
        "AWS_CA_BUNDLE": bundle,
        "REQUESTS_CA_BUNDLE": bundle,
        "NODE_EXTRA_CA_CERTS": bundle,
        "AWS_EC2_METADATA_DISABLED": "true",
        # ministack takes these for the account's root user; a function gets its role's instead.
        "AWS_ACCESS_KEY_ID": administrator[0],
        "AWS_SECRET_ACCESS_KEY": administrator[1],
        "LOG_LEVEL": "WARNING",
    }
