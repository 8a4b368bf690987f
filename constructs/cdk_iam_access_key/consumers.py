"""What is decided for the consumers of a key."""

from enum import Enum


class OnOverdue(Enum):
    """What becomes of the previous key when a consumer has not acknowledged the current one in time.

    - `KEEP`: it stays Active, which is reported daily as overdue.
    - `RETIRE`: it is retired all the same, which is reported once.
    """

    KEEP = "Keep"
    RETIRE = "Retire"


class DeliveryPhase(Enum):
    """When a function brings a new key to its consumer.

    - `BEFORE_PUBLISHING`: once the key is proven and stored, before readers of the secret get it.
    - `AFTER_PUBLISHING`: once readers of the secret get it.
    """

    BEFORE_PUBLISHING = "BeforePublishing"
    AFTER_PUBLISHING = "AfterPublishing"
