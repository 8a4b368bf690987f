"""What the demo expects: sentences that are true or not, each with what was found instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from demo.account import DELETED
from demo.keyring import ACCEPTED, REFUSED, REJECTED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from demo.account import KeySeen, Seen
    from local_cloud import ApiCall

_NONE = "none"


@dataclass(frozen=True, slots=True)
class Expectation:
    """A sentence that should be true, what was expected, and what was found."""

    sentence: str
    expected: str
    found: str

    @property
    def holds(self) -> bool:
        """Whether it is true."""
        return self.expected == self.found


def stack_is(stack_status: str, expected: str) -> Expectation:
    """CloudFormation did what it was asked to do."""
    return Expectation(f"the stack is {expected}", expected, stack_status)


def command_ends_as_meant(command: str, exit_code: int, *, fails: bool) -> Expectation:
    """The CDK command line succeeded, or failed where it was meant to."""
    meant = "a failure" if fails else "exit code 0"
    found = "no end in time" if exit_code < 0 else f"exit code {exit_code}"
    return Expectation(f"{command} {'fails' if fails else 'succeeds'}", meant, found)


def user_has_only(seen: Seen, *keys: KeySeen) -> Expectation:
    """The user has these keys, and no other."""
    number = {0: "no key", 1: "this key and no other"}.get(len(keys), f"these {len(keys)} keys and no other")
    found = [key.id for key in seen.keys if key.status != DELETED]
    return Expectation(f"the user has {number}", _listed(key.id for key in keys), _listed(found))


def is_kept_inactive(name: str, key: KeySeen) -> Expectation:
    """The key is deactivated and kept, so that a rollback can restore it."""
    return Expectation(f"{name} is kept, Inactive", "previous, Inactive", f"{key.stage}, {key.status}")


def has_status(name: str, key: KeySeen, status: str) -> Expectation:
    """IAM lists the key with the status."""
    return Expectation(f"{name} is {status}", status, key.status)


def is_accepted(name: str, key: KeySeen) -> Expectation:
    """A call signed with the key succeeds."""
    return Expectation(f"a call signed with {name} is accepted", ACCEPTED, key.answer)


def is_rejected(name: str, key: KeySeen) -> Expectation:
    """A call signed with the key fails as AWS fails it for a key that is Inactive or deleted."""
    return Expectation(f"a call signed with {name} is rejected", REJECTED, key.answer)


def all_are_rejected(keys: Sequence[KeySeen]) -> Expectation:
    """No call signed with any of the keys succeeds."""
    others = (f"{key.id}: {key.answer}" for key in keys if key.answer != REJECTED)
    return Expectation(f"calls signed with any of the {len(keys)} keys are rejected", _NONE, _listed(others))


def is_new(key: KeySeen, before: KeySeen) -> Expectation:
    """The current key is not the one from before."""
    other = f"another one than {before.id}"
    return Expectation("a new key was made", other, other if key.id != before.id else key.id)


def is_the_same(key: KeySeen, before: KeySeen) -> Expectation:
    """The current key is the very one from before."""
    return Expectation("the current key is the very same as before", before.id, key.id)


def belongs_to(key: KeySeen, user_name: str) -> Expectation:
    """The signed call was made as the stack's user."""
    name = key.identity.rpartition("/")[2]
    return Expectation("the call is made as the stack's own user", user_name, name or key.answer)


def outputs_describe_the_current_key(seen: Seen) -> Expectation:
    """The stack's outputs say what IAM and Secrets Manager say."""
    names = ("AccessKeyId", "Status", "SecretVersionId")
    actual = (seen.current.id, seen.current.status, seen.current_version)
    said = (seen.outputs.get(name, _NONE) for name in names)
    return Expectation("the stack's outputs describe the current key", ", ".join(actual), ", ".join(said))


def invariants_hold(seen: Seen) -> Expectation:
    """Nothing that is always to be true was found broken."""
    return Expectation("no invariant is violated", _NONE, _listed(seen.violations, "; "))


def only_failure_is(name: str, failed: Iterable[str]) -> Expectation:
    """Nothing failed but what was meant to."""
    return Expectation(f"{name} is all that failed", name, _listed(failed))


def third_key_was_taken_back(seen: Seen, before: Seen) -> Expectation:
    """A key was made that there was not before, and is deactivated."""
    statuses = (key.status for key in seen.keys if key.id not in {known.id for known in before.keys})
    return Expectation("the third key was made, and is Inactive", "Inactive", _listed(statuses))


def is_in_grace(name: str, key: KeySeen) -> Expectation:
    """The key is current no more and still works."""
    found = f"{key.stage}, {key.status}, {key.answer}"
    return Expectation(f"{name} is the previous one, and still works", f"previous, Active, {ACCEPTED}", found)


def is_missing(missing: str, consumer: str) -> Expectation:
    """The provider tells that the consumer has not acknowledged the key, and names nobody else."""
    return Expectation(f"{consumer} is missing", consumer, missing)


