"""Lambda: how often functions ran."""

from local_cloud.patches.functions import invocations


def apply() -> None:
    """Apply every patch of this service."""
    invocations.apply()
