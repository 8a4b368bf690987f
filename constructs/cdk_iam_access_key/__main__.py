"""`python -m cdk_iam_access_key`: show, undo, rotate or retire the keys of a secret."""

import sys

from cdk_iam_access_key.cli.command import main

if __name__ == "__main__":
    sys.exit(main())
