"""The account that a guard is deployed in: what the checks and the selections need, and faults that stay."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from support.invocation import Context
from unit.root_keys.organization import AwsError, Organization

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from support.invocation import TestClock

ROOT = "r-ab12"
FEATURES = ("RootCredentialsManagement", "RootSessions")
_STACK = "arn:aws:cloudformation:eu-central-1:111111111111:stack/guards/0a1b2c3d-0000-1111-2222-333344445555"
_PAGE = 2


@dataclass
class Unit:
    """An organizational unit, or the root: the accounts and units that are directly in it."""

    accounts: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)


@dataclass
class Account(Organization):
    """An organization with units, seen by an account that checks itself too.

    Attributes:
        units: by their id; the root is one.
        features: of centralized root access, those that are enabled.
        metrics: what was put, by name.
        refused_events: how often EventBridge does not take an event.
        lasting: faults of all calls with a name, such as `iam:GetAccountSummary`, or of those for one account.
        passing: how many calls with a name are denied before the first is not, as of a role that is new.
        stack_status: of the stack that the checks are in.
    """

    units: dict[str, Unit] = field(default_factory=lambda: {ROOT: Unit()})
    features: list[str] = field(default_factory=lambda: list(FEATURES))
    metrics: list[tuple[str, str, float]] = field(default_factory=list)
    refused_events: int = 0
    lasting: dict[tuple[str, str | None], Callable[[], BaseException]] = field(default_factory=dict)
    passing: dict[str, int] = field(default_factory=dict)
    stack_status: str = "UPDATE_IN_PROGRESS"
    _now: threading.local = field(default_factory=threading.local)

    def answer(self, service: str, signer: str, model: Any, context: dict[str, Any]) -> Any:
        """Answer a call, and know meanwhile which account it is about."""
        given = context["parameters"]
        about = given.get("TargetPrincipal") or self.sessions.get(signer, ("",))[0] or given.get("Key", "")
        self._now.call = f"{service}:{model.name}", about.rsplit("/", 1)[-1].removesuffix(".json")
        return super().answer(service, signer, model, context)

    def _meet(self, index: int, phase: str) -> None:
        super()._meet(index, phase)
        name, about = self._now.call
        fault = self.lasting.get((name, about)) or self.lasting.get((name, None))
        if phase == "before" and fault:
            raise fault()
        if phase == "before" and self.passing.get(name, 0):
            self.passing[name] -= 1
            raise AwsError("AccessDenied", 403)

    def iam_list_organizations_features(self, _given: dict[str, Any], _signer: str) -> dict[str, Any]:
        """Tell which parts of centralized root access are enabled."""
        return {"OrganizationId": "o-a1b2c3d4e5", "EnabledFeatures": self.features}

    def cloudformation_describe_stacks(self, given: dict[str, Any], _signer: str) -> dict[str, Any]:
        """Tell of the stack, to whom asks for it by its id; what is in it besides may be anything."""
        assert given == {"StackName": _STACK}
        outputs = [{"OutputKey": "Hush", "OutputValue": "https://localhost/answer/hush"}]
        return {"Stacks": [{"StackName": "guards", "StackStatus": self.stack_status, "Outputs": outputs}]}

    def cloudwatch_put_metric_data(self, given: dict[str, Any], _signer: str) -> dict[str, Any]:
        """Take values."""
        self.metrics += [(given["Namespace"], one["MetricName"], one["Value"]) for one in given["MetricData"]]
        return {}

    def events_put_events(self, given: dict[str, Any], signer: str) -> dict[str, Any]:
        """Take events, or some of them not."""
        if self.refused_events:
            self.refused_events -= 1
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure", "ErrorMessage": "no"}]}
        return super().events_put_events(given, signer)

    def organizations_list_accounts_for_parent(self, given: dict[str, Any], _signer: str) -> dict[str, Any]:
        """List a page of the accounts that are directly in a unit."""
        return _page("Accounts", [self._account(one) for one in self._unit(given).accounts], given)

    def organizations_list_organizational_units_for_parent(self, given: dict[str, Any], _signer: str) -> dict[str, Any]:
        """List a page of the units that are directly in a unit."""
        return _page("OrganizationalUnits", [{"Id": one, "Name": one} for one in self._unit(given).units], given)

    def organizations_list_parents(self, given: dict[str, Any], _signer: str) -> dict[str, Any]:
        """Tell the one unit, or the root, that an account or a unit is directly in."""
        child = given["ChildId"]
        found = [name for name, unit in self.units.items() if child in {*unit.accounts, *unit.units}]
        if not found:
            raise AwsError("ChildNotFoundException")
        return {"Parents": [{"Id": found[0], "Type": "ROOT" if found[0] == ROOT else "ORGANIZATIONAL_UNIT"}]}

    def organizations_describe_organizational_unit(self, given: dict[str, Any], _signer: str) -> dict[str, Any]:
        """Tell of one unit."""
        if given["OrganizationalUnitId"] not in self.units:
            raise AwsError("OrganizationalUnitNotFoundException")
        return {"OrganizationalUnit": {"Id": given["OrganizationalUnitId"]}}

    def _unit(self, given: dict[str, Any]) -> Unit:
        if given["ParentId"] not in self.units:
            raise AwsError("ParentNotFoundException")
        return self.units[given["ParentId"]]

    def _account(self, account: str) -> dict[str, str]:
        told = super()._account(account)
        # As it was before AWS had State, and as it will be when Status is gone.
        return {"Status" if name == "State" and int(account) % 2 else name: value for name, value in told.items()}


def _page(name: str, listed: list[Any], given: dict[str, Any]) -> dict[str, Any]:
    begin = int(given.get("NextToken", "0"))
    more = {"NextToken": str(begin + _PAGE)} if begin + _PAGE < len(listed) else {}
    return {name: listed[begin : begin + _PAGE], **more}


@dataclass
class Deployment:
    """A stack with one check in it; `entry` is the function's."""

    account: Account
    clock: TestClock
    answers: list[dict[str, Any]] = field(default_factory=list)
    requests: int = 0

    @property
    def context(self) -> Context:
        """Begin an invocation."""
        context = Context(self.clock)
        context.invoked_function_arn = "arn:aws:lambda:eu-central-1:111111111111:function:guard"
        return context

    def request(
        self,
        entry: Callable[[object, Any], None],
        kind: str,
        properties: Mapping[str, Any] | None,
        physical_id: str | None = None,
    ) -> dict[str, Any]:
        """Send a request and return the one answer to it."""
        self.requests += 1
        event = {
            "RequestType": kind,
            "ResponseURL": f"https://localhost/answer/{self.requests}?X-Amz-Signature={self.requests:064x}",
            "StackId": _STACK,
            "RequestId": f"00000000-0000-4000-8000-{self.requests:012}",
            "ResourceType": "Custom::Check",
            "LogicalResourceId": "RootResource9F6B2A10",
            "ResourceProperties": properties,
            **({"PhysicalResourceId": physical_id} if physical_id else {}),
        }
        before = len(self.answers)
        entry(json.loads(json.dumps(event)), self.context)
        assert len(self.answers) == before + 1, "every request is answered exactly once"
        given = self.answers[-1]
        assert {given[name] == event[name] for name in ("StackId", "RequestId", "LogicalResourceId")} == {True}
        assert given["PhysicalResourceId"], "CloudFormation takes no empty id"
        return given
