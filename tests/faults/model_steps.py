"""What may happen in a random life: a deployment with what goes wrong on the way, or something else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fakes.calls import Call
    from fakes.faults import Fault, Phase
    from fakes.lags import Lag


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault, which the first call from `index` on meets that can, and as many after it as `times` says."""

    fault: Fault
    phase: Phase
    index: int
    times: int

    def matches(self, call: Call) -> bool:
        """Tell whether a call meets it."""
        return call.index >= self.index and self.fault.applies_to(call)


@dataclass(frozen=True, slots=True)
class Act:
    """Something that happens to a key that is kept, besides its deployments.

    Attributes:
        kind: what, a method of `LongLife`.
        choice: which of several ways.
        trouble: what goes wrong.
        lags: what is seen late, and how late.
    """

    kind: str
    choice: int = 0
    trouble: Trouble | None = None
    lags: tuple[tuple[str, Lag], ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One deployment, and what happens on the way.

    Attributes:
        change: what the template says anew.
        hand: what a person does before.
        trouble: what goes wrong.
        undone: whether a sibling fails afterwards, so that all is rolled back.
        again: whether the request comes again at once.
        again_later: whether it comes again when all is settled.
        guest: whether a person makes a key, and uses it, before the request comes again or is rolled back.
        late: which earlier request comes once more in the end, counted from the newest.
        lags: what is seen late in this step, and how late.
        rejections: how many calls with a new key are refused.
        trouble_later: what goes wrong with the request that comes after: the redelivery, the rollback or the clean-up.
        meanwhile: what else happens before the request comes again or is rolled back, to a key that is kept.
    """

    change: str
    hand: str | None = None
    trouble: Trouble | None = None
    undone: bool = False
    again: bool = False
    again_later: bool = False
    guest: bool = False
    late: int | None = None
    lags: tuple[tuple[str, Lag], ...] = ()
    rejections: int = 0
    trouble_later: Trouble | None = None
    meanwhile: tuple[Act, ...] = ()
