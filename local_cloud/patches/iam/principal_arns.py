"""The condition key `aws:PrincipalArn`: of a session it is the ARN of the role behind it, path included.

ministack gives the ARN of the session, which a condition on the role never matches.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn
"""

from __future__ import annotations

import re
from typing import Any

from ministack.core import iam_evaluator
from ministack.services import iam

from local_cloud.replacing import Function, replace_function

_SESSION = re.compile(r"arn:aws:sts::(\d{12}):assumed-role/([^/]+)/.+")


def apply() -> None:
    """Name the role where a session is the principal."""
    replace_function(iam_evaluator, "_resolve_condition_key", "key ctx", _of_the_role)


def _of_the_role(original: Function) -> Function:
    def resolve_condition_key(key: str, ctx: Any) -> Any:
        session = _SESSION.fullmatch(ctx.principal_arn or "") if key.lower() == "aws:principalarn" else None
        role = session and iam._roles.get_scoped(session[1], None, session[2])
        return role["Arn"] if role else original(key, ctx)

    return resolve_condition_key
