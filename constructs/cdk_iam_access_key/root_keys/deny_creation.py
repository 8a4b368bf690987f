"""The service control policy that keeps root users from creating access keys."""

from collections.abc import Sequence

from constructs import Construct

from cdk_iam_access_key._shared.service_control_policy import checked_targets, define_policy

_CONTENT = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "DenyRootAccessKeyCreation",
            "Effect": "Deny",
            "Action": "iam:CreateAccessKey",
            "Resource": "*",
            "Condition": {"ArnLike": {"aws:PrincipalArn": "arn:*:iam::*:root"}},
        }
    ],
}


class DenyRootAccessKeyCreation(Construct):
    """Keep the root users of member accounts from creating access keys.

    Service control policies do not bind the management account: its root user can still create keys, which a
    `RootAccessKeyGuard` there tells. Deploy it in the management account, or in a delegated administrator for
    AWS Organizations; service control policies must be enabled in the organization.

    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html

    Args:
        scope: Where it is defined.
        id: Its id there.
        targets: The ids of the organization's root, of organizational units or of accounts.
        policy_name: The name of the policy.

    Attributes:
        policy: The service control policy.

    Raises:
        ValueError: There is no target, or one is none.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002 - the CDK's word
        *,
        targets: Sequence[str],
        policy_name: str = "DenyRootAccessKeyCreation",
    ) -> None:
        target_ids = checked_targets(targets)
        super().__init__(scope, id)
        self.policy = define_policy(self, policy_name, "Root users must not create access keys", _CONTENT, target_ids)
