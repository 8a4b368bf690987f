"""The demo at the command line: `python -m demo [--keep]`."""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from demo.driver import Driver
from demo.journey import STEPS, STEPS_THAT_KEEP, Journey
from demo.report import Report
from local_cloud import CdkCli, LocalCloud, LocalCloudError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Where `python -m local_cloud env` and `down` look.
_KEPT = Path(__file__).resolve().parent.parent / ".local-cloud"
_INTERRUPTED = 128 + signal.SIGINT
_TERMINATED = 128 + signal.SIGTERM


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the journey and give the exit code: 0, 1 if an expectation does not hold, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="do not destroy, and leave the account running")
    keep: bool = parser.parse_args(arguments).keep
    report = Report(Console(record=True, highlight=False))
    try:
        with _kept_account() if keep else LocalCloud() as cloud:
            report.opening(cloud.endpoint_url)
            driver = Driver(cloud, CdkCli(cloud), report)
            succeeded = Journey(driver).run(STEPS_THAT_KEEP if keep else STEPS)
            if keep:
                report.kept()
    except KeyboardInterrupt:
        report.failure("interrupted")
        return _INTERRUPTED
    except (LocalCloudError, FileNotFoundError) as error:
        report.failure(str(error))
        return 1
    return 0 if succeeded else 1


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
