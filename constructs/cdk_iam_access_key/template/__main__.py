"""Write the template at the command line: `python -m cdk_iam_access_key.template DIRECTORY`."""

import argparse
from pathlib import Path

from cdk_iam_access_key.template.build import write_template


def main() -> None:
    """Write the files, and print their paths."""
    parser = argparse.ArgumentParser(prog="python -m cdk_iam_access_key.template", description=__doc__)
    parser.add_argument("directory", type=Path, help="where the template and the functions' archive are written")
    for path in write_template(parser.parse_args().directory):
        print(path)  # noqa: T201 - a command-line program prints


if __name__ == "__main__":
    main()
