"""Where the key of a random life is looked for: both users and both secrets, seen from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from local_cloud.invariants import Expected, violations

if TYPE_CHECKING:
    from fakes.aws import FakeAccount
    from faults.stack import Event, Stack

    from local_cloud.invariants import Timetable

USERS: Final = ("deploy", "vendor")
_KEYS_PER_USER: Final = 2


@dataclass
class Places:
    """All places where the key of one resource may be, and what a person has done to them.

    Attributes:
        stack: the resource.
        changed_by_hand: what a person changed that the next request repairs.
        tampered: which of our records a person has removed; without both nobody could tell our keys.
        labels_lost: whether it was our labels, since the last request.
    """

    stack: Stack
    changed_by_hand: bool = False
    tampered: str | None = None
    labels_lost: bool = False

    @property
    def account(self) -> FakeAccount:
        """The account."""
        return self.stack.account

    def living(self, user: str) -> dict[str, str]:
        """List a user's keys with their status."""
        return self.stack._keys(user)

    def ours(self) -> list[str]:
        """List all keys that no person made."""
        foreign = {key for keys in self.stack.foreign.values() for key in keys}
        return [key for user in USERS for key in self.living(user) if key not in foreign]

    @property
    def deletable(self) -> set[str]:
        """The keys of ours that exist."""
        return set(self.ours())

    def full(self, event: Event) -> bool:
        """Tell whether the user may have no room for a key: two that must stay, foreign, current or of elsewhere."""
        properties = event["ResourceProperties"]
        living = self.living(properties["UserName"])
        foreign = self.stack.foreign.get(properties["UserName"], {})
        labels = {} if self.labels_lost else self.labels(properties["SecretArn"])
        current = {key for secret in self.secrets for key, stages in self.labels(secret).items() if stages}
        staying = [
            key
            for key, status in living.items()
            if key in foreign or key in current or status == "Active" or key not in labels
        ]
        return event["RequestType"] != "Delete" and len(staying) >= _KEYS_PER_USER

    @property
    def secrets(self) -> tuple[str, str]:
        """The secrets that the resource may use."""
        return self.stack.secret_arn, self.stack.other_arn

    def labels(self, secret_arn: str) -> dict[str, bool]:
        """Tell the keys that a secret's labels name, and whether each is the current one."""
        described = self.account.client("secretsmanager").describe_secret(SecretId=secret_arn)
        return {
            label: "AWSCURRENT" in labels
            for labels in described.get("VersionIdsToStages", {}).values()
            for label in labels
            if label.startswith("AKIA")
        }

    def current(self) -> str | None:
        """Tell the current key of the place that is deployed, by its label."""
        known = self.stack.known
        found = [key for key, current in self.labels(known[1]["SecretArn"]).items() if current] if known else []
        return found[0] if found else None

    def check(self) -> None:
        """Check both users and both secrets: the place that is deployed has its key, all others have none."""
        self.stack.check_always()
        iam, secrets = self.account.client("iam"), self.account.client("secretsmanager")
        deployed = self.stack.known and self.stack.known[1]
        found: list[str] = []
        for user in USERS:
            here = deployed if deployed and deployed["UserName"] == user else None
            status, secret = (here["Status"], here["SecretArn"]) if here else (None, None)
            expected = Expected(user, secret, status, self.stack.foreign.get(user, {}), self.timetable)
            found += violations(iam, secrets, expected)
        for secret in self.secrets:
            if not deployed or deployed["SecretArn"] != secret:
                found += [f"label {label} is left on {secret}" for label in self.labels(secret)]
        current = self.current()
        if self.tampered == "tags":
            # Only the current key gets its tag back; the others go with the next rotation.
            found = [problem for problem in found if "has no tag on its user" not in problem or str(current) in problem]
        assert self.unforgiven(found) == [], f"{found}\n{self.account.log}"

    def forget_past(self) -> None:
        """Let no past request come once more: nothing tells any longer that it is late."""

    @property
    def timetable(self) -> Timetable | None:
        """What replaced keys are checked against; None where they are Inactive at once."""
        return None

    def unforgiven(self, found: list[str]) -> list[str]:
        """Leave out what may be found at this moment."""
        return found
