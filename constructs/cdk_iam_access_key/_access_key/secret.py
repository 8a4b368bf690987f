"""The secret that holds a key."""

from typing import cast

from aws_cdk import RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk_iam_access_key._access_key.validation import check_no_properties_of_secret


def given_or_defined(
    scope: Construct,
    user: iam.IUser,
    given: secretsmanager.ISecret | None,
    *,
    name: str | None,
    encryption_key: kms.IKey | None,
    removal_policy: RemovalPolicy | None,
) -> secretsmanager.ISecret:
    """Return the secret that is given, which has its own properties, or define an empty one."""
    if given is not None:
        check_no_properties_of_secret(secret_name=name, encryption_key=encryption_key, removal_policy=removal_policy)
        return given
    secret = secretsmanager.Secret(
        scope,
        "Secret",
        secret_name=name,
        description=f"Access key of the IAM user {user.user_name}",
        encryption_key=encryption_key,
        removal_policy=removal_policy or RemovalPolicy.DESTROY,
    )
    resource = cast("secretsmanager.CfnSecret", secret.node.default_child)
    # Without this it would start with a random password, which a reader could take for a key.
    resource.generate_secret_string = None
    return secret
