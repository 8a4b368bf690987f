"""Whether a text is known yet."""

from aws_cdk import Token


def is_token(text: str) -> bool:
    """Tell whether a text has a token in it. Only one that may have a token is worth a call into the CDK."""
    return "${" in text and Token.is_unresolved(text)
