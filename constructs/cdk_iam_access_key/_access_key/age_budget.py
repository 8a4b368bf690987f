"""How old an Active key may become, if its rotations succeed and its consumers move within the grace period.

AWS Config and the CIS benchmark judge every Active key by its age, so the previous key in its grace period too.
https://docs.aws.amazon.com/config/latest/developerguide/access-keys-rotated.html
"""

from aws_cdk import Duration

from cdk_iam_access_key._access_key.retirement import Retirement
from cdk_iam_access_key._access_key.rotation import Rotation
from cdk_iam_access_key._shared.durations import HOUR, in_words

# The four steps of a rotation with their retries.
_ROTATION = HOUR


def check_age(
    rotation: Rotation, retirement: Retirement, sweep: int, *, deferred: bool = False, within: int = 0
) -> None:
    """Refuse a key that may be Active longer than it is allowed to.

    Args:
        rotation: When the key is rotated, and how old it may become.
        retirement: What becomes of the previous key.
        sweep: How often the provider does what is due, in seconds.
        deferred: Whether consumers decide when a deployment deactivates the previous key.
        within: How long after the switch consumers are waited for, in seconds.

    Raises:
        ValueError: The key is not rotated by a schedule, or what its schedule and its retirement take is too long.
    """
    if rotation.max_active_age is None or rotation.inactive:
        return
    allowed = in_words(rotation.max_active_age)
    if rotation.rules is None:
        raise ValueError(
            f"max_active_age must come with rotation_schedule or automatically_after, got {allowed} alone: a key that "
            "only a new serial rotates becomes as old as you let it; add a schedule, or leave max_active_age out"
        )
    parts = {
        f"between two rotations by {rotation.given}": rotation.rules.farthest,
        "until a window closes, within which Secrets Manager rotates": rotation.rules.open_for,
        "for the rotation itself": _ROTATION,
        **retirement.longest(sweep, deferred=deferred, within=within),
    }
    total = sum(parts.values())
    if total > rotation.max_active_age:
        listed = "; ".join(f"{in_words(seconds)} {what}" for what, seconds in parts.items())
        # Not written to the minute: whole hours, rounded up.
        whole = Duration.hours(-(-total // HOUR)).to_human_string()
        over = Duration.hours(-(-(total - rotation.max_active_age) // HOUR)).to_human_string()
        raise ValueError(
            f"max_active_age must be at least {whole}, got {allowed}, because a key can be Active that long: {listed}; "
            f"shorten these by {over} together, most simply by rotating more often"
        )
