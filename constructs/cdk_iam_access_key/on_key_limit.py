"""What may be removed when the user has no free key slot."""

from dataclasses import dataclass
from typing import ClassVar

from aws_cdk import Duration

from cdk_iam_access_key._shared.durations import DAY, checked_seconds

_LONGEST = 3650 * DAY


@dataclass(frozen=True, slots=True)
class OnKeyLimit:
    """Choose what a rotation may remove when the user has two access keys, as many as IAM allows.

    Whatever is chosen, a slot is freed first by what nobody can use any more: a previous key of this construct that is
    Inactive, or whose grace period is over and that was not used since and is kept for no consumer, and one of a
    rotation that was never finished.

    - `FAIL`: nothing else. The rotation fails before anything is written, and names each key, its status, age and last
      use.
    - `RETIRE_PREVIOUS`: also the previous key of this construct although its grace period is not over, it is still
      used, or a consumer may not have the current one yet. It is deactivated, then deleted. No key of anybody else.
    - `OnKeyLimit.remove_unused(older_than=…)`: also an unmanaged key, which this construct did not create, but only one
      that is Inactive, was created longer ago than that, and was never used as far as IAM knows.

    Args:
        kind: Use the constants and `remove_unused`.
        seconds: Use `remove_unused`.
    """

    FAIL: ClassVar["OnKeyLimit"]
    RETIRE_PREVIOUS: ClassVar["OnKeyLimit"]

    kind: str
    seconds: int | None = None

    @classmethod
    def remove_unused(cls, *, older_than: Duration | None = None) -> "OnKeyLimit":
        """Let an unmanaged key go that is Inactive, was never used, and is older than that: 90 days if left out.

        Raises:
            ValueError: The age is less than a day.
        """
        age = Duration.days(90) if older_than is None else older_than
        return cls("RemoveUnused", checked_seconds("older_than", age, minimum=DAY, maximum=_LONGEST))


OnKeyLimit.FAIL = OnKeyLimit("Fail")
OnKeyLimit.RETIRE_PREVIOUS = OnKeyLimit("RetirePrevious")
