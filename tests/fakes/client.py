"""Clients as boto3 gives them: methods in snake case, paginators, `exceptions`, `meta`, and the SDK's retries."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore import xform_name
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004 - botocore's own
from fakes.errors import exceptions

if TYPE_CHECKING:
    from collections.abc import Iterator

# Which parameter of the next call takes which member of the answer.
_PAGINATED: Final = {
    "list_access_keys": ("Marker", "Marker"),
    "list_user_tags": ("Marker", "Marker"),
    "query": ("ExclusiveStartKey", "LastEvaluatedKey"),
}

# https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
_RETRIED_STATUS: Final = frozenset({500, 502, 503, 504})
_RETRIED_CODES: Final = frozenset(
    {
        "EC2ThrottledException",
        "LimitExceededException",
        "ProvisionedThroughputExceededException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_DEFAULT_ATTEMPTS = 5


class Endpoint(Protocol):
    """Where a client sends its calls."""

    def begin(self, service: str, action: str, parameters: dict[str, Any]) -> int:
        """Check a call as the SDK does, and number it."""
        ...

    def send(self, serial: int, attempt: int, service: str, action: str, parameters: dict[str, Any]) -> Any:
        """Send a request."""
        ...

    def wait(self, seconds: float) -> None:
        """Wait between two attempts."""
        ...


class FakeClient:
    """A client of one service."""

    def __init__(self, service: str, region: str, actions: frozenset[str], endpoint: Endpoint, config: Any) -> None:
        """Give it methods for the actions; `config` says how often it sends a call."""
        self.meta = SimpleNamespace(region_name=region, service_model=SimpleNamespace(service_name=service))
        self.exceptions = exceptions(service)
        self._service, self._endpoint = service, endpoint
        retries = getattr(config, "retries", None) or {}
        self._most_attempts = int(retries.get("total_max_attempts", _DEFAULT_ATTEMPTS))
        for action in actions:
            setattr(self, xform_name(action), partial(self._call, action))

    def __getattr__(self, name: str) -> Any:
        """Say that there is no such method; the name is spelled wrong or nobody needed it yet."""
        raise AttributeError(f"this fake's {self._service} client has no {name}")

    def can_paginate(self, method: str) -> bool:
        """Tell whether a method has a paginator."""
        return method in _PAGINATED

    def get_paginator(self, method: str) -> Any:
        """Give the paginator of a method."""
        if method not in _PAGINATED:
            raise ValueError(f"{method} has no paginator")
        return SimpleNamespace(paginate=partial(self._pages, method))

    def _pages(self, method: str, **parameters: Any) -> Iterator[Any]:
        takes, member = _PAGINATED[method]
        page = getattr(self, method)(**parameters)
        yield page
        while page.get(member):
            page = getattr(self, method)(**parameters | {takes: page[member]})
            yield page

    def close(self) -> None:
        """Do what boto3's does: nothing to see."""

    def _call(self, action: str, **parameters: Any) -> Any:
        serial = self._endpoint.begin(self._service, action, parameters)
        attempt = 1
        while True:
            try:
                return self._endpoint.send(serial, attempt, self._service, action, parameters)
            except (ClientError, ConnectionError, HTTPClientError) as error:
                if attempt >= self._most_attempts or not _retried(error):
                    if isinstance(error, ClientError):
                        error.response["ResponseMetadata"]["RetryAttempts"] = attempt - 1
                    raise
            self._endpoint.wait(min(2.0 ** (attempt - 1), 20.0))
            attempt += 1


def _retried(error: Exception) -> bool:
    if not isinstance(error, ClientError):
        return True
    return (
        error.response["ResponseMetadata"]["HTTPStatusCode"] in _RETRIED_STATUS
        or error.response["Error"]["Code"] in _RETRIED_CODES
    )
