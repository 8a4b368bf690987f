"""SES's SMTP endpoints: proof that the passwords of a new key work before anybody uses them.

https://docs.aws.amazon.com/ses/latest/dg/smtp-connect.html
"""

from __future__ import annotations

import smtplib
import ssl
from datetime import timedelta
from typing import TYPE_CHECKING

from access_key_provider.model.errors import UnprovenKeyError
from access_key_provider.model.secret_format import ses_smtp_password

if TYPE_CHECKING:
    from access_key_provider.model.state import NewAccessKey
    from lambda_shared.clock import Clock

# A new key is refused for some seconds, by each host of an endpoint on its own.
_SUCCESSES = 2
_TRIES_TO_REACH = 3
_SECONDS_TO_PROVE = 120.0
_PAUSE = 2.0
_RESERVE = 60.0
# Of one step of a login. All its steps take less than the 45 s that a call may take under the lease.
_TIMEOUT = 5.0
# Without it, a name server is asked.
_OWN_NAME = "localhost"
# At these ports TLS comes first, at the others STARTTLS asks for it.
_TLS_PORTS = frozenset({465, 2465})


class SmtpProver:
    """Proof by a login at each endpoint; no mail is sent."""

    def __init__(self, clock: Clock) -> None:
        """Wait with the invocation's clock."""
        self._clock = clock

    def prove(self, key: NewAccessKey, regions: tuple[str, ...], port: int) -> None:
        """Wait until the password of each region is taken by its endpoint. Each is given its own time: they are many.

        Raises:
            UnprovenKeyError: one was not taken in time, or an endpoint could not be reached.
        """
        for region in regions:
            self._prove_at(smtp_host(region), port, key, ses_smtp_password(key.secret, region))

    def _prove_at(self, host: str, port: int, key: NewAccessKey, password: str) -> None:
        give_up = self._clock.now() + timedelta(seconds=_SECONDS_TO_PROVE)
        successes, last, unreachable = 0, "", 0
        while successes < _SUCCESSES:
            if successes or last:
                if self._clock.now() >= give_up or self._clock.remaining() < _RESERVE:
                    raise UnprovenKeyError(
                        f"the new access key {key.id} is removed: its SMTP password did not work at {host} in time "
                        f"(last answer: {last}): deploy again"
                    )
                self._clock.sleep(_PAUSE)
            try:
                _log_in(host, port, key.id, password)
            except smtplib.SMTPResponseException as error:
                successes, last, unreachable = 0, str(error.smtp_code), 0
            except (OSError, smtplib.SMTPException) as error:
                successes, last, unreachable = 0, type(error).__name__, unreachable + 1
                if unreachable == _TRIES_TO_REACH:
                    raise UnprovenKeyError(
                        f"the new access key {key.id} is removed: {host}:{port} could not be reached to prove its SMTP "
                        f"password ({last}). Functions in a VPC need a way there; or leave prove_smtp out"
                    ) from None
            else:
                successes, last, unreachable = successes + 1, "success", 0


def smtp_host(region: str) -> str:
    """Name the endpoint of a region. No property says it: a password goes to SES and to nobody else."""
    return f"email-smtp.{region}.{'amazonaws.eu' if region.startswith('eusc-') else 'amazonaws.com'}"


def _log_in(host: str, port: int, user_name: str, password: str) -> None:
    """Log in over TLS, to a host whose certificate is valid for its name."""
    context = ssl.create_default_context()
    connection = (
        smtplib.SMTP_SSL(host, port, _OWN_NAME, timeout=_TIMEOUT, context=context)
        if port in _TLS_PORTS
        else smtplib.SMTP(host, port, _OWN_NAME, timeout=_TIMEOUT)
    )
    with connection:
        if port not in _TLS_PORTS:
            connection.starttls(context=context)
        connection.login(user_name, password)
