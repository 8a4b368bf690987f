"""The role of one key."""

import hashlib

from aws_cdk import Fn, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk_iam_access_key._access_key import permissions
from cdk_iam_access_key._access_key.identity import Identity, schedule_name
from cdk_iam_access_key._access_key.validation import check_encryption_key, checked_secret_arn
from cdk_iam_access_key.access_key_provider import AccessKeyProvider


def define_role(
    key: Construct,
    provider: AccessKeyProvider,
    user: iam.IUser,
    secret: secretsmanager.ISecret,
    place: tuple[Identity, Identity],
) -> iam.Role:
    """Define the role for the keys of this user in this secret.

    CloudFormation changes policies before it has the old key deleted, so another user or secret needs another role: the
    old one keeps its rights until the Delete that needs them is over.
    """
    of_user, of_secret = place
    secret_arn = checked_secret_arn(Stack.of(key), secret)
    digest = hashlib.sha256(f"{of_user.template}\n{of_secret.template}".encode()).hexdigest()[:12]
    path = provider.role_path
    # What only the deployment knows can't be in the digest. In the path it does the same, because a change of a role's
    # path replaces the role.
    if of_user.deploy_time:
        path += f"{user.user_name}/"
    if of_secret.deploy_time:
        path += f"{Fn.select(6, Fn.split(':', secret_arn))}/"
    statements = [
        *permissions.on_keys(user.user_arn, secret_arn),
        *permissions.on_schedules(Stack.of(key), provider, schedule_name(key)),
    ]
    if secret.encryption_key is not None:
        check_encryption_key(secret.encryption_key)
        statements.append(permissions.on_encryption_key(Stack.of(key), secret.encryption_key, secret_arn))
    return iam.Role(
        key,
        f"Role{digest}",
        path=path,
        assumed_by=iam.ArnPrincipal(provider.role.role_arn),
        description="Manages the access keys of one IAM user and the secret that holds them",
        # Inline, so that a key costs one resource for its permissions and waits for them.
        inline_policies={"AccessKey": iam.PolicyDocument(statements=statements)},
    )
