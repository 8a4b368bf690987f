"""What one invocation works with: a secret's lease, and AWS in sessions of the keys' roles."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from access_key_provider.aws.copies import copy_versions
from access_key_provider.aws.dynamodb import Ledger
from access_key_provider.aws.eventbridge import EventPublisher
from access_key_provider.aws.iam import IamUserKeys
from access_key_provider.aws.lambda_functions import LambdaFunctions
from access_key_provider.aws.secrets_manager import SecretsManagerVersions
from access_key_provider.aws.sts import Sessions, StsProver
from access_key_provider.entrypoints.custom_resource_request import session_name
from access_key_provider.reconcile.lease import HeldLease, LeasedClock
from access_key_provider.reconcile.reconciler import Reconciler
from lambda_shared.aws_calls import SECONDS_FOR_A_NEW_ROLE, RetryingCaller
from lambda_shared.clock import InvocationClock

if TYPE_CHECKING:
    from types import TracebackType

    from access_key_provider.aws.smtp import SmtpProver
    from access_key_provider.aws.sts import Credentials
    from access_key_provider.model.copies import Copy
    from access_key_provider.model.entry import Claim
    from access_key_provider.reconcile.lease import Change
    from access_key_provider.reconcile.ports import CopyVersions
    from lambda_shared.clock import Clock

_SESSIONS = Sessions()
_DEFAULT_SETTLING_SECONDS = "10"

KNOWN_ROLE = 10.0
"""For how many seconds a role may be refused that was not made a moment ago."""


class RoleSession:
    """AWS as the role of one key sees it; the role is assumed at the first call."""

    def __init__(self, claim: Claim, secret_arn: str, clock: Clock, *, what: str, token: str, patience: float) -> None:
        """Take the role from the claim; `token` is Secrets Manager's, if it rotates."""
        self._claim = claim
        self._secret_arn = secret_arn
        self._clock = clock
        self._name = session_name(what, claim.logical_id)
        self._token = token
        self._patience = patience

    @cached_property
    def keys(self) -> IamUserKeys:
        """The user's keys and tags."""
        return IamUserKeys(self._credentials, self._claim.user_name, RetryingCaller(self._clock, self._patience))

    @cached_property
    def secret(self) -> SecretsManagerVersions:
        """The secret's versions and labels."""
        call = RetryingCaller(self._clock, self._patience)
        return SecretsManagerVersions(self._credentials, self._secret_arn, call, self._token)

    def copy(self, copy: Copy) -> CopyVersions:
        """Give a copy of the secret, in a session of its own account's role."""
        call = RetryingCaller(self._clock, self._patience)
        credentials = self._credentials
        if copy.role_arn:
            credentials = _SESSIONS.assume(copy.role_arn, self._name, call, self._clock, credentials)
        return copy_versions(copy, credentials, call)

    @cached_property
    def functions(self) -> LambdaFunctions:
        """The functions that bring a key to its consumers."""
        return LambdaFunctions(self._credentials, RetryingCaller(self._clock, self._patience), self._clock)

    @cached_property
    def prover(self) -> StsProver:
        """The proof that a new key works."""
        return StsProver(self._clock, float(os.environ.get("SETTLING_SECONDS", _DEFAULT_SETTLING_SECONDS)))

    @cached_property
    def smtp_prover(self) -> SmtpProver:
        """The proof that its SMTP passwords work."""
        # Few keys need it, and a cold start waits for each import.
        from access_key_provider.aws.smtp import SmtpProver  # noqa: PLC0415

        return SmtpProver(self._clock)

    @cached_property
    def _credentials(self) -> Credentials:
        call = RetryingCaller(self._clock, self._patience)
        return _SESSIONS.assume(self._claim.role_arn, self._name, call, self._clock)


class Work:
    """What one caller does for one secret: a context that lets go of the lease and reports at its end."""

    def __init__(
        self, secret_arn: str, what: str, context: Any, *, token: str = "", patience: float = SECONDS_FOR_A_NEW_ROLE
    ) -> None:
        """Prepare to work; `lease.take` begins it."""
        self._what = what
        self._token = token
        self._patience = patience
        self.secret_arn = secret_arn
        self.clock = InvocationClock(context)
        self.ledger = Ledger()
        self.lease = HeldLease(self.ledger, self.clock, secret_arn, what, patience)
        self.reconciler = Reconciler(self.lease, self.ledger, LeasedClock(self.clock, self.lease), self._open)
        self._last: Change | None = None

    def finally_change(self, change: Change) -> None:
        """Change the entry when the lease is let go."""
        self._last = change

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go, and report. A process that is being killed does nothing more."""
        if error is None or isinstance(error, Exception):
            try:
                self.reconciler.let_go(self._last)
            finally:
                EventPublisher().publish(self.reconciler.events)

    def _open(self, claim: Claim, clock: Clock) -> RoleSession:
        return RoleSession(claim, self.secret_arn, clock, what=self._what, token=self._token, patience=self._patience)
