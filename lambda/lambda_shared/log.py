"""One JSON line for what happened: the log of the function. Never an event, a response URL or a secret.

Needs the standard library only, so that a failure can always be logged.
"""

from __future__ import annotations

import json
import traceback
from time import time

from lambda_shared.errors import ProviderError

_NAMESPACE = "CdkIamAccessKey"


def info(message: str, **fields: str | float | None) -> None:
    """Write a line to standard output, which Lambda keeps as the log."""
    print(json.dumps({"message": message, **fields}), flush=True)


def metric(metric: str, message: str, **fields: str) -> None:
    """Write a line that CloudWatch also counts as a metric, by user and in all; it takes no call and no permission.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    definition = {
        "Namespace": _NAMESPACE,
        # A dimension that the line has not would make CloudWatch drop the metric.
        "Dimensions": [[], ["userName"]] if "userName" in fields else [[]],
        "Metrics": [{"Name": metric, "Unit": "Count"}],
    }
    line = {"_aws": {"Timestamp": int(time() * 1000), "CloudWatchMetrics": [definition]}, metric: 1}
    print(json.dumps({"message": message, **fields, **line}), flush=True)


def redacted(error: Exception, **about: str) -> ProviderError:
    """Record a failure and return an error that may be shown: our own as it is, of any other only what kind it is.

    The text of an error that is not ours, and of those that led to ours, may hold anything. So raise what is returned
    `from None`.
    """
    if isinstance(error, ProviderError):
        info("failed", **about, error=type(error).__name__, reason=str(error))
        return error
    frames = traceback.extract_tb(error.__traceback__)
    where = "; ".join(f"{frame.name}:{frame.lineno}" for frame in frames[-6:])
    info("failed", **about, error=type(error).__name__, where=where)
    return ProviderError(f"unexpected {type(error).__name__} in the function; its log says where")
