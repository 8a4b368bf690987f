"""The embedded account has a place in an organization, whose accounts come in pages."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from cloud.account import refused

from local_cloud import Account, OrganizationalUnit
from local_cloud.organization import BOTH_FEATURES, Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_cloud import LocalCloud

pytestmark = pytest.mark.thorough

UNIT = OrganizationalUnit("ou-lcld-workloads1", "Workloads")
INNER = OrganizationalUnit("ou-lcld-sandboxes1", "Sandboxes", UNIT.id)


def numbered(number: int) -> str:
    """Give an account id."""
    return f"{200_000_000_000 + number}"


@pytest.fixture
def members(empty_cloud: LocalCloud) -> list[str]:
    """Fill the organization with 45 accounts, five of them in a unit."""
    found = [Account(numbered(number), parent=INNER.id if number < 5 else "") for number in range(45)]
    empty_cloud.organization.seed(found, [UNIT, INNER])
    return [account.id for account in found]


def listed(cloud: LocalCloud, operation: str, **arguments: Any) -> list[dict[str, Any]]:
    """Ask for all pages of a list."""
    pages = cloud.client("organizations").get_paginator(operation).paginate(**arguments)
    return [
        record
        for page in pages
        for name in ("Accounts", "OrganizationalUnits", "Roots")
        for record in page.get(name, ())
    ]


class TestLists:
    """Accounts and units."""

    def test_accounts_come_in_pages_of_twenty(self, cloud: LocalCloud, members: list[str]) -> None:
        """Each account comes once, with the management account, by its state and its status."""
        client = cloud.client("organizations")
        first = client.list_accounts()
        assert len(first["Accounts"]) == 20
        assert len(client.list_accounts(MaxResults=3)["Accounts"]) == 3
        found = listed(cloud, "list_accounts")
        assert sorted(account["Id"] for account in found) == sorted([cloud.account, *members])
        assert {(account["State"], account["Status"]) for account in found} == {("ACTIVE", "ACTIVE")}
        for wrong in ({"MaxResults": 21}, {"NextToken": "bm8="}):
            with refused("InvalidInputException"):
                client.list_accounts(**wrong)

    def test_a_page_may_be_empty(self, cloud: LocalCloud, members: list[str]) -> None:
        """Only a missing NextToken says that nothing follows."""
        cloud.organization.configure(empty_first_pages=True)
        first = cloud.client("organizations").list_accounts()
        assert first["Accounts"] == []
        assert first["NextToken"]
        assert len(listed(cloud, "list_accounts")) == len(members) + 1

    def test_units_have_what_is_in_them(self, cloud: LocalCloud, members: list[str]) -> None:
        """A unit tells its own accounts and units, a parent that is not there is refused."""
        root = cloud.organization.root_id
        assert [unit["Id"] for unit in listed(cloud, "list_roots")] == [root]
        parents = "list_organizational_units_for_parent"
        assert [unit["Name"] for unit in listed(cloud, parents, ParentId=root)] == ["Workloads"]
        assert [unit["Id"] for unit in listed(cloud, parents, ParentId=UNIT.id)] == [INNER.id]
        assert len(listed(cloud, "list_accounts_for_parent", ParentId=INNER.id)) == 5
        assert len(listed(cloud, "list_accounts_for_parent", ParentId=root)) == len(members) - 5 + 1
        assert listed(cloud, "list_accounts_for_parent", ParentId=UNIT.id) == []
        client = cloud.client("organizations")
        for call in (client.list_accounts_for_parent, client.list_organizational_units_for_parent):
            with refused("ParentNotFoundException"):
                call(ParentId="ou-lcld-nowhere001")
        assert (
            client.describe_organizational_unit(OrganizationalUnitId=UNIT.id)["OrganizationalUnit"]["Name"]
            == "Workloads"
        )
        assert client.list_parents(ChildId=numbered(0))["Parents"] == [{"Id": INNER.id, "Type": "ORGANIZATIONAL_UNIT"}]

    def test_states_are_told(self, empty_cloud: LocalCloud) -> None:
        """By State, and by Status as long as AWS has it; an account that is closed is suspended."""
        cloud = empty_cloud
        states = ("ACTIVE", "SUSPENDED", "PENDING_CLOSURE", "CLOSED", "PENDING_ACTIVATION")
        cloud.organization.seed(Account(numbered(n), f"account {n}", state) for n, state in enumerate(states))
        client = cloud.client("organizations")
        found = [client.describe_account(AccountId=numbered(n))["Account"] for n in range(5)]
        assert [account["State"] for account in found] == list(states)
        assert [account["Status"] for account in found] == [
            "ACTIVE",
            "SUSPENDED",
            "PENDING_CLOSURE",
            "SUSPENDED",
            "ACTIVE",
        ]
        assert found[2]["Name"] == "account 2"
        client.close_account(AccountId=numbered(0))
        assert client.describe_account(AccountId=numbered(0))["Account"]["State"] == "SUSPENDED"
        cloud.organization.configure(tells_status=False)
        assert "Status" not in client.describe_account(AccountId=numbered(0))["Account"]
        with refused("AccountNotFoundException"):
            client.describe_account(AccountId=numbered(9))

    def test_who_is_too_quick_waits(self, cloud: LocalCloud, members: list[str]) -> None:
        """So many lists as set are refused, then they are answered."""
        cloud.organization.configure(listing_throttles=2)
        for _ in range(2):
            with refused("TooManyRequestsException"):
                cloud.client("organizations").list_accounts()
        assert len(listed(cloud, "list_accounts")) == len(members) + 1

    def test_a_large_organization_is_there_at_once(self, empty_cloud: LocalCloud) -> None:
        """5,000 accounts take no time worth speaking of, to make and to list."""
        before = time.monotonic()
        empty_cloud.organization.seed(Account(numbered(number)) for number in range(5_000))
        seeded = time.monotonic()
        assert len(listed(empty_cloud, "list_accounts")) == 5_001
        assert seeded - before < 2
        assert time.monotonic() - seeded < 20


class TestRoles:
    """What the account is in its organization."""

    def test_who_is_alone_has_no_organization(self, empty_cloud: LocalCloud) -> None:
        """Every call is refused, until a reset."""
        empty_cloud.organization.configure(role="alone")
        client = empty_cloud.client("organizations")
        for call in (client.describe_organization, client.list_accounts, client.list_roots):
            with refused("AWSOrganizationsNotInUseException"):
                call()
        assert empty_cloud.organization.id == ""
        empty_cloud.reset()
        organization = client.describe_organization()["Organization"]
        assert organization["MasterAccountId"] == empty_cloud.account
        assert organization["Id"] == empty_cloud.organization.id

    @pytest.mark.parametrize("role", ["member", "delegated"])
    def test_another_account_manages_the_organization(self, empty_cloud: LocalCloud, role: Role) -> None:
        """A member may ask which, a delegated administrator may read everything; nobody else writes."""
        organization = empty_cloud.organization
        organization.configure(role=role)
        organization.seed([Account(numbered(1))])
        client = empty_cloud.client("organizations")
        told = client.describe_organization()["Organization"]
        assert told["MasterAccountId"] == organization.management_account != empty_cloud.account
        assert f"::{organization.management_account}:" in told["Arn"]
        reads: list[Callable[[], Any]] = [
            client.list_accounts,
            lambda: client.describe_account(AccountId=numbered(1)),
            lambda: client.list_accounts_for_parent(ParentId=organization.root_id),
        ]
        if role == "delegated":
            known = {account["Id"] for account in reads[0]()["Accounts"]}
            assert known == {numbered(1), empty_cloud.account, organization.management_account}
            reads = []
        for call in [*reads, lambda: client.create_organizational_unit(ParentId="r-1", Name="new")]:
            with refused("AccessDeniedException"):
                call()

    def test_services_and_administrators_are_registered(self, cloud: LocalCloud, members: list[str]) -> None:
        """Trusted access and delegated administrators are kept; without trusted access there are no features."""
        client = cloud.client("organizations")
        cloud.organization.configure(features=BOTH_FEATURES)
        client.enable_aws_service_access(ServicePrincipal="cloudtrail.amazonaws.com")
        known = client.list_aws_service_access_for_organization()["EnabledServicePrincipals"]
        assert {each["ServicePrincipal"] for each in known} == {"iam.amazonaws.com", "cloudtrail.amazonaws.com"}
        named = {"AccountId": members[0], "ServicePrincipal": "iam.amazonaws.com"}
        client.register_delegated_administrator(**named)
        with refused("AccountAlreadyRegisteredException"):
            client.register_delegated_administrator(**named)
        found = client.list_delegated_administrators(ServicePrincipal="iam.amazonaws.com")["DelegatedAdministrators"]
        assert [each["Id"] for each in found] == [members[0]]
        client.deregister_delegated_administrator(**named)
        assert client.list_delegated_administrators()["DelegatedAdministrators"] == []
        with refused("AccountNotRegisteredException"):
            client.deregister_delegated_administrator(**named)
        client.disable_aws_service_access(ServicePrincipal="iam.amazonaws.com")
        client.enable_aws_service_access(ServicePrincipal="iam.amazonaws.com")
        assert cloud.client("iam").list_organizations_features()["EnabledFeatures"] == []


class TestRootFeatures:
    """IAM's features of the organization."""

    def test_the_management_account_switches_them(self, empty_cloud: LocalCloud) -> None:
        """Each call answers what is on then, and the organization."""
        iam = empty_cloud.client("iam")
        assert iam.list_organizations_features()["EnabledFeatures"] == []
        assert iam.enable_organizations_root_sessions()["EnabledFeatures"] == ["RootSessions"]
        both = iam.enable_organizations_root_credentials_management()
        assert both["EnabledFeatures"] == ["RootCredentialsManagement", "RootSessions"]
        assert both["OrganizationId"] == empty_cloud.organization.id
        assert iam.disable_organizations_root_sessions()["EnabledFeatures"] == ["RootCredentialsManagement"]
        assert iam.disable_organizations_root_credentials_management()["EnabledFeatures"] == []

    @pytest.mark.parametrize(
        ("settings", "code"),
        [
            ({"role": "alone"}, "OrganizationNotFoundException"),
            ({"role": "member"}, "AccountNotManagementOrDelegatedAdministratorException"),
            ({"all_features": False}, "OrganizationNotInAllFeaturesModeException"),
            ({"trusted_services": []}, "ServiceAccessNotEnabledException"),
        ],
    )
    def test_others_may_not_ask(self, empty_cloud: LocalCloud, settings: dict[str, Any], code: str) -> None:
        """Nor switch them."""
        empty_cloud.organization.configure(**settings)
        iam = empty_cloud.client("iam")
        for call in (iam.list_organizations_features, iam.enable_organizations_root_sessions):
            with refused(code):
                call()

    def test_a_delegated_administrator_asks_and_does_not_enable(self, empty_cloud: LocalCloud) -> None:
        """It may disable."""
        empty_cloud.organization.configure(role="delegated", features=BOTH_FEATURES)
        iam = empty_cloud.client("iam")
        assert iam.list_organizations_features()["EnabledFeatures"] == list(BOTH_FEATURES)
        with refused("CallerIsNotManagementAccountException"):
            iam.enable_organizations_root_sessions()
        assert iam.disable_organizations_root_sessions()["EnabledFeatures"] == ["RootCredentialsManagement"]
