"""Checks of what an app passes in, whatever construct it is for."""

from typing import Any

from aws_cdk import Token
from aws_cdk import aws_kms as kms


def check_kind(name: str, value: object, kind: type, choices: str) -> None:
    """Refuse a value that is none of an enumeration."""
    if not isinstance(value, kind):
        raise ValueError(f"{name} must be {choices}, got {shown(value)}; pass one of them")  # noqa: TRY004


def check_whole_number(name: str, value: Any, *, minimum: int, maximum: int) -> None:
    """Refuse what is no whole number within bounds. A token has no value to check yet."""
    if Token.is_unresolved(value):
        return
    if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value <= maximum:
        raise ValueError(
            f"{name} must be a whole number from {minimum:,} to {maximum:,}, got {shown(value)}; change it"
        )


def check_encryption_key(name: str, key: Any) -> None:
    """Refuse what is no KMS key, and an alias, which no policy can name in place of its key."""
    if not hasattr(key, "key_arn"):
        raise ValueError(f"{name} must be a kms.IKey, got {shown(key)}; import one with kms.Key.from_key_arn")
    if isinstance(key, kms.Alias) or ":alias/" in key.key_arn:
        raise ValueError(
            f"{name} must be a key, got the alias {key.node.path}; no policy can name an alias, so pass its key, "
            "imported e.g. with kms.Key.from_key_arn"
        )


def shown(value: object) -> str:
    """Show a value in a message, or of an object only what kind it is."""
    kind = type(value).__name__
    return f"{value!r} ({kind})" if isinstance(value, str | int | float | None) else f"an object of {kind}"
