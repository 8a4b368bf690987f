"""Central management of the member accounts' root users: IAM's features of an organization.

AWS lets the management account, or the delegated administrator for IAM, ask for and disable them; only the management
account enables them, if IAM has trusted access in an organization with all features. ministack has none of the calls.
IAM's model names no other error codes for them than the names of the exceptions.
https://docs.aws.amazon.com/IAM/latest/APIReference/API_ListOrganizationsFeatures.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-enable-root-access.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ministack.services import iam

from local_cloud.patches.organizations import organization

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = tuple[int, dict[str, str], bytes]
Parameters = dict[str, Any]


def apply() -> None:
    """Add the calls."""
    iam._IAM_HANDLERS["ListOrganizationsFeatures"] = _answering("ListOrganizationsFeatures", lambda found: found)
    for feature in organization.ROOT_FEATURES:
        iam._IAM_HANDLERS[f"EnableOrganizations{feature}"] = _answering(
            f"EnableOrganizations{feature}", lambda found, new=feature: found | {new}
        )
        iam._IAM_HANDLERS[f"DisableOrganizations{feature}"] = _answering(
            f"DisableOrganizations{feature}", lambda found, old=feature: found - {old}
        )


def _answering(action: str, change: Callable[..., set[str]]) -> Callable[[Parameters], Answer]:
    def answer(_: Parameters) -> Answer:
        refusal = _refusal(action)
        if refusal:
            code, message = refusal
            refused: Answer = iam._error(400, code, message)
            return refused
        features = sorted(change(set(organization.settings().features)))
        organization.configure({"features": features})
        members = "".join(f"<member>{feature}</member>" for feature in features)
        told: Answer = iam._xml(
            200,
            f"{action}Response",
            f"<{action}Result><OrganizationId>{organization.described()['organization_id']}</OrganizationId>"
            f"<EnabledFeatures>{members}</EnabledFeatures></{action}Result>",
        )
        return told

    return answer


def _refusal(action: str) -> tuple[str, str] | None:
    known = organization.settings()
    if known.role == "alone":
        return "OrganizationNotFoundException", "The account is not in an organization."
    if known.role == "member":
        message = "The account is neither the management account nor a delegated administrator for IAM."
        return "AccountNotManagementOrDelegatedAdministratorException", message
    if action.startswith("Enable") and known.role != "management":
        return "CallerIsNotManagementAccountException", "The account is not the management account."
    if not known.all_features:
        return "OrganizationNotInAllFeaturesModeException", "The organization does not have all features enabled."
    if organization.IAM not in known.trusted_services:
        return "ServiceAccessNotEnabledException", "Trusted access for IAM is not enabled in the organization."
    return None
