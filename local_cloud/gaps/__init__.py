"""Where ministack is not AWS, as far as it matters here: one module a gap, each says what AWS does.

They reach into ministack's insides. `replacing` makes an upgrade that moved them fail at the start.
"""

from local_cloud.gaps import (
    access_keys,
    custom_resource_answers,
    failed_creates,
    iam_resources,
    new_keys,
    secret_resources,
    secret_versions,
)


def close_all() -> None:
    """Close every gap in the ministack of this process."""
    access_keys.close()
    new_keys.close()
    iam_resources.close()
    secret_versions.close()
    secret_resources.close()
    custom_resource_answers.close()
    failed_creates.close()
