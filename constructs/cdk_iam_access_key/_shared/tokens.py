"""Whether a text is known yet, and what it stands for if it is not."""

from functools import lru_cache
from typing import cast

from aws_cdk import Reference, Token, Tokenization
from constructs import IConstruct


@lru_cache(maxsize=4096)
def is_token(text: str) -> bool:
    """Tell whether a text has a token in it. Only one that may have one is worth a call into the CDK, once."""
    return "${" in text and Token.is_unresolved(text)


def referenced(text: str) -> IConstruct | None:
    """Return the construct of the app that a text refers to, if it is one reference and nothing else."""
    if not is_token(text):
        return None
    fragments = Tokenization.reverse_string(text)
    token = fragments.first_token if fragments.length == 1 else None
    if token is None or not Reference.is_reference(token):
        return None
    return cast("Reference", token).target
