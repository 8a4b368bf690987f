"""What becomes of the previous key, as properties of the custom resource."""

from dataclasses import dataclass

from aws_cdk import Duration

from cdk_iam_access_key._shared.durations import DAY, HOUR, checked_seconds, in_words
from cdk_iam_access_key.on_key_limit import OnKeyLimit

_DEFAULT_RETENTION = 7 * DAY
_LONGEST_GRACE = 90 * DAY
_LONGEST_RETENTION = 365 * DAY
_LONGEST_WAIT = 365 * DAY
# As long as a deployment may take that is to deactivate the previous key by itself.
_DEPLOYMENT = DAY
_LONGEST_PAUSE = DAY


@dataclass(frozen=True, slots=True)
class Retirement:
    """The rules of retirement, checked.

    Attributes:
        grace: How long the previous key stays Active, in seconds.
        unused_for: For how long it must then be unused, in seconds; None if only uses since the switch count.
        properties: What the provider gets.
    """

    grace: int
    unused_for: int | None
    properties: dict[str, str]

    @classmethod
    def of(
        cls,
        *,
        grace_period: Duration | None,
        retention_period: Duration | None,
        retire_when_unused_for: Duration | None,
        overdue_after: Duration | None,
        on_key_limit: OnKeyLimit,
    ) -> "Retirement":
        """Check the rules.

        Raises:
            ValueError: One of them can't work, or not with the others.
        """
        grace = HOUR if grace_period is None else _checked_grace(grace_period)
        retention = (
            _DEFAULT_RETENTION
            if retention_period is None
            else checked_seconds("retention_period", retention_period, minimum=HOUR, maximum=_LONGEST_RETENTION)
        )
        properties = {"GracePeriod": str(grace), "RetentionPeriod": str(retention)}
        unused: int | None = None
        _check_gate_can_work(grace, retire_when_unused_for=retire_when_unused_for, overdue_after=overdue_after)
        if retire_when_unused_for is not None:
            # IAM's record of a key's last use lags behind.
            unused = checked_seconds(
                "retire_when_unused_for", retire_when_unused_for, minimum=HOUR, maximum=_LONGEST_WAIT
            )
            properties["RetireWhenUnusedFor"] = str(unused)
        if overdue_after is not None:
            overdue = checked_seconds("overdue_after", overdue_after, maximum=_LONGEST_WAIT)
            if overdue <= grace:
                raise ValueError(
                    f"overdue_after must be longer than grace_period, got {in_words(overdue)} and {in_words(grace)}; "
                    "nothing can be overdue before the grace period is over"
                )
            properties["OverdueAfter"] = str(overdue)
        return cls(grace, unused, properties | _on_key_limit(on_key_limit))

    def checked_within(self, within: Duration) -> int:
        """Return how long after the switch consumers are waited for, in seconds.

        Raises:
            ValueError: There is no grace period in which they could acknowledge, or the time is not longer than
                it, or is more than 365 days.
        """
        if not self.grace:
            raise ValueError(
                "wait_for_consumers must come with a grace_period of a minute or more, got 0: the previous key is "
                "deactivated in the deployment that rotates; set grace_period"
            )
        seconds = checked_seconds("within", within, maximum=_LONGEST_WAIT)
        if seconds <= self.grace:
            raise ValueError(
                f"within must be longer than grace_period, got {in_words(seconds)} and {in_words(self.grace)}; until "
                "that is over the previous key stays Active anyway"
            )
        return seconds

    def longest(self, sweep: int, *, deferred: bool = False, within: int = 0) -> dict[str, int]:
        """List for how long the previous key may stay Active after the switch, in seconds, if it is unused after that.

        A key that is used longer is postponed for as long as it is used, and one whose consumers take longer than
        `within` for as long as they do, unless it is to be retired then.
        """
        active = max(self.grace, _DEPLOYMENT) if deferred else self.grace
        if not active:
            return {}
        unused = self.unused_for or max(active, HOUR)
        return {
            "until a deployment that has not come to cut_over_after is given up"
            if deferred
            else "of grace_period": active,
            (
                "of retire_when_unused_for after a use at its end"
                if self.unused_for
                else "in which it must be unused after that (retire_when_unused_for, which is left out)"
            ): unused,
            "until it is checked again": min(2 * unused, _LONGEST_PAUSE),
            **({"in which consumers acknowledge (wait_for_consumers)": within - active} if within > active else {}),
            "until the next sweep (sweep_every)": sweep,
        }


def _checked_grace(grace_period: Duration) -> int:
    if isinstance(grace_period, Duration) and not grace_period.is_unresolved():
        nothing = grace_period.to_seconds(integral=False) == 0
    else:
        nothing = False
    return 0 if nothing else checked_seconds("grace_period", grace_period, maximum=_LONGEST_GRACE)


def _check_gate_can_work(grace: int, **gate: Duration | None) -> None:
    given = [name for name, value in gate.items() if value is not None]
    if given and not grace:
        raise ValueError(
            f"{given[0]} must come with a grace_period of a minute or more, got 0: the previous key is deactivated in "
            "the deployment that rotates, in use or not; set grace_period, or leave it out"
        )


def _on_key_limit(choice: OnKeyLimit) -> dict[str, str]:
    if not isinstance(choice, OnKeyLimit):
        raise ValueError(  # noqa: TRY004 - one kind of error at synth
            f"on_key_limit must be an OnKeyLimit, got an object of {type(choice).__name__}; pass OnKeyLimit.FAIL, "
            "OnKeyLimit.RETIRE_PREVIOUS or OnKeyLimit.remove_unused()"
        )
    properties = {"OnKeyLimit": choice.kind}
    if choice.seconds is not None:
        properties["RemoveUnusedAfter"] = str(choice.seconds)
    return properties
