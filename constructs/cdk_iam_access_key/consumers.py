"""Choices for the consumers of a key."""

from enum import Enum


class OnOverdue(Enum):
    """What becomes of the previous key when a consumer has not acknowledged the current one in time.

    - `KEEP`, the default: it stays Active, and Access Key Retirement Overdue is sent daily.
    - `RETIRE`: it waits for them no longer, and Access Key Retirement Overdue is sent once. It still waits until it is
      unused, and for required deliveries.
    """

    KEEP = "Keep"
    RETIRE = "Retire"


class DeliveryPhase(Enum):
    """When a function brings a new key to its consumer.

    - `BEFORE_PUBLISHING`, the default: once the key is proven and stored, before readers of the secret get it.
    - `AFTER_PUBLISHING`: once readers of the secret get it.
    """

    BEFORE_PUBLISHING = "BeforePublishing"
    AFTER_PUBLISHING = "AfterPublishing"
