"""A consumer that renews its key by itself, through a rotation that waits for it, and through one that is undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from demo import expectations as expect
from demo.keyring import ACCEPTED
from demo.machine import Machine
from demo.steps import Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from demo.driver import Driver
    from demo.expectations import Expectation
    from demo.machine import Program

_CONSUMER = "ci-runner-7"
_INTERVAL = "5s"
# How long anything may take that happens by itself. The client lets a new key settle for a minute.
_PATIENCE = 150
# Longer than the demo. So no last use tells that somebody needs the old key, as with a consumer that works once a week.
_LAST_USE_LAG = 3600
# SDKs may keep a key for a quarter of an hour and an interval, and the client allows for one interval more.
_SDKS_HAVE_ASKED_AGAIN = 16 * 60
_ACKNOWLEDGED = "Access Key Acknowledged"
_POSTPONED = "Access Key Retirement Postponed"


class ConsumerJourney:
    """The consumer app's stack. Each step is a method that does something and says what it expects of it."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._account = driver.account
        self._machine = Machine(driver.cloud)
        self._programs: list[Program] = []
        self._old = driver.seen.current

    def close(self) -> None:
        """Stop the programs, wherever the journey ended."""
        self._machine.close()

    def deploy(self) -> Iterator[Expectation]:
        """Make the key, and what its consumer needs to renew it."""
        self._driver.begin()
        self._driver.deploy()
        seen = self._driver.look(declared="Active")
        yield expect.stack_is(seen.stack_status, "CREATE_COMPLETE")
        yield expect.is_accepted("the key", seen.current)
        yield expect.user_has_only(seen, seen.current)
        yield expect.invariants_hold(seen)

    def enrol(self) -> Iterator[Expectation]:
        """Bring the key to a machine, by the client and as people do, and run a program with each."""
        self._driver.cloud.configure(last_use_lag=_LAST_USE_LAG)
        self._old = self._driver.seen.current
        key = self._account.current_key()
        options = ["--profile", "renewing", "--consumer", _CONSUMER, "--interval", _INTERVAL]
        with self._driver.report.running(" ".join(["iam-access-key enrol --secret ARN", *options])):
            said = self._machine.enrol(self._account.output("SecretArn"), *options, key=key)
        self._driver.records.outputs.append(said)
        self._driver.report.quote(said.splitlines()[-1:])
        self._machine.write_plain_file("plain", key)
        self._programs = [self._machine.start("renewing"), self._machine.start("plain")]
        yield self._acknowledges(self._old.id)
        yield from self._work_with(self._old.id)

    def rotate(self) -> Iterator[Expectation]:
        """Let Secrets Manager rotate, and the grace period end before the consumer has acknowledged."""
        yield from self._driver.rotate_natively(seconds=_PATIENCE)
        seen = self._driver.look(declared="Active")
        yield expect.is_new(seen.current, self._old)
        yield self._takes(seen.current.id)
        yield self._tells("the grace period is over, and somebody is missing", _POSTPONED, self._old.id)
        told = self._last(_POSTPONED, self._old.id)
        names = {"Event": "event", "Access key": "accessKeyId", "Missing": "missingConsumers"}
        self._driver.report.facts({shown: told[name] for shown, name in names.items()})
        yield expect.is_missing(told["missingConsumers"], _CONSUMER)
        seen = self._driver.look(declared="Active")
        yield expect.is_in_grace("the old key", seen.key(self._old.id))
        yield from self._work_with(seen.current.id, self._old.id)

    def retire(self) -> Iterator[Expectation]:
        """Let the client know that nobody on its machine has the old key any more."""
        renewing, plain = self._programs
        new, deployments = self._driver.seen.current, self._account.deployments()
        self._machine.renew(self._account.output("SecretArn"), _INTERVAL, ahead=_SDKS_HAVE_ASKED_AGAIN)
        yield self._acknowledges(new.id)
        yield self._driver.becomes("the old key is deactivated", self._old.id, "Inactive", seconds=_PATIENCE)
        seen = self._driver.look(declared="Active")
        yield expect.is_the_same(seen.current, new)
        yield expect.is_kept_inactive("the old key", seen.key(self._old.id))
        refused = plain.next_answers()
        yield expect.program_works("by credential_process", new.id, renewing.key_id, renewing.answers)
        yield expect.program_is_refused("with a plain file", refused)
        yield expect.nobody_deployed(deployments, self._account.deployments())
        yield expect.invariants_hold(seen)

    def undo(self) -> Iterator[Expectation]:
        """Rotate by a deployment, and go back once the client has taken the new key."""
        renewing, plain = self._programs
        good = self._driver.seen.current
        self._driver.deploy(serial="2")
        bad = self._driver.look(declared="Active").current
        yield expect.is_new(bad, good)
        yield self._takes(bad.id)
        self._driver.undo()
        yield self._takes(good.id)
        seen = self._driver.look(declared="Active")
        yield expect.is_the_same(seen.current, good)
        yield expect.is_in_grace("the bad key", seen.key(bad.id))
        yield expect.invariants_hold(seen)
        refused = plain.next_answers()
        yield expect.program_works("by credential_process", good.id, renewing.key_id, renewing.answers)
        yield expect.program_is_refused("with a plain file", refused)
        counts = [f"{len(p.answers)}, of which {p.answers.count(ACCEPTED)} accepted" for p in self._programs]
        self._driver.report.facts({"Calls by credential_process": counts[0], "Calls with a plain file": counts[1]})

    def destroy(self) -> Iterator[Expectation]:
        """Delete the stack, once the programs have ended."""
        self.close()
        self._driver.cloud.configure(last_use_lag=0)
        self._driver.destroy()
        seen = self._driver.look(declared=None)
        yield from expect.all_is_gone(seen, self._driver.calls(), self._driver.left())

    def steps(self) -> list[Step]:
        """List the steps of this journey."""
        return [
            Step(
                "Deploy a key that waits for its consumer",
                "Its own user may read its secret, from this address. The grace period is a minute.",
                self.deploy,
            ),
            Step(
                "Enrol a machine",
                "A program uses the key by credential_process, another one from a plain credentials file. Each calls "
                "S3 twice a second. IAM tells no last use for an hour, so only the consumer itself can say more.",
                self.enrol,
            ),
            Step(
                "Secrets Manager rotates",
                "The client lets the new key settle for a minute, then takes it. Until SDKs have asked again it does "
                "not acknowledge it, and that holds the retirement back.",
                self.rotate,
            ),
            Step(
                "A quarter of an hour later",
                "The clock of the client is put forward: whatever SDK runs there has asked again by then. The client "
                "acknowledges, the old key goes, and with it the program with the plain file.",
                self.retire,
            ),
            Step(
                "Rotate, then undo",
                "A deployment rotates, the client takes the new key, and an operator goes back. The key that is taken "
                "back works on until the consumer has the other one again.",
                self.undo,
            ),
            Step("Destroy", "Both keys, the ledger and the rest go.", self.destroy),
        ]

    def _work_with(self, key_id: str, plain_key_id: str = "") -> Iterator[Expectation]:
        """Expect that both programs work."""
        renewing, plain = self._programs
        for program, how, key in (
            (renewing, "by credential_process", key_id),
            (plain, "with a plain file", plain_key_id or key_id),
        ):
            program.next_answers()
            yield expect.program_works(how, key, program.key_id, program.answers)

    def _takes(self, key_id: str) -> Expectation:
        renewing, _ = self._programs
        return self._driver.wait(f"the client has taken {key_id}", lambda: renewing.key_id, key_id, seconds=_PATIENCE)

    def _acknowledges(self, key_id: str) -> Expectation:
        return self._tells(f"{_CONSUMER} has acknowledged the key", _ACKNOWLEDGED, key_id)

    def _tells(self, sentence: str, kind: str, key_id: str) -> Expectation:
        def told() -> str:
            self._driver.sweep()
            return "told" if self._last(kind, key_id) else "not told"

        return self._driver.wait(sentence, told, "told", seconds=_PATIENCE)

    def _last(self, kind: str, key_id: str) -> dict[str, str]:
        found = [event for event in self._driver.told() if (event["event"], event["accessKeyId"]) == (kind, key_id)]
        return found[-1] if found else {}
