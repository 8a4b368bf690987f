"""The embedded AWS account as an object: start it, use it, look at what happened, stop it."""

from __future__ import annotations

import shutil
import tempfile
import time
import urllib.error
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import botocore.session
from botocore.config import Config

from local_cloud import environment, process
from local_cloud.admin_client import ask
from local_cloud.calls import ApiCall
from local_cloud.certificate import located_in, write_certificate
from local_cloud.organization import Organization

if TYPE_CHECKING:
    import subprocess
    from types import TracebackType

# The account's root user: ministack knows it by this id and, unlike with every other key, asks no signature.
ADMINISTRATOR = ("AKIALOCALCLOUDADMIN1", "not-a-secret")

_SECONDS_BETWEEN_LOOKS = 0.05


class LocalCloud:
    """An AWS account on the loopback address, with IAM enforced; a context manager.

    Several can run at once. The process ends with `stop()`, with the `with` block, and with the Python
    process that started it, even if that is killed.

    Args:
        directory: Where everything it writes goes; made if needed and kept. By default a temporary directory,
            removed by `stop()`.
        port: Where to listen, 0 for any free port.
        account: The account's number.
        new_key_rejections: How many calls with a new access key answer `InvalidClientTokenId` before it works.
        last_use_lag: How many seconds after a key was used `GetAccessKeyLastUsed` tells it.
        outlives_parent: Whether it keeps running after this Python process, until `attach(...).stop()`.
    """

    region = environment.REGION

    def __init__(
        self,
        directory: Path | None = None,
        *,
        port: int = 0,
        account: str = "111122223333",
        new_key_rejections: int = 0,
        last_use_lag: float = 0.0,
        outlives_parent: bool = False,
    ) -> None:
        self.account = account
        self._directory = directory
        self._temporary = directory is None
        self._port = port
        self._settings = {"new_key_rejections": new_key_rejections, "last_use_lag": last_use_lag}
        self._outlives_parent = outlives_parent
        self._announcement: process.Announcement | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: dict[tuple[str, ...], Any] = {}

    @classmethod
    def attach(cls, directory: Path) -> Self:
        """Find the running emulator whose state lies in a directory.

        Raises:
            LocalCloudError: None runs there.
        """
        announcement = process.Announcement.read(directory)
        if announcement is None:
            raise process.LocalCloudError(f"nothing runs in {directory}")
        cloud = cls(directory, port=announcement.port, account=announcement.account)
        cloud._announcement = announcement
        try:
            answer = cloud._admin("GET", "status")
        except OSError as error:
            raise process.LocalCloudError(f"what ran in {directory} no longer answers") from error
        # The port may belong to somebody else by now; the certificate and the pid tell.
        if answer["pid"] != announcement.pid:
            raise process.LocalCloudError(f"what ran in {directory} is gone")
        return cloud

    def start(self) -> Self:
        """Start the emulator and wait until it listens.

        Raises:
            LocalCloudError: It is running already, or it did not start.
        """
        if self._announcement is not None:
            raise process.LocalCloudError(f"the emulator already runs at {self.endpoint_url}")
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="local-cloud-"))
        directory = self._directory = self._directory.resolve()
        (directory / "tmp").mkdir(parents=True, exist_ok=True)
        (directory / process.ANNOUNCEMENT).unlink(missing_ok=True)
        variables = environment.server_environment(
            directory=directory,
            certificate=write_certificate(directory),
            account=self.account,
            administrator=ADMINISTRATOR,
        )
        self._process = process.spawn(directory, variables, port=self._port, watched=not self._outlives_parent)
        try:
            self._announcement = process.await_announcement(self._process, directory)
            self._admin("PUT", "settings", self._settings)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the emulator and its functions. Stopping what does not run does nothing."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        if self._process is not None:
            process.terminate(self._process.pid, self._process)
        elif self._announcement is not None:
            process.terminate(self._announcement.pid)
        self._process = self._announcement = None
        if self._directory is not None:
            (self._directory / process.ANNOUNCEMENT).unlink(missing_ok=True)
            if self._temporary:
                shutil.rmtree(self._directory, ignore_errors=True)
                self._directory = None

    def __enter__(self) -> Self:
        """Start it."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    @property
    def endpoint_url(self) -> str:
        """The one endpoint of all services."""
        return f"https://{environment.LOOPBACK}:{self._running.port}"

    @property
    def directory(self) -> Path:
        """Where its state, its certificate and its log lie."""
        if self._directory is None:
            raise process.LocalCloudError("the emulator is not running")
        return self._directory

    @property
    def pid(self) -> int:
        """Its process, which leads the process group of everything that it runs."""
        return self._running.pid

    @property
    def organization(self) -> Organization:
        """The organization that the account belongs to, and the root keys in it."""
        return Organization(self._admin)

    def environment(self) -> dict[str, str]:
        """Give the variables with which an AWS client talks to this account as its administrator."""
        return environment.client_environment(
            endpoint_url=self.endpoint_url,
            directory=self.directory,
            certificate=located_in(self.directory),
            account=self.account,
            administrator=ADMINISTRATOR,
        )

    def client(
        self,
        service: str,
        *,
        access_key_id: str = ADMINISTRATOR[0],
        secret_access_key: str = ADMINISTRATOR[1],
        session_token: str = "",
        region: str = "",
    ) -> Any:
        """Give a boto3 client of this account, by default its administrator's and in its own region.

        It sends each call once, ignores the environment and the files of the machine, and is closed by `stop()`.
        """
        identity = (service, access_key_id, secret_access_key, session_token, region)
        if identity not in self._clients:
            self._clients[identity] = _session().create_client(
                service,
                region_name=region or self.region,
                endpoint_url=self.endpoint_url,
                verify=str(located_in(self.directory).authority),
                aws_access_key_id=access_key_id,
                aws_secret_access_key=secret_access_key,
                aws_session_token=session_token or None,
                config=Config(retries={"mode": "standard", "total_max_attempts": 1}, proxies={}),
            )
        return self._clients[identity]

    def configure(self, *, new_key_rejections: int | None = None, last_use_lag: float | None = None) -> None:
        """Set what is given, as the arguments of the same names do; the rest stays.

        Args:
            new_key_rejections: Counts for keys made from now on.
            last_use_lag: Every use so far is forgotten.
        """
        settings = {"new_key_rejections": new_key_rejections, "last_use_lag": last_use_lag}
        self._admin("PUT", "settings", {name: value for name, value in settings.items() if value is not None})

    def rotate_by_schedule(self, secret_id: str) -> None:
        """Let the next scheduled rotation of a secret come now; nothing happens if it has no schedule."""
        self._admin("PUT", "rotation", {"secret_id": secret_id})

    def fire_rule(self, name: str, *, timeout: float = 60) -> None:
        """Let a rule with a schedule fire now, and wait until the functions that it invokes have run once.

        Who may be invoked is decided as on AWS: a function that lets the rule not invoke it is not waited for either.

        Args:
            name: The name or the ARN of an enabled rule.
            timeout: After how many seconds a function is no longer waited for.

        Raises:
            LocalCloudError: There is no such rule, or a function did not end in time.
        """
        try:
            invoked = self._admin("PUT", "rule", {"name": name})
        except urllib.error.HTTPError as error:
            raise process.LocalCloudError(f"no enabled rule with a schedule is named {name}") from error
        deadline = time.monotonic() + timeout
        while late := self._not_ended(invoked):
            if time.monotonic() > deadline:
                raise process.LocalCloudError(f"{name} invoked {late}, which took longer than {timeout:.0f} s")
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    def calls(self) -> list[ApiCall]:
        """Give the API calls since the start, the last `reset()` or the last `clear_calls()`, as they ended."""
        return [ApiCall.from_json(record) for record in self._admin("GET", "calls")]

    def clear_calls(self) -> None:
        """Forget the calls so far."""
        self._admin("DELETE", "calls")

    def secret_access_keys(self) -> list[str]:
        """Give the secrets made since the start, for tests that search for them where none may be.

        They are users' secret access keys, and what root sessions' secret access keys and tokens begin with.
        """
        return [str(secret) for secret in self._admin("GET", "secret-access-keys")]

    def reset(self) -> None:
        """Empty the account and its organization: resources, calls, and what `configure()` set since the start."""
        self._admin("POST", "reset")
        self._admin("PUT", "settings", self._settings)

    def _not_ended(self, invoked: dict[str, int]) -> list[str]:
        ended = self._admin("GET", "invocations")
        return [name for name, before in invoked.items() if ended.get(name, 0) <= before]

    @property
    def _running(self) -> process.Announcement:
        if self._announcement is None:
            raise process.LocalCloudError("the emulator is not running")
        return self._announcement

    def _admin(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return ask(self.endpoint_url, located_in(self.directory).authority, method, path, body)


def _session() -> botocore.session.Session:
    nothing = (None, None, None, None)
    return botocore.session.Session(
        session_vars={"profile": nothing, "config_file": nothing, "credentials_file": nothing}
    )
