"""A custom resource through crhelper, which runs the handler of the request's type and watches the deadline.

What crhelper does in ways that can hang a stack or tell too much is replaced here; `docs/decisions/001-crhelper.md` has
the list.
"""

from __future__ import annotations

import logging
import os
import threading
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from crhelper import CfnResource

from lambda_shared import cfn_response, log

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


_QUIET = {
    "crhelper": logging.CRITICAL,
    "boto3": logging.WARNING,
    "botocore": logging.WARNING,
    "urllib3": logging.WARNING,
}


class Result(NamedTuple):
    """What the response to a success says: the resource's id, its attributes, and what was found changed by hand."""

    physical_id: str
    data: Mapping[str, str] = MappingProxyType({})
    found: str = ""


class CustomResource(CfnResource):
    """crhelper's resource, one for each request, that answers once, in time, with the right id and not too much."""

    def __init__(
        self, event: Mapping[str, Any], handlers: Mapping[str, Callable[[Mapping[str, Any], Any], Result]]
    ) -> None:
        """Register the handlers, without the clients and the two-minute pause that only polling needs."""
        # crhelper makes three clients unless it takes itself to run locally; it needs none of them here.
        os.environ["AWS_SAM_LOCAL"] = "true"
        try:
            super().__init__(json_logging=False, log_level="WARNING", boto_level="WARNING", sleep_on_delete=0)
        finally:
            os.environ.pop("AWS_SAM_LOCAL", None)
        self._sam_local = None
        self._request = event
        self._answering = threading.Lock()
        self._answered = False
        for kind, handle in handlers.items():
            getattr(self, kind)(self._guarded(handle))

    def __call__(self, event: Mapping[str, Any], context: Any) -> None:
        """Carry out a request, without the members that crhelper writes into its own events to poll."""
        super().__call__({name: value for name, value in event.items() if not name.startswith("CrHelper")}, context)

    def _guarded(self, handle: Callable[[Mapping[str, Any], Any], Result]) -> Any:
        """Pass on our own errors as the reason, and of all others only what kind they are."""

        def guarded(event: Mapping[str, Any], context: Any) -> str:
            try:
                physical_id, self.Data, self.Reason = handle(event, context)
            except Exception as error:  # noqa: BLE001 - its text may hold anything, so it goes no further
                self.PhysicalResourceId = getattr(error, "physical_id", "") or self.PhysicalResourceId
                raise log.redacted(error, **about(event)) from None
            return str(physical_id)

        return guarded

    def generate_physical_id(self, event: Mapping[str, Any]) -> str:
        """Give a failed Create the id that its Delete will come back with."""
        return str(event.get("PhysicalResourceId") or f"{stack_name(event)}/{event['LogicalResourceId']}"[:512])

    def _send(self, status: str | None = None, reason: str = "", send_response: object = None) -> None:
        """Respond, unless that is done already: crhelper's timer and its handler may both come here."""
        del send_response
        with self._answering:
            if self._answered:
                return
            self._answered = True
        try:
            status, reason = status or self.Status, reason or str(self.Reason)
            physical_id = self.PhysicalResourceId or self.generate_physical_id(self._request)
            data = self.Data if status == cfn_response.SUCCESS else {}
            content = cfn_response.body(self._request, status, str(physical_id), reason, data)
            cfn_response.send(self._request["ResponseURL"], content)
        except Exception:
            # Nothing was sent, so somebody else may respond: crhelper, or the entry point, which needs less memory.
            self._answered = False
            raise


def stack_name(event: Mapping[str, Any]) -> str:
    """Take the name of the stack out of a request."""
    parts = str(event["StackId"]).split("/")
    return parts[1] if len(parts) > 1 else parts[0]


def about(event: Mapping[str, Any]) -> dict[str, str]:
    """Say in a log which request a line is about."""
    return {
        "request_type": str(event["RequestType"]),
        "stack": stack_name(event),
        "logical_id": str(event["LogicalResourceId"]),
    }


def quieten_loggers() -> None:
    """Shut off what crhelper logs of events, URLs and bodies, and the SDK of requests and responses, at every level.

    A level is set only where it is another one: each setting costs as much as there are loggers.
    """
    for name in [*_QUIET, *logging.root.manager.loggerDict]:
        package = name.partition(".")[0]
        if package in _QUIET:
            # A level of its own, set by somebody for a logger below, would hold against the package's.
            level = _QUIET[package] if name == package else logging.NOTSET
            logger = logging.getLogger(name)
            if logger.level != level:
                logger.setLevel(level)
