"""Checks of what an app passes in, whatever construct it is for."""


def check_kind(name: str, value: object, kind: type, choices: str) -> None:
    """Refuse a value that is none of an enumeration."""
    if not isinstance(value, kind):
        raise ValueError(f"{name} must be {choices}, got {shown(value)}; pass one of them")  # noqa: TRY004


def shown(value: object) -> str:
    """Show a value in a message, or of an object only what kind it is."""
    kind = type(value).__name__
    return f"{value!r} ({kind})" if isinstance(value, str | int | float | None) else f"an object of {kind}"
