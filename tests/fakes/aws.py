"""An AWS account in memory: what the provider uses of IAM, Secrets Manager, SSM, DynamoDB, STS and EventBridge.

Stateful, strict, fast. It goes in at the bottom, where `boto3.client` is, so that everything of the provider runs
unchanged above it::

    account = FakeAccount()
    account.person.make_user("deploy")
    arn = account.person.make_secret("shop/deploy")
    account.person.make_table("ledger")
    with account.installed():                        # or the fixture `account` of fakes.fixtures
        main.handler(event, Context(account.clock))  # time passes by account.clock only
    print(account.log)                               # every request: action, parameters, outcome, whether it wrote
    assert account.violations == []                  # what AWS lets pass, and the provider must not do

What goes wrong is told beforehand; a fault that was never met has `fired == 0`::

    account.fail(PROCESS_DEATH, 7, phase="after")            # the call of index 7 is carried out, then it dies
    account.fail(THROTTLED, "iam:CreateAccessKey", times=3)  # the first three calls, whatever the SDK retries
    account.fail(TIMED_OUT, "iam:TagUser", attempts=1)       # once; the SDK sends it again by itself
    account.at(5, lambda: account.person.delete_key(key_id)) # a person's hands, just before the call of index 5
    account.deny("iam:TagUser")                              # for good, until account.allow_again()
    account.deny("dynamodb:*", FUNCTION)                     # or a role's ARN, or a pattern of Call.principal
    account.before.append(hook)                              # or `after`: called with each Call, may block or raise
    account.switches.new_key_rejections = 2                  # in each region; see state.Switches
    account.lags.new_keys = Lag(reads=1)                     # see lags.Lags
    account.roles[arn] = Role(arn, user_name, secret_arn, assume_denials=2)
    account.entries()[arn]                                   # what is in the table, by key
    account.person.delete_entry(arn)                         # or delete_table(), or restore_table(to=an_hour_ago)
    account.person.begin_rotation(arn)                       # as Secrets Manager does: an empty version, AWSPENDING
    copy = account.fork()                                    # goes on by itself: no faults, no hooks, an empty log
    cold_start()                                             # the next event meets a new process of the function

`account.client("iam")` is the administrator's: like a boto3 client as well, never logged, failed or shown old news.
A *call* is what the provider asks a client for; the SDK sends it as several *attempts* if need be, as boto3 does.
"""

from __future__ import annotations

import pickle
import threading
from typing import TYPE_CHECKING, Any, Literal

from botocore import UNSIGNED
from fakes.calls import Call, CallLog
from fakes.client import FakeClient
from fakes.clock import Context, VirtualClock
from fakes.denials import FUNCTION, Denial
from fakes.dynamodb import thawed
from fakes.endpoint import AdministratorEndpoint, SignedEndpoint
from fakes.errors import MisuseError, ServiceError
from fakes.faults import Fault, Injection, Phase, ProcessDeath
from fakes.installation import cold_start, installed
from fakes.lags import Lag, Lags
from fakes.parameters import check_valid
from fakes.person import Person
from fakes.service import ADMINISTRATION, OPERATIONS, actions_of
from fakes.signed_requests import UnsignedClient
from fakes.state import State, Switches
from fakes.sts import Credentials, Role, Session, authenticate, authorize, denied, get_caller_identity

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from fakes.attribute_values import Item
    from fakes.iam import User

__all__ = [
    "FUNCTION",
    "Call",
    "Context",
    "FakeAccount",
    "Lag",
    "MisuseError",
    "ProcessDeath",
    "Role",
    "VirtualClock",
    "cold_start",
]

REGION = "eu-central-1"
ACCOUNT_ID = "123456789012"

Service = Literal["dynamodb", "events", "iam", "lambda", "secretsmanager", "ssm", "sts"]


