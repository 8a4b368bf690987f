"""Step Functions: what an execution may do."""

from local_cloud.patches.states import (
    execution_roles,
    object_tasks,
)


def apply() -> None:
    """Apply every patch of this service."""
    execution_roles.apply()
    object_tasks.apply()
