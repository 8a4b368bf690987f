"""The service control policy that lets nobody but the provider create access keys."""

import json
import re
from collections.abc import Sequence
from typing import Any

from constructs import Construct

from cdk_iam_access_key._shared.provider_settings import checked_role_path
from cdk_iam_access_key._shared.service_control_policy import checked_targets, define_policy
from cdk_iam_access_key._shared.validation import shown

_BOOTSTRAPPED = "arn:*:iam::*:role/cdk-*-cfn-exec-role-*"
_ROLE_ARN = re.compile(r"arn:[a-z0-9*-]+:iam::[0-9*]+:role/[A-Za-z0-9_.,+=@/*?-]*[A-Za-z0-9][A-Za-z0-9_.,+=@/*?-]*")
# Whoever may do one of these on a role may act as the role, or let it do more.
_TAKE_OVER = [
    "iam:AttachRolePolicy",
    "iam:CreateRole",
    "iam:DeleteRolePermissionsBoundary",
    "iam:PutRolePermissionsBoundary",
    "iam:PutRolePolicy",
    "iam:UpdateAssumeRolePolicy",
]
# AWS allows 5,120; longer ones are refused at deployment only.
_CHARACTERS = 5120


class DenyUnmanagedAccessKeys(Construct):
    """Deny to create access keys, in member accounts, to all but the roles of the keys that a provider manages.

    A key is then created by a deployment or by a rotation, or not at all: not by a person, an administrator, a root
    user, another tool, or CloudFormation's own `AWS::IAM::AccessKey`. What exists goes on to work, and everybody who
    may can deactivate and delete a key, as when it has leaked.

    The roles of the provider are recognised by their IAM path, so the path is guarded too: only the deployment roles
    may create a role there, change whom it trusts or what it may do, or pass it to a service. And the deployment roles
    are recognised by their names, so only they themselves and `administrators` may create or change those. Bootstrap
    an account before the policy is attached to it, or name in `administrators` who bootstraps.

    Service control policies bind neither the management account nor service-linked roles. Whoever may deploy with a
    deployment role, or change the code of the provider's functions, may still get a key. Other long-term credentials
    are not denied: passwords, SSH keys, service-specific credentials such as API keys of Bedrock.

    Deploy it in the management account, or in a delegated administrator for AWS Organizations; service control policies
    must be enabled in the organization.

    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html

    Args:
        scope: Where it is defined.
        id: Its id there.
        targets: The ids of the organization's root, of organizational units or of accounts.
        role_paths: Where the roles of the providers are: `/cdk-iam-access-key/`, and each `role_path` of a provider.
        deployment_roles: The ARNs of the roles with which CloudFormation deploys, with `*` for what differs from
            account to account. Those that `cdk bootstrap` makes if left out.
        administrators: The ARNs of the roles that may create and change deployment roles, such as that of StackSets or
            of AWS Control Tower. None if left out.
        policy_name: The name of the policy.

    Attributes:
        policy: The service control policy.

    Raises:
        ValueError: There is no target, or one is none; a path or an ARN is none; or the policy gets too long.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - the CDK's word
        *,
        targets: Sequence[str],
        role_paths: Sequence[str] = ("/cdk-iam-access-key/",),
        deployment_roles: Sequence[str] = (_BOOTSTRAPPED,),
        administrators: Sequence[str] = (),
        policy_name: str = "DenyUnmanagedAccessKeys",
    ) -> None:
        target_ids = checked_targets(targets)
        paths = _listed("role_paths", role_paths, "/cdk-iam-access-key/")
        key_roles = [f"arn:*:iam::*:role{checked_role_path(path)}*" for path in paths]
        deployment = _role_arns("deployment_roles", deployment_roles)
        trusted = [*deployment, *_role_arns("administrators", administrators)]
        statements = [
            _denied("DenyAccessKeys", ["iam:CreateAccessKey"], "*", key_roles),
            _denied("GuardProviders", [*_TAKE_OVER, "iam:PassRole"], key_roles, deployment),
            _denied("GuardDeployments", _TAKE_OVER, deployment, trusted),
        ]
        content = {"Version": "2012-10-17", "Statement": statements}
        length = len(json.dumps(content, separators=(",", ":")))
        if length > _CHARACTERS:
            raise ValueError(
                f"the policy must have at most {_CHARACTERS} characters, got {length}; shorten role_paths, "
                "deployment_roles and administrators, as by * for what differs"
            )
        super().__init__(scope, id)
        description = "Only the providers of cdk-iam-access-key create access keys"
        self.policy = define_policy(self, policy_name, description, content, target_ids)


def _denied(sid: str, actions: list[str], resource: str | list[str], except_for: list[str]) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Deny",
        "Action": actions,
        "Resource": resource,
        "Condition": {"ArnNotLike": {"aws:PrincipalArn": except_for}},
    }


def _listed(name: str, given: Sequence[str], example: str) -> Sequence[str]:
    if isinstance(given, str) or not given:
        raise ValueError(f"{name} must be a list with at least one, got {shown(given)}; pass e.g. [{example!r}]")
    return given


def _role_arns(name: str, given: Sequence[str]) -> list[str]:
    if not isinstance(given, str) and not given and name == "administrators":
        return []
    for arn in _listed(name, given, _BOOTSTRAPPED):
        if not isinstance(arn, str) or not _ROLE_ARN.fullmatch(arn):
            raise ValueError(
                f"{name} must be ARNs of roles, with * for what differs, got {shown(arn)}; pass e.g. {_BOOTSTRAPPED}"
            )
    return list(given)
