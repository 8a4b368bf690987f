"""The role of one key.

CloudFormation changes policies before it has the old key deleted, so another user or secret needs another role: the old
one keeps its rights until the Delete that needs them is over. What tells roles apart are the names of the user and the
secret in the role's path, because a change of the path replaces the role. They are the names that CloudFormation finds
when it deploys: whoever gave them, an app, an aspect, an override or a parameter, and whenever.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-role.html
"""

from typing import Any

from aws_cdk import Aws, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk_iam_access_key._access_key import permissions
from cdk_iam_access_key._shared.permissions import through
from cdk_iam_access_key._shared.tokens import is_token
from cdk_iam_access_key._shared.validation import check_encryption_key
from cdk_iam_access_key.access_key_provider import AccessKeyProvider

_NAME_IN_ARN = 6
_ACCOUNT = f"arn:{Aws.PARTITION}:iam::{Aws.ACCOUNT_ID}:root"


def define_role(
    key: Construct,
    provider: AccessKeyProvider,
    user: tuple[str, str],
    secret_arn: str,
    encryption_key: kms.IKey | None,
) -> iam.CfnRole:
    """Define the role for the keys of a user, known by its name and ARN, in this secret."""
    user_name, user_arn = user
    statements = permissions.on_keys(user_arn, secret_arn)
    if encryption_key is not None:
        check_encryption_key("encryption_key", encryption_key)
        secrets_manager = through(Stack.of(key), "secretsmanager")
        statements.append(permissions.on_encryption_key(encryption_key.key_arn, secret_arn, secrets_manager))
    role = iam.CfnRole(
        key,
        "Role",
        description="Manages the access keys of one IAM user and the secret that holds them",
        assume_role_policy_document=permissions.trust(_ACCOUNT, provider.role_arn),
        # Inline, so that a key costs one resource for its permissions and waits for them.
        policies=[
            iam.CfnRole.PolicyProperty(policy_name="AccessKey", policy_document=permissions.document(*statements))
        ],
    )
    # An override, which an aspect that gives all roles a path does not take away.
    role.add_property_override("Path", _joined("", [provider.role_path, user_name, "/", _name(secret_arn), "/"]))
    return role


def _name(secret_arn: str) -> Any:
    """Return a secret's name with its suffix, without the slashes of which a path must not have two together."""
    if not is_token(secret_arn):
        return secret_arn.split(":")[_NAME_IN_ARN].replace("/", "-")
    name = {"Fn::Select": [_NAME_IN_ARN, {"Fn::Split": [":", secret_arn]}]}
    return _joined("-", {"Fn::Split": ["/", name]})


def _joined(separator: str, parts: Any) -> dict[str, Any]:
    return {"Fn::Join": [separator, parts]}
