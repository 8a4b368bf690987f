"""DynamoDB: the settings of a table in a template."""

from local_cloud.patches.dynamodb import table_settings


def apply() -> None:
    """Apply every patch of this service."""
    table_settings.apply()
