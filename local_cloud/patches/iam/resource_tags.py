"""Conditions on the tags of a secret, a user or a role, by the services' own keys.

`secretsmanager:ResourceTag/…` and `iam:ResourceTag/…` mean the same as `aws:ResourceTag/…`; ministack evaluates the
last only.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecretsmanager.html
"""

from __future__ import annotations

from typing import Any

from ministack.core import iam_evaluator
from ministack.services import tagging

from local_cloud.replacing import Function, replace_function

_PREFIXES = ("secretsmanager:resourcetag/", "iam:resourcetag/")


def apply() -> None:
    """Look the tag up that such a condition names."""
    replace_function(iam_evaluator, "_resolve_condition_key", "key ctx", _with_tags)


def _with_tags(original: Function) -> Function:
    def resolve_condition_key(key: str, ctx: Any) -> Any:
        if not key.lower().startswith(_PREFIXES):
            return original(key, ctx)
        wanted = key.partition("/")[2].lower()
        tags = tagging.resource_tags(ctx.resource_arn) or {}
        return next((value for name, value in tags.items() if name.lower() == wanted), None)

    return resolve_condition_key
