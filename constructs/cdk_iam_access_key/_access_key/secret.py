"""The secret that holds a key, as its readers see it."""

from collections.abc import Sequence
from typing import Any, NoReturn, cast

import jsii
from aws_cdk import CfnResource, RemovalPolicy, Resource, SecretValue, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct, Dependable, IConstruct

from cdk_iam_access_key._access_key.declared_keys import Home
from cdk_iam_access_key._access_key.validation import (
    check_no_properties_of_secret,
    check_removal_policy,
    checked_secret_arn,
)
from cdk_iam_access_key._shared.permissions import through
from cdk_iam_access_key._shared.tokens import is_token

_READ = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]


@jsii.implements(secretsmanager.ISecret)
class KeySecret(Resource):
    """The secret of an access key: whoever refers to it, or depends on it, waits for the key.

    Before the key is there, the secret is empty. The CDK's `SecretTargetAttachment` makes readers wait in the same way.

    Attributes:
        written: The secret that is given or defined, which comes before the key.
        written_arn: Its complete ARN, as the parts of the key use it.
        element: The resource that is defined; None if the secret is given.
    """

    def __init__(
        self,
        scope: Construct,
        home: Home,
        user_name: str,
        given: secretsmanager.ISecret | None,
        *,
        name: str | None,
        encryption_key: kms.IKey | None,
        removal_policy: RemovalPolicy | None,
    ) -> None:
        super().__init__(scope, "Secret")
        self._key: CfnResource | None = None
        self._needed: list[IConstruct] = []
        self.element: secretsmanager.CfnSecret | None = None
        if given is None:
            self.written: secretsmanager.ISecret = self._defined(user_name, name, encryption_key, removal_policy)
            self.written_arn = self.written.secret_arn
        else:
            check_no_properties_of_secret(
                secret_name=name, encryption_key=encryption_key, removal_policy=removal_policy
            )
            self.written = given
            self.written_arn = checked_secret_arn(home, given)
        # Not what was given: a property injector of the app may have chosen another.
        self._encryption_key = self.written.encryption_key

    def wait_for(self, key: CfnResource) -> None:
        """Let readers wait for the key."""
        self._key = key
        Dependable.implement(self, Dependable.of(key))

    def needs(self, *needed: IConstruct | None) -> None:
        """Know what the key needs, which may be in other stacks."""
        self._needed += [one for one in needed if one is not None]

    @property
    def secret_arn(self) -> str:
        """The complete ARN, an attribute of the key."""
        return self._of_key("SecretArn")

    @property
    def secret_full_arn(self) -> str:
        """The same."""
        return self.secret_arn

    @property
    def secret_ref(self) -> Any:
        """What the constructs of single resources refer to."""
        # Only a CDK that has the module asks for it.
        from aws_cdk.interfaces.aws_secretsmanager import SecretReference  # noqa: PLC0415

        return SecretReference(secret_id=self.secret_arn)

    @property
    def secret_name(self) -> str:
        """The name, an attribute of the key too: who reads by it waits as well."""
        return self._of_key("SecretName")

    @property
    def secret_value(self) -> SecretValue:
        """A dynamic reference to all of the value."""
        return SecretValue.secrets_manager(self.secret_arn)

    @property
    def encryption_key(self) -> kms.IKey | None:
        """The KMS key of the secret, if it has one of its own."""
        return self._encryption_key

    def secret_value_from_json(self, key: str) -> SecretValue:
        """Return a dynamic reference to a field of the value."""
        return SecretValue.secrets_manager(self.secret_arn, json_field=key)

    def cfn_dynamic_reference_key(
        self, *, json_field: str | None = None, version_id: str | None = None, version_stage: str | None = None
    ) -> str:
        """Return what a dynamic reference to the value says after the service."""
        return ":".join([self.secret_arn, "SecretString", json_field or "", version_stage or "", version_id or ""])

    def grant_read(self, grantee: iam.IGrantable, version_stages: Sequence[str] | None = None) -> iam.Grant:
        """Allow to read the secret, and to decrypt it with its KMS key.

        In the policy of the grantee; if it is in a stack that the key needs, as that of the user, in one of this stack.
        A reader of another account is let in by the policies of the secret and of its KMS key. An imported KMS key has
        a policy that the CDK can't write: it must let that reader in already.

        Raises:
            ValueError: The reader is of another account, and the secret has AWS's own KMS key.
        """
        return self._grant(self._within_reach(grantee), self.secret_arn, version_stages)

    def grant_early_read(self, function: lambda_.IFunction) -> iam.Grant:
        """Allow a function the same before the key is there: the key waits for that, and for the function.

        So a function of another stack, which the key's stack needs, gets it by a policy in the key's stack.
        """
        role = function.role
        grantee: iam.IGrantable = function
        is_near = role is None or Stack.of(role) is Stack.of(self)
        if role is not None and not is_near and not _may_be_of_another_account(Stack.of(self), role):
            construct_id = f"Deliverer{role.node.addr}"
            found = self.node.try_find_child(construct_id)
            grantee = cast("iam.IRole", found) if found else _imported(self, construct_id, role)
        return self._grant(grantee, self.written_arn)

    def _grant(
        self, grantee: iam.IGrantable, secret_arn: str, version_stages: Sequence[str] | None = None
    ) -> iam.Grant:
        grant = iam.Grant.add_to_principal_or_resource(
            grantee=grantee, actions=_READ, resource_arns=[secret_arn], resource=cast("Any", self)
        )
        if version_stages is not None:
            for statement in (grant.principal_statement, grant.resource_statement):
                if statement is not None:
                    stages = {"secretsmanager:VersionStage": list(version_stages)}
                    statement.add_condition("ForAnyValue:StringEquals", stages)
        if self.encryption_key is not None:
            self._grant_decrypt(self.encryption_key, grantee)
        elif isinstance(self.written, secretsmanager.Secret):
            self._check_same_account(grantee.grant_principal)
        return grant

    def grant_write(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow to write the secret. Nobody should but the key's own role."""
        return self.written.grant_write(grantee)

    def add_to_resource_policy(self, statement: iam.PolicyStatement) -> iam.AddToResourcePolicyResult:
        """Add to the policy of the secret, which is there before the key."""
        return self.written.add_to_resource_policy(statement)

    def deny_account_root_delete(self) -> None:
        """Deny to everybody in the account to delete the secret."""
        self.written.deny_account_root_delete()

    def add_rotation_schedule(self, id: str, **_options: Any) -> NoReturn:  # noqa: A002 - the CDK's word
        """Refuse another rotation than that of the key."""
        raise ValueError(
            f"the secret of {self._key_path} must be rotated as the key is, got a rotation schedule {id}; pass "
            "rotation_schedule to the AccessKey"
        )

    def attach(self, target: secretsmanager.ISecretAttachmentTarget) -> NoReturn:
        """Refuse to let CloudFormation write to the value."""
        del target
        raise ValueError(
            f"the secret of {self._key_path} must hold an access key alone, got a target to attach; attach it to "
            "another secret"
        )

    def _of_key(self, attribute: str) -> str:
        if self._key is None:
            raise RuntimeError("the secret of an access key must not be read before the key is defined")
        return self._key.get_att(attribute).to_string()

    def _defined(
        self, user_name: str, name: str | None, encryption_key: kms.IKey | None, removal_policy: RemovalPolicy | None
    ) -> secretsmanager.Secret:
        check_removal_policy(removal_policy)
        secret = secretsmanager.Secret(
            self,
            "Resource",
            secret_name=name,
            description=f"Access key of the IAM user {user_name}",
            encryption_key=encryption_key,
            removal_policy=removal_policy or RemovalPolicy.DESTROY,
        )
        resource = cast("secretsmanager.CfnSecret", secret.node.default_child)
        # Without this it would start with a random password, which a reader could take for a key.
        resource.generate_secret_string = None
        self.node.default_child = self.element = resource
        return secret

    def _within_reach(self, grantee: iam.IGrantable) -> iam.IGrantable:
        """Import a grantee whose own policy this stack can't be in: two stacks can't need each other."""
        principal = grantee.grant_principal
        if not isinstance(principal, iam.Role | iam.User | iam.Group):
            return grantee
        theirs = _outermost(principal)
        if theirs is _outermost(self) or theirs not in [_outermost(one) for one in self._needed]:
            return grantee
        construct_id = f"Reader{principal.node.addr}"
        found = self.node.try_find_child(construct_id)
        if found is not None:
            return cast("iam.IGrantable", found)
        if isinstance(principal, iam.Role):
            return iam.Role.from_role_name(self, construct_id, principal.role_name)
        if isinstance(principal, iam.User):
            return iam.User.from_user_name(self, construct_id, principal.user_name)
        return iam.Group.from_group_name(self, construct_id, principal.group_name)

    def _grant_decrypt(self, key: kms.IKey, grantee: iam.IGrantable) -> None:
        """Allow it in the grantee's policy.

        A KMS key's policy that names a role of another stack makes a circle: that stack reads this one's secret.
        """
        stack = Stack.of(self)
        conditions = {"StringEquals": through(stack, "secretsmanager")}
        grant = iam.Grant.add_to_principal(
            grantee=grantee, actions=["kms:Decrypt"], resource_arns=[key.key_arn], conditions=conditions
        )
        # Another account needs the consent of the key.
        if not grant.success or _may_be_of_another_account(stack, grantee.grant_principal):
            key.add_to_resource_policy(
                iam.PolicyStatement(
                    actions=["kms:Decrypt"],
                    principals=[grantee.grant_principal],
                    resources=["*"],
                    conditions=conditions,
                )
            )

    def _check_same_account(self, principal: iam.IPrincipal) -> None:
        """Refuse a reader of another account, as the CDK does for any secret with AWS's own KMS key."""
        accounts = (Stack.of(self).account, principal.principal_account or "")
        if _may_be_of_another_account(Stack.of(self), principal) and not any(is_token(one) for one in accounts):
            raise ValueError(
                f"the secret of {self._key_path} must have a KMS key of yours to be read by account {accounts[1]}, got "
                "AWS's own, which lets no other account in; pass encryption_key to the AccessKey, or to the secret "
                "that is passed in"
            )

    @property
    def _key_path(self) -> str:
        return self.node.path.rpartition("/")[0]


def _imported(scope: Construct, construct_id: str, role: iam.IRole) -> iam.IRole:
    """Import a role of another stack, so that what is added to it is in the stack of the scope."""
    if isinstance(role, iam.Role):
        return iam.Role.from_role_name(scope, construct_id, role.role_name)
    return iam.Role.from_role_arn(scope, construct_id, role.role_arn)


def _may_be_of_another_account(stack: Stack, principal: iam.IPrincipal) -> bool:
    """Tell whether a principal is one of another account, as far as the CDK knows.

    What the app defines is in the account of its stack. Of what it imports the CDK can't tell if one of the two
    accounts is a token; `Grant` gives such a one the consent of the secret, too.
    """
    account = principal.principal_account
    if account is None or account == stack.account:
        return False
    known = [not is_token(one) for one in (stack.account, account)]
    defined = isinstance(principal, iam.Role | iam.User | iam.Group)
    return all(known) or (any(known) and not defined)


def _outermost(construct: IConstruct) -> Stack:
    """Return the stack that is deployed with a construct: not a nested one."""
    stack = Stack.of(construct)
    while stack.nested_stack_parent is not None:
        stack = stack.nested_stack_parent
    return stack
