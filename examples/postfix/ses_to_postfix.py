#!/usr/bin/env python3
"""Give Postfix the SMTP password of SES that belongs to an access key.

    ses_to_postfix.py eu-central-1 /etc/postfix/ses-key.json /etc/postfix/sasl_passwd

Reads the key from a file that `iam-access-key write --format json` keeps, writes Postfix's table of passwords, and
reloads Postfix. `iam-access-key write` runs it after each change, and again if it fails; the table is never half
written. It needs nothing but Python's standard library.

https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html, https://www.postfix.org/SASL_README.html#client_sasl
"""

import base64
import hmac
import json
import os
import subprocess
import sys
from pathlib import Path


def smtp_password(secret_access_key: str, region: str) -> str:
    """Derive the password by AWS's published algorithm, version 4."""
    digest = f"AWS4{secret_access_key}".encode()
    for part in ("11111111", region, "ses", "aws4_request", "SendRawEmail"):
        digest = hmac.digest(digest, part.encode(), "sha256")
    return base64.b64encode(b"\x04" + digest).decode()


def main(region: str, key_file: str, table: str) -> None:
    """Write the table, and let Postfix read it. Raises OSError or CalledProcessError."""
    key = json.loads(Path(key_file).read_text("utf-8"))
    password = smtp_password(key["secretAccessKey"], region)
    line = f"[email-smtp.{region}.amazonaws.com]:587 {key['accessKeyId']}:{password}\n"
    os.umask(0o077)
    new = Path(f"{table}.new")
    new.write_text(line, "utf-8")
    new.replace(table)
    subprocess.run(["postmap", table], check=True)  # noqa: S603, S607 - the administrator's own path
    subprocess.run(["systemctl", "reload", "postfix"], check=True)  # noqa: S607


if __name__ == "__main__":
    main(*sys.argv[1:])
