"""An IAM access key whose secret goes straight into Secrets Manager."""

import hashlib
from typing import cast

from aws_cdk import CustomResource, Fn, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk_iam_access_key import _validation as validation
from cdk_iam_access_key._declared import DeclaredKeys
from cdk_iam_access_key._identity import Identity, identify
from cdk_iam_access_key.provider import AccessKeyProvider

_USER_ACTIONS = [
    "iam:CreateAccessKey",
    "iam:DeleteAccessKey",
    "iam:GetAccessKeyLastUsed",
    "iam:ListAccessKeys",
    "iam:ListUserTags",
    "iam:UpdateAccessKey",
]
_USER_TAG_ACTIONS = ["iam:TagUser", "iam:UntagUser"]
# The value of a secret is never read.
_SECRET_ACTIONS = [
    "secretsmanager:DescribeSecret",
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecretVersionStage",
]
_SECRET_TAG_ACTIONS = ["secretsmanager:TagResource", "secretsmanager:UntagResource"]
# The provider's own records. Other tags may decide what the user or the secret has access to.
_RECORDS = ["cdk-iam-access-key:*"]
_USER_RECORDS = ["AKIA*", *_RECORDS]
# What Secrets Manager asks for to write a value: a data key, and to check it.
_KEY_ACTIONS = ["kms:Decrypt", "kms:GenerateDataKey"]


