"""A fleet of 200 consumers through 90 days of rotations: with the client, and with plain credentials files.

In simulated time, by the client's own rules: what of their requests is refused, and what the client costs a host.
"""

from __future__ import annotations

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(_ROOT / part) for part in ("client", "tests", ".")]

from support.fleet import DAY, Fleet  # noqa: E402

_CONSUMERS, _DAYS, _SEED = 200, 90, 0


def main() -> None:
    """Let both fleets live, and print a line each."""
    print("fleet   rotations  undone  requests  refused  reads a host an hour  longest wait")
    for name, renews in (("client", True), ("files", False)):
        tally = Fleet(_CONSUMERS, _SEED, renews=renews).live(_DAYS)
        refused, reads = tally.refused / tally.requests, tally.reads / tally.host_days / 24
        print(
            f"{name:<6}{tally.rotations:>11}{tally.undone:>8}{tally.requests:>10}{refused:>9.2%}{reads:>22.2f}"
            f"{tally.slowest / DAY:>9.1f} days"
        )


if __name__ == "__main__":
    main()
