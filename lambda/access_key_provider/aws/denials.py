"""Who denies a call, as far as AWS says so, and what to ask oneself if it does not."""

from __future__ import annotations

from lambda_shared.errors import AccessDeniedError, CallError, in_other_words

# https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
_WHO = {
    "service control policy": "by a service control policy: ask who manages the organization",
    "resource control policy": "by a resource control policy: ask who manages the organization",
    "permissions boundary": "by the permissions boundary of the key's role",
    "VPC endpoint policy": "by the policy of a VPC endpoint",
    "session policy": "by a session policy",
    "resource-based policy": "by the policy of the resource",
    "KMS": "by KMS: is the key of the secret enabled, and does its policy let the key's role use it?",
}
_LONGEST_QUOTE = 300


def explained(error: CallError, service: str, resource: str, question: str) -> CallError:
    """Say of a denied call what was asked of which resource, who denies it, and what may be the reason.

    Args:
        error: how AWS refused the call; one that is not about permissions is returned as it is.
        service: the prefix of the action.
        resource: what the call was about.
        question: what to ask oneself where no policy is named.
    """
    if not isinstance(error, AccessDeniedError):
        return error
    action, _, said = str(error).partition(": ")
    who = next((f" {who}" for name, who in _WHO.items() if name in said), f": {question}")
    quoted = said if len(said) <= _LONGEST_QUOTE else f"{said[:_LONGEST_QUOTE]}…"
    denied = AccessDeniedError(f"{service}:{action} on {resource} was denied{who}. AWS says: {quoted}", error.code)
    return in_other_words(error, denied)
