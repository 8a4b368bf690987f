"""What the role of one key may do: manage the keys of one user, and write one secret.

Policies are plain documents here: a key's role costs one call into the CDK that way.
"""

from typing import Any

_USER_ACTIONS = [
    "iam:CreateAccessKey",
    "iam:DeleteAccessKey",
    "iam:GetAccessKeyLastUsed",
    "iam:ListAccessKeys",
    "iam:ListUserTags",
    "iam:UpdateAccessKey",
]
_USER_TAG_ACTIONS = ["iam:TagUser", "iam:UntagUser"]
# A key's description, which the IAM console shows. Other tags may decide what the user has access to.
_DESCRIPTIONS = "AKIA*"
# The value of a secret is never read.
SECRET_ACTIONS = [
    "secretsmanager:DescribeSecret",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecretVersionStage",
]
# What Secrets Manager asks for to write a value: a data key, and to check it.
KMS_ACTIONS = ["kms:Decrypt", "kms:GenerateDataKey"]

Statement = dict[str, Any]


def document(*statements: Statement) -> dict[str, Any]:
    """Write a policy."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def on_keys(user_arn: str, secret_arn: str) -> list[Statement]:
    """Allow to manage the keys of a user and the secret that holds them."""
    return [
        allow(_USER_ACTIONS, user_arn),
        allow(
            _USER_TAG_ACTIONS,
            user_arn,
            {"ForAllValues:StringLike": {"aws:TagKeys": _DESCRIPTIONS}, "Null": {"aws:TagKeys": "false"}},
        ),
        allow(SECRET_ACTIONS, secret_arn),
    ]


def on_encryption_key(key_arn: str, secret_arn: str, secrets_manager: dict[str, list[str]]) -> Statement:
    """Allow to use the KMS key of a secret, through Secrets Manager and for that secret only."""
    return allow(
        # Not `key.grant`: it would name this role in the KMS key's policy, on which the secret depends, on which this
        # role depends.
        KMS_ACTIONS,
        key_arn,
        {"StringEquals": {**secrets_manager, "kms:EncryptionContext:SecretARN": secret_arn}},
    )


def trust(account_principal: str, provider_role_arn: str) -> dict[str, Any]:
    """Let a provider assume a role, also one whose role was created a moment ago or is created anew.

    IAM refuses a principal that it can't find yet, and ties a trust to the very role that it found.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    """
    return document(
        {
            "Effect": "Allow",
            "Principal": {"AWS": account_principal},
            "Action": "sts:AssumeRole",
            "Condition": {"ArnEquals": {"aws:PrincipalArn": provider_role_arn}},
        }
    )


def allow(actions: list[str], resource: str | list[str], condition: dict[str, Any] | None = None) -> Statement:
    """Allow actions on a resource, under a condition."""
    statement: Statement = {"Effect": "Allow", "Action": actions, "Resource": resource}
    return statement if condition is None else {**statement, "Condition": condition}
