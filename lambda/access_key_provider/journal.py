"""One JSON line for what happened: the log of the function. Never an event, a response URL or a secret."""

from __future__ import annotations

import json
from time import time

_NAMESPACE = "CdkIamAccessKey"


def record(message: str, **fields: str | float | None) -> None:
    """Write a line to standard output, which Lambda keeps as the log."""
    print(json.dumps({"message": message, **fields}), flush=True)


def measure(metric: str, message: str, **fields: str) -> None:
    """Write a line that CloudWatch also counts as a metric, by user and in all; it takes no call and no permission.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    definition = {
        "Namespace": _NAMESPACE,
        "Dimensions": [[], ["userName"]],
        "Metrics": [{"Name": metric, "Unit": "Count"}],
    }
    line = {"_aws": {"Timestamp": int(time() * 1000), "CloudWatchMetrics": [definition]}, metric: 1}
    print(json.dumps({"message": message, **fields, **line}), flush=True)
