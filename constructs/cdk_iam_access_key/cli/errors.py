"""Why an operator's command ends without having done anything."""


class RefusedError(Exception):
    """What was asked for can't be done; the message says why."""
