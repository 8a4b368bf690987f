"""What the functions of a guard may do in the organization, for the accounts that were chosen and no others."""

from aws_cdk import Aws
from aws_cdk import aws_iam as iam

from cdk_iam_access_key.root_keys.accounts import AccountSelection


def listing_accounts(selection: AccountSelection) -> iam.PolicyStatement:
    """Allow to list the accounts of a selection; these actions are for the whole organization."""
    actions = ["organizations:DescribeOrganization"]
    if selection.only:
        actions.append("organizations:DescribeAccount")
    elif selection.units:
        actions += ["organizations:ListAccountsForParent", "organizations:ListOrganizationalUnitsForParent"]
    else:
        actions.append("organizations:ListAccounts")
    return iam.PolicyStatement(actions=sorted(actions), resources=["*"])


def seeing_that_it_exists(selection: AccountSelection) -> list[iam.PolicyStatement]:
    """Allow to see that what a selection names exists. The organization's root is seen by the units in it."""
    actions = []
    if selection.only or selection.without:
        actions.append("organizations:DescribeAccount")
    if any(unit.startswith("ou-") for unit in selection.units):
        actions.append("organizations:DescribeOrganizationalUnit")
    if any(unit.startswith("r-") for unit in selection.units):
        actions.append("organizations:ListOrganizationalUnitsForParent")
    return [iam.PolicyStatement(actions=actions, resources=["*"])] if actions else []


def seeing_where_it_is(selection: AccountSelection) -> list[iam.PolicyStatement]:
    """Allow to see which units an account is in, if units were chosen."""
    if not selection.units:
        return []
    return [iam.PolicyStatement(actions=["organizations:ListParents"], resources=["*"])]


def assuming_root(task: str, selection: AccountSelection) -> list[iam.PolicyStatement]:
    """Allow to assume root for one task, in the accounts that were chosen only."""
    policy = f"arn:{Aws.PARTITION}:iam::aws:policy/root-task/{task}"
    allowed = iam.PolicyStatement(
        actions=["sts:AssumeRoot"],
        resources=_roots(selection.only or ("*",)),
        conditions={"StringEquals": {"sts:TaskPolicyArn": policy}},
    )
    if not selection.without:
        return [allowed]
    denied = iam.PolicyStatement(
        effect=iam.Effect.DENY, actions=["sts:AssumeRoot"], resources=_roots(selection.without)
    )
    return [allowed, denied]


def _roots(accounts: tuple[str, ...]) -> list[str]:
    return [f"arn:{Aws.PARTITION}:iam::{account}:root" for account in accounts]
