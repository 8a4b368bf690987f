"""`python -m cdk_iam_access_key`: show the keys of a secret, or go back to the previous one."""

import sys

from cdk_iam_access_key.cli.command import main

if __name__ == "__main__":
    sys.exit(main())
