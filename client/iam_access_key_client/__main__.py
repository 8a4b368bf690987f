"""Run `iam-access-key` as `python -m iam_access_key_client`."""

import sys

from iam_access_key_client.command import main

if __name__ == "__main__":
    sys.exit(main())