class FakeAccount:
    """An account, empty at first.

    Attributes:
        state: everything in it.
        clock: its time, which the provider's clock is set to while it is installed.
        person: a person who changes things by hand.
        log: the provider's requests.
        before: called with each request before it reaches AWS.
        after: called with each request after AWS is done with it, refusals too.
        violations: what the provider did that AWS lets pass, or that it should have found out by itself.
    """

    def __init__(self, *, account_id: str = ACCOUNT_ID, region: str = REGION, state: State | None = None) -> None:
        """Begin with no fault, and with no user and no secret unless a state is given."""
        self.state = state or State(account_id, region)
        self.clock = self.state.clock
        self.person = Person(self.state)
        self.log = CallLog()
        self.before: list[Callable[[Call], None]] = []
        self.after: list[Callable[[Call], None]] = []
        self.violations: list[str] = []
        self.injections: list[Injection] = []
        self.denials: list[Denial] = []
        self._lock = threading.RLock()

    @property
    def switches(self) -> Switches:
        """How the account behaves where AWS leaves room."""
        return self.state.switches

    @property
    def lags(self) -> Lags:
        """What is seen late, of the changes made from now on."""
        return self.state.lags

    @property
    def roles(self) -> dict[str, Role]:
        """The keys' roles, by their ARN."""
        return self.state.roles

    @property
    def secret_access_keys(self) -> list[str]:
        """All that were ever made, also those of sessions, for those who look for leaks."""
        return self.state.secret_access_keys

    def client(self, service: Service) -> Any:
        """Give a client of the administrator."""
        return FakeClient(
            service, self.state.region, actions_of(service, administrator_too=True), AdministratorEndpoint(self), None
        )

    def client_of(
        self,
        service: str,
        credentials: Credentials = Credentials(),  # noqa: B008
        config: Any = None,
        region: str | None = None,
    ) -> Any:
        """Give a client as the provider gets it; without credentials it is the function's own."""
        if getattr(config, "signature_version", None) is UNSIGNED:
            return UnsignedClient(self, region or self.state.region)
        endpoint = SignedEndpoint(self, credentials, region)
        return FakeClient(service, region or self.state.region, actions_of(service), endpoint, config)

    def entries(self, table: str | None = None) -> dict[str, Item]:
        """Read what is in a table, by key; the only one if none is named."""
        return {key: thawed(frozen) for key, frozen in self.state.table(table).items.items()}

    def installed(self) -> AbstractContextManager[None]:
        """Be the AWS that the provider finds, with `boto3.client`, and be its clock."""
        return installed(self)

    def fork(self) -> FakeAccount:
        """Copy the account as it is now; what is denied for good and the violations so far are copied with it."""
        with self._lock:
            copy = FakeAccount(state=pickle.loads(pickle.dumps(self.state, pickle.HIGHEST_PROTOCOL)))
        copy.denials = [Denial(denial.action, denial.principal) for denial in self.denials]
        copy.violations = list(self.violations)
        return copy

    def fail(
        self,
        fault: Fault,
        at: int | str | Callable[[Call], bool],
        *,
        phase: Phase = "before",
        nth: int = 1,
        times: int | None = 1,
        attempts: int | None = None,
    ) -> Injection:
        """Let calls fail.

        Args:
            fault: how.
            at: which: the index of one, a name such as `iam:CreateAccessKey`, or what tells.
            phase: `before` AWS does anything, or `after` all is done.
            nth: the first of the matching calls to fail, from 1.
            times: how many calls fail from then on; None is all.
            attempts: how often each of them fails before the SDK's next attempt succeeds; None is always.

        Raises:
            ValueError: this fault can't happen then.
        """
        if phase not in fault.phases:
            raise ValueError(f"{fault} can't happen {phase} a call")
        injection = Injection(fault, _matching(at), phase, nth - 1, times, attempts)
        self.injections.append(injection)
        return injection

    def at(self, index: int, act: Callable[[], object], *, phase: Phase = "before") -> None:
        """Have something done just before or after the first attempt of a call."""

        def hook(call: Call) -> None:
            if call.index == index and call.attempt == 1:
                act()

        (self.before if phase == "before" else self.after).append(hook)

    def deny(self, action: str | Callable[[Call], bool], principal: str | None = None) -> Denial:
        """Deny calls for good.

        Args:
            action: a name such as `iam:TagUser`, a pattern such as `dynamodb:*`, or what tells a call.
            principal: whose calls: `FUNCTION`, a role's ARN, or a pattern of `Call.principal`; None is everybody's.

        Raises:
            ValueError: there is no such action, or nobody can be denied it.
        """
        denial = Denial(action, principal)
        self.denials.append(denial)
        return denial

    def allow_again(self) -> None:
        """Deny nothing any more."""
        self.denials.clear()

    def heal(self) -> None:
        """Forget all faults and hooks; what has happened stays, and what is denied for good."""
        self.injections.clear()
        self.before.clear()
        self.after.clear()

    def carry_out(self, call: Call, credentials: Credentials, parameters: dict[str, Any]) -> Any:
        """Do what a request asks for. Raises ServiceError."""
        with self._lock:
            revision, self.state.asked_in = self.state.revision, call.region
            signer = authenticate(self.state, call.service, call.region, credentials)
            self._require_not_denied(call, signer)
            authorize(self.state, signer, call.service, call.action, parameters)
            self._check_valid(call.name, parameters)
            if call.name == "sts:GetCallerIdentity":
                return get_caller_identity(self.state, credentials)
            self._note_deletion_of_active_key(call, parameters)
            answer = OPERATIONS[call.name](self.state, parameters)
            call.wrote = self.state.revision != revision
            return answer

    def administer(self, name: str, parameters: dict[str, Any]) -> Any:
        """Do what the administrator asks for. Raises ServiceError."""
        with self._lock:
            self.state.all_seen, self.state.asked_in = True, ""
            try:
                if name in ADMINISTRATION:
                    return ADMINISTRATION[name](self.state, parameters)
                check_valid(name, parameters)
                if name == "sts:GetCallerIdentity":
                    return get_caller_identity(self.state, Credentials())
                return OPERATIONS[name](self.state, parameters)
            finally:
                self.state.all_seen = False

    def _require_not_denied(self, call: Call, signer: Session | User | None) -> None:
        role_arn = signer.role.arn if isinstance(signer, Session) else None
        for denial in self.denials:
            if denial.concerns(call, role_arn):
                message = f"{call.principal} is not authorized to perform: {call.name} with an explicit deny"
                raise denied(call.service, f"{message} in a service control policy")

    def _check_valid(self, name: str, parameters: dict[str, Any]) -> None:
        try:
            check_valid(name, parameters)
        except ServiceError as error:
            self.violations.append(f"{name} with invalid parameters: {error.message}")
            raise

    def _note_deletion_of_active_key(self, call: Call, parameters: dict[str, Any]) -> None:
        if call.name != "iam:DeleteAccessKey" or self.switches.deletions_of_active_keys:
            return
        key, user = self.state.keys.get(parameters["AccessKeyId"], (None, None))
        if (
            key is not None
            and user is not None
            and user.name == parameters["UserName"]
            and key.status.value == "Active"
        ):
            self.violations.append(f"{key.id} was deleted while it was Active")


def _matching(at: int | str | Callable[[Call], bool]) -> Callable[[Call], bool]:
    if isinstance(at, int):
        return lambda call: call.index == at
    if isinstance(at, str):
        return lambda call: call.name == at
    return at
