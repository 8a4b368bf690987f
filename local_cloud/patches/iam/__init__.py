"""IAM: access keys, the resources and tags that policies are evaluated against, boundaries, root users."""

from local_cloud.patches.iam import (
    access_key_resources,
    access_keys,
    inline_policies,
    last_use,
    new_keys,
    principal_arns,
    resource_arns,
    resource_tags,
    role_boundaries,
    root_features,
    root_keys,
)


def apply() -> None:
    """Apply every patch of this service."""
    access_keys.apply()
    access_key_resources.apply()
    new_keys.apply()
    last_use.apply()
    principal_arns.apply()
    resource_arns.apply()
    resource_tags.apply()
    role_boundaries.apply()
    inline_policies.apply()
    root_features.apply()
    root_keys.apply()
