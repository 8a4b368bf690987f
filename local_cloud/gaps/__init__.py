"""Where ministack is not AWS, as far as it matters here: one module a gap, each says what AWS does.

They reach into ministack's insides. `replacing` makes an upgrade that moved them fail at the start.
"""

from local_cloud.gaps import (
    access_keys,
    alarm_events,
    assume_root,
    custom_resource_answers,
    event_conditions,
    event_targets,
    execution_roles,
    failed_creates,
    iam_resources,
    last_use,
    metric_conditions,
    missing_objects,
    new_keys,
    object_tasks,
    organization,
    organization_access,
    organization_lists,
    organization_policies,
    resource_tags,
    root_features,
    root_keys,
    root_sessions,
    rotation,
    rotation_resources,
    schedule_resources,
    schedules,
    secret_encryption,
    secret_resources,
    secret_versions,
    service_control_policies,
)


def close_all() -> None:
    """Close every gap in the ministack of this process."""
    access_keys.close()
    new_keys.close()
    last_use.close()
    iam_resources.close()
    secret_versions.close()
    secret_resources.close()
    custom_resource_answers.close()
    failed_creates.close()
    event_targets.close()
    schedules.close()
    schedule_resources.close()
    rotation.close()
    rotation_resources.close()
    alarm_events.close()
    event_conditions.close()
    metric_conditions.close()
    resource_tags.close()
    secret_encryption.close()
    organization.close()
    organization_lists.close()
    organization_access.close()
    root_features.close()
    root_keys.close()
    root_sessions.close()
    assume_root.close()
    organization_policies.close()
    service_control_policies.close()
    execution_roles.close()
    object_tasks.close()
    missing_objects.close()
