"""The demo of root access keys: `python -m demo.root_keys`."""

from __future__ import annotations

import sys

from rich.console import Console

from demo.driver import Driver
from demo.records import Records
from demo.report import Report
from demo.root_journey import RootKeyJourney
from demo.steps import opening, take
from local_cloud import CdkCli, LocalCloud, LocalCloudError

_APP = ("python", "-m", "demo.root_app")
_OPENING = "Root access keys in one account and in an organization of 500: the CDK command line deploys the guards"


def main() -> int:
    """Run the journey and give the exit code: 0, or 1 if an expectation does not hold."""
    report = Report(Console(record=True, highlight=False))
    option = f'--app "{" ".join(_APP)}"'
    try:
        with LocalCloud() as cloud:
            report.opening(cloud.endpoint_url, _OPENING)
            records = Records(cloud, report)
            account, organization = (
                Driver(cloud, CdkCli(cloud, app=_APP), records, report, stack=stack, option=option)
                for stack in ("RootKeyAccount", "RootKeyOrganization")
            )
            journey = RootKeyJourney(cloud, account, organization)
            return 0 if take([opening(organization), *journey.steps()], records, report) else 1
    except (LocalCloudError, FileNotFoundError, RuntimeError) as error:
        report.failure(str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())
