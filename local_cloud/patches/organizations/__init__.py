"""Organizations: the account's organization, its lists, policies and trusted services."""

from local_cloud.patches.organizations import (
    access,
    lists,
    organization,
    policies,
    service_control_policies,
)


def apply() -> None:
    """Apply every patch of this service."""
    organization.apply()
    lists.apply()
    access.apply()
    policies.apply()
    service_control_policies.apply()