class AccessKey(Construct):
    """Define an access key of an IAM user, and the secret that holds it as `accessKeyId` and `secretAccessKey`.

    A change of `serial` rotates: a new key is created, proven and published as the secret's current version, then
    the previous one is deactivated. A change of `user` or `secret` is another key at another place. Removing the
    construct deactivates and deletes the key.

    A key adds three resources to the stack: the secret, a role for what concerns this user and this secret, and
    `Custom::IAMAccessKey`. With a secret passed in it adds two.

    A resource that can't read Secrets Manager itself gets the key as a dynamic reference. With the version in it,
    the resource waits for the key and follows each rotation:

        SecretValue.secrets_manager(
            key.secret.secret_arn, json_field="secretAccessKey", version_id=key.secret_version_id
        )

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html

    Args:
        scope: Where it is defined.
        id: Its id there.
        user: The user that gets the key, of the stack's account. A user with a path is imported by its ARN.
        serial: Any change of it rotates the key; `1` and `"1"` are the same. At most 128 characters.
        status: Whether the key may be used. A change takes seconds and does not rotate.
        secret: A secret to write the key to, known by its complete ARN and in the stack's region and account.
            Import one that is encrypted with a KMS key of yours with `from_secret_attributes`, which takes that
            key too. Defines one if left out.
        secret_name: The name of the secret that is defined. A change replaces the secret and the key. Generated
            if left out.
        encryption_key: The KMS key of the secret that is defined. The key's role is allowed to use it; the policy
            of an imported KMS key must besides allow `kms:GenerateDataKey` and `kms:Decrypt` to the account, as
            KMS does by default, or to the roles under the provider's `role_path`. AWS's own key if left out.
        removal_policy: What becomes of the secret that is defined when it leaves the stack. It is deleted if left
            out: the key dies with this construct, and a secret that holds a dead key helps nobody.
        description: Shown beside the key in the IAM console. At most 233 letters, digits, spaces and `_.:/=+-@`.
        provider: The function to use. The stack's own, shared by its keys, if left out.

    Attributes:
        user: The user that the key belongs to.
        secret: The secret that holds the key. It is empty until the provider has written a key to it.
        access_key_id: The id of the current key, a token.
        secret_version_id: The version of the secret that holds the current key, a token.
        status: `Active` or `Inactive`, a token: what the provider has set, so whoever reads it waits for that.

    Raises:
        ValueError: A property has a value that can't work, or another key of the app is in the way.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - the CDK's word
        *,
        user: iam.IUser,
        serial: int | str = 1,
        status: iam.AccessKeyStatus = iam.AccessKeyStatus.ACTIVE,
        secret: secretsmanager.ISecret | None = None,
        secret_name: str | None = None,
        encryption_key: kms.IKey | None = None,
        removal_policy: RemovalPolicy | None = None,
        description: str | None = None,
        provider: AccessKeyProvider | None = None,
    ) -> None:
        super().__init__(scope, id)
        stack = Stack.of(self)
        validation.check_user(stack, user)
        properties = {
            "Serial": validation.checked_serial(serial),
            "Status": validation.checked_status(status),
        }
        if description is not None:
            properties["Description"] = validation.checked_description(description)
        self.user = user
        if secret is None:
            self.secret: secretsmanager.ISecret = self._define_secret(secret_name, encryption_key, removal_policy)
        else:
            validation.check_no_properties_of_secret(
                secret_name=secret_name, encryption_key=encryption_key, removal_policy=removal_policy
            )
            self.secret = secret
        self._secret_arn = validation.checked_secret_arn(stack, self.secret)
        user_identity = identify(stack, user.user_name)
        secret_identity = identify(stack, self._secret_arn)
        validation.check_no_root(user, user_identity)
        DeclaredKeys.of(self).add(self, user_identity, secret_identity)

        self._provider = self._checked_provider(provider)
        role = self._define_role(user_identity, secret_identity)
        key = self._define_key(properties, role)
        self.access_key_id = key.get_att_string("AccessKeyId")
        self.secret_version_id = key.get_att_string("SecretVersionId")
        self.status = key.get_att_string("Status")

    def grant_read(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow `grantee` to read the secret, and to decrypt it if it has a KMS key of its own."""
        return self.secret.grant_read(grantee)

    def _checked_provider(self, provider: AccessKeyProvider | None) -> AccessKeyProvider:
        if provider is None:
            return AccessKeyProvider.get_or_create(self)
        if isinstance(provider, AccessKeyProvider):
            validation.check_provider_place(Stack.of(self), provider)
            return provider
        raise ValueError(
            f"provider must be an AccessKeyProvider, got an object of {type(provider).__name__}; "
            "leave it out, and the stack gets its own"
        )

    def _define_secret(
        self, name: str | None, encryption_key: kms.IKey | None, removal_policy: RemovalPolicy | None
    ) -> secretsmanager.Secret:
        secret = secretsmanager.Secret(
            self,
            "Secret",
            secret_name=name,
            description=f"Access key of the IAM user {self.user.user_name}",
            encryption_key=encryption_key,
            removal_policy=removal_policy or RemovalPolicy.DESTROY,
        )
        resource = cast("secretsmanager.CfnSecret", secret.node.default_child)
        # Without this it would start with a random password, which a reader could take for a key.
        resource.generate_secret_string = None
        return secret

    def _define_key(self, properties: dict[str, str], role: iam.Role) -> CustomResource:
        key = CustomResource(
            self,
            "Resource",
            resource_type="Custom::IAMAccessKey",
            service_token=self._provider.function.function_arn,
            service_timeout=self._provider.service_timeout,
            properties={
                "UserName": self.user.user_name,
                "SecretArn": self._secret_arn,
                "RoleArn": role.role_arn,
                **properties,
            },
        )
        # The service token alone would let the function's role and the settings of its retries go before the key
        # is deleted.
        key.node.add_dependency(self._provider)
        return key

    def _define_role(self, user: Identity, secret: Identity) -> iam.Role:
        # CloudFormation changes policies before it has the old key deleted, so another user or secret needs
        # another role: the old one keeps its rights until the Delete that needs them is over.
        digest = hashlib.sha256(f"{user.template}\n{secret.template}".encode()).hexdigest()[:12]
        path = self._provider.role_path
        # What only the deployment knows can't be in the digest. In the path it does the same, because a change of
        # a role's path replaces the role.
        if user.deploy_time:
            path += f"{self.user.user_name}/"
        if secret.deploy_time:
            path += f"{Fn.select(6, Fn.split(':', self._secret_arn))}/"
        return iam.Role(
            self,
            f"Role{digest}",
            path=path,
            assumed_by=iam.ArnPrincipal(self._provider.role.role_arn),
            description="Manages the access keys of one IAM user and the secret that holds them",
            # Inline, so that a key costs one resource for its permissions and waits for them.
            inline_policies={"AccessKey": iam.PolicyDocument(statements=self._statements())},
        )

    def _statements(self) -> list[iam.PolicyStatement]:
        statements = [
            iam.PolicyStatement(actions=_USER_ACTIONS, resources=[self.user.user_arn]),
            _tagging(_USER_TAG_ACTIONS, self.user.user_arn, _USER_RECORDS),
            iam.PolicyStatement(actions=_SECRET_ACTIONS, resources=[self._secret_arn]),
            _tagging(_SECRET_TAG_ACTIONS, self._secret_arn, _RECORDS),
        ]
        encryption_key = self.secret.encryption_key
        if encryption_key is not None:
            validation.check_encryption_key(encryption_key)
            stack = Stack.of(self)
            service = f"secretsmanager.{stack.region}.{stack.url_suffix}"
            statements.append(
                iam.PolicyStatement(
                    # Not `encryption_key.grant`: it would add a policy resource, and name this role in the key's
                    # policy, on which the secret depends, on which this role depends.
                    actions=_KEY_ACTIONS,
                    resources=[encryption_key.key_arn],
                    conditions={
                        "StringEquals": {
                            "kms:ViaService": service,
                            "kms:EncryptionContext:SecretARN": self._secret_arn,
                        }
                    },
                )
            )
        return statements


def _tagging(actions: list[str], arn: str, tags: list[str]) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        actions=actions,
        resources=[arn],
        conditions={"ForAllValues:StringLike": {"aws:TagKeys": tags}, "Null": {"aws:TagKeys": "false"}},
    )
