"""Which services may work in the organization, and which accounts administer them.

`EnableAWSServiceAccess` (trusted access) and `RegisterDelegatedAdministrator` are missing in ministack.
https://docs.aws.amazon.com/organizations/latest/userguide/orgs_integrate_services.html
https://docs.aws.amazon.com/organizations/latest/APIReference/API_RegisterDelegatedAdministrator.html
"""

from __future__ import annotations

from typing import Any

from ministack.services import organizations

from local_cloud.patches.organizations import organization

Answer = tuple[int, dict[str, str], bytes]
Payload = dict[str, Any]


def apply() -> None:
    """Add the calls."""
    organizations._DISPATCH.update(
        {
            "EnableAWSServiceAccess": _enable,
            "DisableAWSServiceAccess": _disable,
            "ListAWSServiceAccessForOrganization": _list_services,
            "RegisterDelegatedAdministrator": _register,
            "DeregisterDelegatedAdministrator": _deregister,
            "ListDelegatedAdministrators": _list_administrators,
        }
    )


def administrators(service: str) -> tuple[str, ...]:
    """Give the accounts that administer a service in place of the management account."""
    return organization.settings().delegated_administrators.get(service, ())


def _enable(payload: Payload) -> Answer:
    trusted = organization.settings().trusted_services
    organization.configure({"trusted_services": dict.fromkeys([*trusted, payload["ServicePrincipal"]])})
    return _answer({})


def _disable(payload: Payload) -> Answer:
    trusted = organization.settings().trusted_services
    left = [service for service in trusted if service != payload["ServicePrincipal"]]
    # What IAM was let do goes with it.
    features = organization.settings().features if organization.IAM in left else ()
    organization.configure({"trusted_services": left, "features": features})
    return _answer({})


def _list_services(_: Payload) -> Answer:
    trusted = organization.settings().trusted_services
    return _answer({"EnabledServicePrincipals": [{"ServicePrincipal": service} for service in trusted]})


def _register(payload: Payload) -> Answer:
    account, service = payload["AccountId"], payload["ServicePrincipal"]
    if organization.member(account) is None:
        return organization.error("AccountNotFoundException", "You specified an account that doesn't exist.")
    if account in administrators(service):
        message = "The specified account is already a delegated administrator for this AWS service."
        return organization.error("AccountAlreadyRegisteredException", message)
    _set(service, (*administrators(service), account))
    return _answer({})


def _deregister(payload: Payload) -> Answer:
    account, service = payload["AccountId"], payload["ServicePrincipal"]
    if account not in administrators(service):
        message = "The specified account is not a delegated administrator for this AWS service."
        return organization.error("AccountNotRegisteredException", message)
    _set(service, tuple(each for each in administrators(service) if each != account))
    return _answer({})


def _set(service: str, accounts: tuple[str, ...]) -> None:
    before = organization.settings().delegated_administrators
    organization.configure({"delegated_administrators": {**before, service: accounts}})


def _list_administrators(payload: Payload) -> Answer:
    service = payload.get("ServicePrincipal")
    known = organization.settings().delegated_administrators
    named = [account for name, accounts in known.items() if service in (None, name) for account in accounts]
    found = [organization.member(account) for account in dict.fromkeys(named)]
    told = [
        {**organization.public(record), "DelegationEnabledDate": record["JoinedTimestamp"]}
        for record in found
        if record
    ]
    return _answer({"DelegatedAdministrators": told})


def _answer(content: Payload) -> Answer:
    answer: Answer = organizations._json(200, content)
    return answer
