"""What a run leaves in the bucket, and what the guard remembers there of one run for the next.

runs/<run>/accounts.json          the accounts that are looked at, which the Distributed Map reads
runs/<run>/skipped.json           those that are not, and why
runs/<run>/results/<account>.json what became of each
runs/<run>/summary.json           all of it, counted
plan.json                         which keys it was published of that a later run deletes them, since when, and for
                                  which settings
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import boto3

from lambda_shared import log
from root_access_keys.calls import CLIENT_CONFIG, call_by_role
from root_access_keys.errors import RefusedError
from root_access_keys.plan import Plan

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_PLAN = "plan.json"
_READERS = 16
_MISSING = frozenset({"NoSuchKey", "404"})


class Store:
    """The bucket, as one run uses it."""

    def __init__(self, run_id: str, bucket: str | None = None) -> None:
        """Use the bucket that the construct named."""
        self._bucket = bucket or os.environ["RESULTS_BUCKET"]
        self._folder = f"runs/{run_id}"
        self._s3: S3Client = boto3.client("s3", config=CLIENT_CONFIG)

    def path(self, name: str) -> str:
        """Name an object of the run."""
        return f"{self._folder}/{name}"

    def location(self, name: str) -> str:
        """Say where an object of the run is."""
        return f"s3://{self._bucket}/{self.path(name)}"

    def put(self, name: str, content: Any) -> None:
        """Write an object of the run; written twice, it is the same."""
        self._put(self.path(name), content)

    def get(self, name: str) -> Any:
        """Read an object of the run."""
        return self._get(self.path(name))

    def put_result(self, account_id: str, content: dict[str, Any]) -> None:
        """Write what became of an account."""
        self.put(f"results/{account_id}.json", content)

    def results(self) -> dict[str, dict[str, Any]]:
        """Read what became of each account that has a result."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self.path("results/"))
        keys = call_by_role(lambda: [found["Key"] for page in pages for found in page.get("Contents", [])])
        with ThreadPoolExecutor(_READERS) as readers:
            contents = readers.map(self._get, keys)
            return {
                key.rsplit("/", 1)[-1].removesuffix(".json"): content
                for key, content in zip(keys, contents, strict=True)
            }

    def plan(self, digest: str) -> Plan | None:
        """Return what was published for these settings; None if nothing was, or if it can't be read."""
        try:
            stored = self._get(_PLAN)
            return Plan.from_json(stored["Keys"]) if stored["Settings"] == digest else None
        except RefusedError as error:
            if error.code in _MISSING:
                return None
            raise
        except (ValueError, KeyError, TypeError):
            # Somebody else wrote it. The next run publishes its plan anew.
            log.info("the plan can't be read", object=_PLAN)
            return None

    def announce(self, digest: str, plan: Plan) -> None:
        """Remember what was published for these settings."""
        self._put(_PLAN, {"Settings": digest, "Keys": plan.to_json()})

    def _put(self, key: str, content: Any) -> None:
        call_by_role(
            self._s3.put_object,
            Bucket=self._bucket,
            Key=key,
            Body=json.dumps(content, indent=1).encode(),
            ContentType="application/json",
        )

    def _get(self, key: str) -> Any:
        return json.loads(call_by_role(self._s3.get_object, Bucket=self._bucket, Key=key)["Body"].read())
