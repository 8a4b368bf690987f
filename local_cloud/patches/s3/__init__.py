"""S3: who is told that an object is missing."""

from local_cloud.patches.s3 import (
    missing_objects,
)


def apply() -> None:
    """Apply every patch of this service."""
    missing_objects.apply()
