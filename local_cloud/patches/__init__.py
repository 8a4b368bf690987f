"""Where ministack is not AWS, as far as it matters here: a folder a service, a module a patch, each says what AWS does.

They reach into ministack's insides. `replacing` makes an upgrade that moved them fail at the start.
"""

from local_cloud.patches import (
    cloudformation,
    cloudwatch,
    dynamodb,
    events,
    functions,
    iam,
    organizations,
    s3,
    secretsmanager,
    states,
    sts,
)


def apply() -> None:
    """Apply every patch to the ministack of this process."""
    iam.apply()
    sts.apply()
    secretsmanager.apply()
    cloudformation.apply()
    functions.apply()
    events.apply()
    cloudwatch.apply()
    dynamodb.apply()
    organizations.apply()
    states.apply()
    s3.apply()
