"""SES's SMTP endpoints on loopback: real servers with TLS, whose certificate has SES's names, that check passwords."""

from __future__ import annotations

import asyncio
import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from access_key_provider.aws import smtp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOSTS = ("email-smtp.eu-central-1.amazonaws.com", "email-smtp.us-east-1.amazonaws.com")

STARTTLS, TLS_FIRST, NO_TLS = "STARTTLS", "TLS first", "no TLS"


@dataclass
class SmtpEndpoints:
    """What the servers were asked, and what they answer.

    Attributes:
        accepts: tells whether a user name and a password are right.
        refusals: how often a right password is refused at first, as SES does with a new key.
        logins: the host and the user name of each login, and whether it was taken.
        port: where they listen.
    """

    accepts: Callable[[str, str, str], bool]
    refusals: int = 0
    logins: list[tuple[str, str, bool]] = field(default_factory=list)
    port: int = 0
    connected_to: list[tuple[str, int]] = field(default_factory=list)

    def authenticate(self, server: Any, _session: Any, _envelope: Any, _mechanism: str, login: Any) -> AuthResult:
        """Check a login. The server names no password anywhere."""
        assert isinstance(login, LoginPassword)
        assert server.transport.get_extra_info("ssl_object"), "the password came unencrypted"
        host, user = self.connected_to[-1][0], login.login.decode()
        taken = self.accepts(host, user, login.password.decode()) and self.refusals <= 0
        self.refusals -= 1
        self.logins.append((host, user, taken))
        return AuthResult(success=taken, handled=False)


@contextmanager
def smtp_endpoints(
    directory: Path,
    accepts: Callable[[str, str, str], bool],
    *,
    tls: str = STARTTLS,
    names: tuple[str, ...] = HOSTS,
) -> Iterator[SmtpEndpoints]:
    """Be SES for the provider: its names lead here, and it trusts the certificate.

    Args:
        directory: where the certificate is written.
        accepts: tells of a host, a user name and a password whether SES would take them.
        tls: when TLS comes: if asked for, before everything else as on port 465, or never.
        names: the names in the certificate.
    """
    certificate = _certificate(directory, names)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    endpoints = SmtpEndpoints(accepts)
    loop = asyncio.new_event_loop()
    servers: list[SMTP] = []

    def server() -> SMTP:
        one = SMTP(
            object(),
            loop=loop,
            tls_context=context if tls == STARTTLS else None,
            require_starttls=tls == STARTTLS,
            # The client tries one way after the other: one is enough, and each login is one.
            auth_exclude_mechanism=["LOGIN"],
            auth_require_tls=tls == STARTTLS,
            authenticator=endpoints.authenticate,
        )
        servers.append(one)
        return one

    async def stop() -> None:
        listening.close()
        for one in servers:
            if one.transport:
                one.transport.abort()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        loop.stop()

    listening = loop.run_until_complete(
        loop.create_server(server, "127.0.0.1", 0, ssl=context if tls == TLS_FIRST else None)
    )
    endpoints.port = listening.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    connect = smtp.smtplib.socket.create_connection

    def here(address: tuple[str, int], *arguments: Any, **named: Any) -> Any:
        endpoints.connected_to.append(address)
        return connect(("127.0.0.1", endpoints.port), *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(certificate))
        patch.setattr(smtp.smtplib.socket, "create_connection", here)
        try:
            yield endpoints
        finally:
            asyncio.run_coroutine_threadsafe(stop(), loop)
            thread.join()
            loop.close()


def _certificate(directory: Path, names: tuple[str, ...]) -> Path:
    """Write a throw-away certificate, signed by itself, with its private key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = directory / "certificate.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + private)
    return path
