"""STS: sessions of root users."""

from local_cloud.patches.sts import (
    assume_root,
    root_sessions,
)


def apply() -> None:
    """Apply every patch of this service."""
    assume_root.apply()
    root_sessions.apply()