def program_works(how: str, key_id: str, used: str, answers: Sequence[str]) -> Expectation:
    """A program's last call was signed with the key, and none of its calls so far has failed."""
    found = f"{_listed(set(answers))} with {used}"
    return Expectation(f"every call {how} was accepted, the last with {key_id}", f"{ACCEPTED} with {key_id}", found)


def program_is_refused(how: str, answers: Sequence[str]) -> Expectation:
    """The calls of a program fail as S3 fails them for a key that is Inactive or deleted."""
    return Expectation(f"every call {how} is refused by now", REFUSED, _listed(set(answers)))


def all_were_accepted(answers: Sequence[str]) -> Expectation:
    """No call of the client failed."""
    return Expectation("every call of the client was accepted", ACCEPTED, _listed(set(answers)))


def nobody_deployed(before: int, after: int) -> Expectation:
    """CloudFormation did nothing meanwhile."""
    return Expectation("nobody deployed meanwhile", f"{before} events of the stack", f"{after} events of the stack")


def serial_is(serial: str, expected: str) -> Expectation:
    """The template still declares the serial."""
    return Expectation(f"the deployed serial is still {expected}", expected, serial)


def steps_were(found: Sequence[str]) -> Expectation:
    """Secrets Manager called the function for each step of a rotation, once, and each succeeded."""
    steps = "createSecret, setSecret, testSecret, finishSecret"
    return Expectation("the four steps of a rotation succeeded", steps, ", ".join(found) or _NONE)


def a_sweep_is_due(due: int) -> Expectation:
    """There is something for the destruction of the stack to forestall."""
    return Expectation("the ledger says when the sweep is to come back", "at least 1", "at least 1" if due else "0")


def nothing_is_left(left: Mapping[str, frozenset[str]]) -> Iterator[Expectation]:
    """The account holds nothing that it did not hold before the deployment, kind by kind."""
    for kind, names in left.items():
        yield Expectation(f"no {kind} is left", _NONE, _listed(names))


def user_tags_were_removed(calls: Sequence[ApiCall]) -> Expectation:
    """Every tag that the provider put on the user was taken off by the provider."""
    put = _tag_keys(calls, "iam:TagUser") - _tag_keys(calls, "iam:UntagUser")
    return Expectation("no user tag of ours is left", _NONE, _listed(put))


def all_is_gone(seen: Seen, calls: Sequence[ApiCall], left: Mapping[str, frozenset[str]]) -> Iterator[Expectation]:
    """After a stack was deleted, neither a key of it works nor is anything else of it there."""
    yield user_has_only(seen)
    yield all_are_rejected(seen.keys)
    yield user_tags_were_removed(calls)
    yield from nothing_is_left(left)
    yield invariants_hold(seen)


def keys_were_deactivated_first(calls: Sequence[ApiCall]) -> Expectation:
    """No key was deleted that could still be used."""
    status: dict[object, object] = {}
    deleted_active = []
    for call in calls:
        key = call.parameters.get("AccessKeyId")
        if call.name == "iam:UpdateAccessKey" and not call.error:
            status[key] = call.parameters["Status"]
        elif call.name == "iam:DeleteAccessKey" and not call.error and status.get(key) != "Inactive":
            deleted_active.append(str(key))
    return Expectation("no key was deleted that was not first deactivated", _NONE, _listed(deleted_active))


def nobody_else_read_the_secret(calls: Sequence[ApiCall], reader: str, renewing: str) -> Expectation:
    """The provider wrote the secret and never read it; a consumer that renews itself, if there was one, did."""
    reads = ("GetSecretValue", "BatchGetSecretValue")
    others = {str(call.principal) for call in calls if call.action in reads and call.access_key_id != reader}
    named = f"this demo{' and its consumer' if renewing else ''}"
    expected = {name for name in others if renewing and name.endswith(f":user/{renewing}")}
    return Expectation(f"nobody but {named} asked for the secret's value", _NONE, _listed(others - expected))


def every_secret_is_known(calls: Sequence[ApiCall], known: Sequence[str]) -> Expectation:
    """The demo has seen the secret of every key that was made."""
    made = sum(call.name == "iam:CreateAccessKey" and not call.error for call in calls)
    return Expectation("the secret of every key that was made is known to the search", str(made), str(len(known)))


def no_secret_was_found(leaks: Sequence[str]) -> Expectation:
    """No secret access key is anywhere but in Secrets Manager."""
    return Expectation("secret access keys found in output, templates, logs and events: none", _NONE, _listed(leaks))


def _tag_keys(calls: Sequence[ApiCall], name: str) -> set[str]:
    return {key for call in calls if call.name == name and not call.error for key in call.parameters.get("TagKeys", ())}


def _listed(names: Iterable[str], separator: str = ", ") -> str:
    return separator.join(sorted(names)) or _NONE
