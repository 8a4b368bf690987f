"""The demo at the command line: `python -m demo [--steps basic|rotation|consumer|all] [--keep]`."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from demo.account import CONSUMER_STACK, ROTATION_STACK
from demo.consumer_journey import ConsumerJourney
from demo.driver import Driver
from demo.journey import Journey
from demo.records import Records
from demo.report import Report
from demo.rotation_journey import RotationJourney
from demo.steps import closing, opening, take
from local_cloud import CdkCli, LocalCloud, LocalCloudError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Where `python -m local_cloud env` and `down` look.
_KEPT = Path(__file__).resolve().parent.parent / ".local-cloud"
_PARTS = ("all", "basic", "rotation", "consumer")
_INTERRUPTED = 128 + signal.SIGINT
_TERMINATED = 128 + signal.SIGTERM


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the journey and give the exit code: 0, 1 if an expectation does not hold, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--steps", choices=_PARTS, default="all", help="one of the three journeys, or all")
    parser.add_argument("--keep", action="store_true", help="keep the example's stack, and the account running")
    given = parser.parse_args(arguments)
    report = Report(Console(record=True, highlight=False))
    try:
        with _kept_account() if given.keep else LocalCloud() as cloud:
            report.opening(cloud.endpoint_url)
            succeeded = _play(cloud, report, part=given.steps, keep=given.keep)
            if given.keep:
                report.kept()
    except KeyboardInterrupt:
        report.failure("interrupted")
        return _INTERRUPTED
    except (LocalCloudError, FileNotFoundError) as error:
        report.failure(str(error))
        return 1
    return 0 if succeeded else 1


def _play(cloud: LocalCloud, report: Report, *, part: str, keep: bool) -> bool:
    """Take the steps of one part or of all, and tell whether all expectations hold."""
    records = Records(cloud, report)
    example = Driver(cloud, CdkCli(cloud), records, report)

    def driver(app: str, stack: str) -> Driver:
        command = ("python", f"demo/{app}.py")
        option = f'--app "{" ".join(command)}"'
        return Driver(cloud, CdkCli(cloud, app=command), records, report, stack=stack, option=option)

    rotating = RotationJourney(driver("rotation_app", ROTATION_STACK))
    consumer = driver("consumer_app", CONSUMER_STACK)
    consuming = ConsumerJourney(consumer)
    parts = {
        "basic": Journey(example).steps(destroys=not keep),
        "rotation": rotating.steps(),
        "consumer": consuming.steps(),
    }
    steps = [step for name, steps in parts.items() if part in {name, "all"} for step in steps]
    with contextlib.closing(rotating), contextlib.closing(consuming):
        return take([opening(example), *steps, closing(example, consumer.account)], records, report)


@contextlib.contextmanager
def _kept_account() -> Iterator[LocalCloud]:
    """Start an account that outlives the demo, unless the demo is interrupted."""
    try:
        running = LocalCloud.attach(_KEPT)
    except LocalCloudError:
        pass
    else:
        raise LocalCloudError(f"an account runs at {running.endpoint_url}: stop it with `python -m local_cloud down`")
    cloud = LocalCloud(_KEPT, outlives_parent=True).start()
    try:
        yield cloud
    except BaseException:
        cloud.stop()
        shutil.rmtree(_KEPT)
        raise


if __name__ == "__main__":
    # So that the account is stopped, and `cdk` with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    sys.exit(main())
