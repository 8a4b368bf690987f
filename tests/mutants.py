"""Plants bugs in a copy of the provider, one at a time, and shows which test finds each.

    python tests/mutants.py [NAME ...]

Ends with `N of N killed`, and with exit code 1 if a bug lives or can't be planted any more. The copy is made in a
temporary directory; the checkout is not touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = Path("lambda")
GUARDS = "root_access_keys"
SHARED = "lambda_shared"
COPIED = ("constructs", "lambda", "local_cloud", "tests", "pyproject.toml", "README.md")
JOBS = 2
TESTS = (
    "tests/provider",
    "tests/faults/test_consistency.py",
    "tests/faults/test_crash_matrix.py",
    "tests/faults/test_races.py",
    "tests/faults/test_two_stacks.py",
    "tests/faults/test_throttling.py",
    "tests/faults/test_retirement.py",
    "tests/faults/test_repetition.py",
    "tests/faults/test_retirement_matrix.py",
    "tests/faults/test_model_rotation.py::test_what_random_lives_have_found",
)
TESTS_OF_GUARDS = ("tests/root_keys",)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A bug: in a module, `before` becomes `after`."""

    name: str
    module: str
    before: str
    after: str
    package: str = "access_key_provider"

    @property
    def path(self) -> Path:
        """Where the module is, in the checkout and in a copy."""
        return PACKAGES / self.package / self.module

    @property
    def tests(self) -> tuple[str, ...]:
        """The tests that should find it."""
        return TESTS_OF_GUARDS if self.package == GUARDS else TESTS


MUTANTS = (
    Mutant(
        "look before the mark is left",
        "planning/deployment.py",
        "        return [*mark, LookAgain(SETTLING_TIME if _is_seen_late(observed, desired, target) else 0.0)]\n",
        "        return [*mark, *clean_up(observed, desired.place), *act]\n",
    ),
    Mutant(
        "believe a mark of the future",
        "planning/precedence.py",
        "mark.time <= now + _CLOCK_SKEW else None",
        "True else None",
    ),
    Mutant(
        "delete no key",
        "aws/iam.py",
        "self._conflicting(lambda: self._iam.delete_access_key(UserName=self._user_name, AccessKeyId=key_id))",
        "self._call(lambda: None)",
    ),
    Mutant(
        "let an intent claim another's key",
        "reconcile/executor.py",
        "                self._ports.keys.untag(self._place.intent_tag)\n",
        "                pass\n",
    ),
    Mutant(
        "delete the foreign key for room",
        "planning/key_limit.py",
        "        and key.status == INACTIVE\n",
        "",
    ),
    Mutant("ignore the limit", "planning/key_limit.py", "if needed > len(removable):", "if False:"),
    Mutant(
        "skip the intent",
        "planning/deployment.py",
        "        TagUser(place.intent_tag, str(announce(observed, place))),\n",
        "",
    ),
    Mutant(
        "leave the intent open",
        "planning/cleanup.py",
        "if place.intent_tag in observed.user_tags else []",
        "if False else []",
    ),
    Mutant(
        "promote before proof",
        "planning/deployment.py",
        "        ProveKey(),\n        AddLabel(NEW,",
        "        *make_current(observed, NEW),\n        ProveKey(),\n        AddLabel(NEW,",
    ),
    Mutant(
        "take an unproven key for proven",
        "model/ownership.py",
        "return self.key is not None and bool(self.serials)",
        "return self.key is not None and self.version is not None",
    ),
    Mutant("one success is proof", "aws/sts.py", "_SUCCESSES = 3", "_SUCCESSES = 1"),
    Mutant(
        "forget the tombstone",
        "reconcile/reconciler.py",
        "ports.secret.tag({place.tombstone_tag: str(request)})",
        "pass",
    ),
    Mutant(
        "leave no tombstone if the secret is not found at once",
        "reconcile/reconciler.py",
        "look_at_secret(ports)\n    if dated",
        "ports.secret.describe()\n    if dated",
    ),
    Mutant(
        "never look for the tombstone",
        "reconcile/executor.py",
        "if not is_still_wanted(",
        "if False and not is_still_wanted(",
    ),
    Mutant(
        "stop for an earlier request's mark",
        "planning/precedence.py",
        "tag != place.tombstone_tag and mark and check.since and mark.time < check.since for",
        "False for",
    ),
    Mutant(
        "carry out a late Create",
        "planning/precedence.py",
        "if deleted and desired.request.time <= deleted.time:",
        "if False:",
    ),
    Mutant(
        "carry out a late rotation",
        "planning/precedence.py",
        "        mark.time > request.time and mark.request_id",
        "        False and mark.request_id",
    ),
    Mutant(
        "carry out a late Delete",
        "reconcile/reconciler.py",
        "if dated and is_superseded(",
        "if False and is_superseded(",
    ),
    Mutant(
        "keep the key of an overtaken rotation",
        "reconcile/reconciler.py",
        "if first and is_superseded(",
        "if False and is_superseded(",
    ),
    Mutant(
        "delete an Active key",
        "planning/cleanup.py",
        "[SetStatus(key.id, INACTIVE), DeleteKey(key.id)]",
        "[DeleteKey(key.id)]",
    ),
    Mutant(
        "believe that a key is Inactive",
        "planning/cleanup.py",
        "[SetStatus(key.id, INACTIVE), DeleteKey(key.id)] if key",
        "[*([SetStatus(key.id, INACTIVE)] if key.status != INACTIVE else []), DeleteKey(key.id)] if key",
    ),
    Mutant(
        "believe the status that is seen",
        "planning/deployment.py",
        "    if desired.status == ACTIVE and target.id != made:\n",
        "    if desired.status == ACTIVE and not target.active:\n",
    ),
    Mutant(
        "believe that the previous key is Inactive",
        "planning/retirement.py",
        "    return [SetStatus(key.id, INACTIVE), *retained, *told]\n",
        "    return [*([SetStatus(key.id, INACTIVE)] if key.active else []), *retained, *told]\n",
    ),
    Mutant(
        "go back without waiting",
        "planning/deployment.py",
        "SETTLING_TIME if _is_seen_late(observed, desired, target) else 0.0",
        "0.0",
    ),
    Mutant(
        "believe the limit at once",
        "reconcile/reconciler.py",
        "except (ConflictError, OutcomeUnknownError, KeyLimitReachedError):",
        "except (ConflictError, OutcomeUnknownError):",
    ),
    Mutant(
        "leave the previous key Active",
        "planning/retirement.py",
        "    return [SetStatus(key.id, INACTIVE), *retained, *told]\n",
        "    return [*retained, *told]\n",
    ),
    Mutant(
        "make a new key on a rollback",
        "planning/deployment.py",
        "return max(matching, key=lambda key: key.generation_of(digest), default=None)",
        "return next((key for key in matching if key.current), None)",
    ),
    Mutant(
        "keep the value of an existing secret replaced",
        "planning/deletion.py",
        "    return make_current(observed, previous.id)\n",
        "    return []\n",
    ),
    Mutant(
        "forget who owns",
        "model/state.py",
        "_digest(self.stack_id, self.logical_id, self.user_name, self.secret_arn)",
        "_digest(self.stack_id, self.user_name, self.secret_arn)",
    ),
    Mutant("take a used key for an orphan", "model/ownership.py", "if key.id not in observed.used)", "if True)"),
    Mutant(
        "take an old key for an orphan",
        "model/ownership.py",
        "and intent.since - _CLOCK_SKEW <= key.created",
        "and True",
    ),
    Mutant(
        "take a key that was there for an orphan",
        "model/ownership.py",
        "        key.id not in intent.baseline\n        and",
        "        True\n        and",
    ),
    Mutant(
        "take another stack's key for an orphan",
        "model/ownership.py",
        "and not any(_may_have_created(other, key) for other in others)",
        "and True",
    ),
    Mutant("believe the first listing", "reconcile/observer.py", "_LOOKS = 3", "_LOOKS = 1"),
    Mutant(
        "close the intent before the last look",
        "planning/deployment.py",
        "    return [*actions, LookAgain(SETTLING_TIME if open_intent(observed, place) else 0.0)]\n",
        "    return [*actions, *close_intent(observed, place), LookAgain(0.0)]\n",
    ),
    Mutant("rotate when a label was removed by hand", "planning/deployment.py", "    if repairs:\n", "    if False:\n"),
    Mutant("wipe an old place", "reconcile/reconciler.py", "if self._new_place and not established:", "if True:"),
    Mutant(
        "do not undo a new place", "reconcile/reconciler.py", "if self._new_place and not established:", "if False:"
    ),
    Mutant(
        "leave the place of a failed replacement",
        "entrypoints/custom_resource.py",
        "    _clean_failed_replacement(request, desired.place, context)\n",
        "",
    ),
    Mutant(
        "give up at a lost answer",
        "reconcile/reconciler.py",
        "except (ConflictError, OutcomeUnknownError, KeyLimitReachedError):",
        "except (ConflictError, KeyLimitReachedError):",
    ),
    Mutant(
        "send CreateAccessKey again",
        "aws_calls.py",
        'SENT_ONCE = CLIENT.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))',
        "SENT_ONCE = CLIENT",
        SHARED,
    ),
    Mutant(
        "no patience with a new role",
        "aws_calls.py",
        "_SECONDS_FOR_A_NEW_ROLE = 45.0",
        "_SECONDS_FOR_A_NEW_ROLE = 0.0",
        SHARED,
    ),
    Mutant(
        "answer twice", "custom_resource.py", "            if self._answered:\n                return\n", "", SHARED
    ),
    Mutant(
        "answer with an exception's text",
        "log.py",
        'f"unexpected {type(error).__name__} in the function; its log says where"',
        'f"unexpected {error}"',
        SHARED,
    ),
    Mutant("take a refusal for success", "cfn_response.py", "if status == 200:", "if status in (200, 403):", SHARED),
    Mutant(
        "answer at any length",
        "cfn_response.py",
        'while len(encoded) > MAX_BODY and answer["Reason"]:',
        "while False:",
        SHARED,
    ),
    Mutant(
        "answer an event that is no request",
        "main.py",
        "    if is_request(event):\n",
        "    if isinstance(event, dict):\n",
    ),
    Mutant("accept the root user", "entrypoints/custom_resource_request.py", 'if user_name == "root":', "if False:"),
    Mutant(
        "accept any user name",
        "entrypoints/custom_resource_request.py",
        '_USER_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]{1,64}")',
        '_USER_NAME = re.compile(r"(?s).*")',
    ),
    Mutant(
        "say nothing of what was found",
        "reconcile/reconciler.py",
        "found=findings(self._first or observed, self._desired, self._done),",
        "found=(),",
    ),
    Mutant(
        "tell of an ordinary status change",
        "planning/drift.py",
        "desired.deployed_status or desired.status",
        "desired.status",
    ),
    Mutant("write into what is full", "planning/room.py", "        if missing > 0:\n", "        if False:\n"),
    Mutant(
        "tag a full user in vain",
        "planning/deployment.py",
        " and has_room_for_user_tag(observed.user_tags, target.id):",
        ":",
    ),
    Mutant(
        "no mark for a rollback on a full secret",
        "planning/precedence.py",
        "[UntagSecret(superseded)] if superseded and not",
        "[UntagSecret(superseded)] if False and not",
    ),
    Mutant(
        "no Delete on a full secret",
        "reconcile/reconciler.py",
        "        if in_the_way is not None and not is_buried(secret.tags, place, request, ports.clock.now()):\n",
        "        if True:\n",
    ),
    Mutant(
        "deactivate though used",
        "planning/retirement.py",
        "elif key.active and may_be_in_use(observed, key.id, record, policy):",
        "elif False:",
    ),
    Mutant(
        "a last use that is not read is none",
        "planning/retirement.py",
        "    if use is None:\n        return True\n",
        "    if use is None:\n        return False\n",
    ),
    Mutant(
        "count the grace period from a switch before",
        "planning/retirement.py",
        "    record = Retirement(observed.time, by)\n",
        "    record = retirement_of(observed, place, current.id) or Retirement(observed.time, by)\n",
    ),
    Mutant(
        "switch before the record",
        "planning/rotation.py",
        "        *supersede(observed, place, managed.policy, BY_ROTATION),\n",
        "",
    ),
    Mutant(
        "delete the bad key in an undo",
        "planning/undo.py",
        "        LookAgain(),\n    ]\n",
        "        SetStatus(bad.id, 'Inactive'),\n        __import__('access_key_provider.model.actions', fromlist=['x']).DeleteKey(bad.id),\n"
        "        LookAgain(),\n    ]\n",
    ),
    Mutant(
        "toggle by a second undo",
        "planning/undo.py",
        "    if put_aside(observed, managed.place, key):\n        return False\n",
        "    return True\n",
    ),
    Mutant(
        "move AWSCURRENT from wherever it is",
        "aws/secrets_manager.py",
        'moved_from = {"RemoveFromVersionId": from_version} if from_version else {}',
        "moved_from = {}",
    ),
    Mutant(
        "make a second key under the same token",
        "planning/rotation.py",
        "    if key and key.proven:\n",
        "    if False:\n",
    ),
    Mutant(
        "rotate away the key that a rollback needs",
        "planning/key_limit.py",
        " if not for_rotation or not _kept(observed, place, key)]",
        "]",
    ),
    Mutant(
        "retire while the current key is broken",
        "planning/maintenance.py",
        "    if not current.active and not managed.inactive:\n",
        "    if False:\n",
    ),
    Mutant(
        "leave AWSPENDING behind",
        "planning/deployment.py",
        "[RemoveLabel(pending.id, PENDING)] if pending and",
        "[RemoveLabel(pending.id, PENDING)] if False and pending and",
    ),
    Mutant(
        "store before the proof in a rotation",
        "planning/rotation.py",
        "        ProveKey(),\n        StoreSecret(token, str(next_label(observed, place, managed.serial_digest))),\n",
        "        StoreSecret(token, str(next_label(observed, place, managed.serial_digest))),\n        ProveKey(),\n",
    ),
    Mutant(
        "leave a dead look's deletion",
        "planning/maintenance.py",
        "        *_finish_deletions(observed, managed),\n",
        "",
    ),
    Mutant(
        "take a person's key for one of an own creation",
        "model/ownership.py",
        "    if ended and announced.since == announced.until:\n",
        "    if False:\n",
    ),
    Mutant("delete in an audit", "decision.py", "if rules.mode is not Mode.DELETE_UNUSED:", "if False:", GUARDS),
    Mutant(
        "a schedule for each attempt that failed",
        "entrypoints/repetition.py",
        "    return _EPOCH + quarters * _QUARTER\n",
        "    return now + _QUARTER\n",
    ),
    Mutant(
        "come back to nothing", "entrypoints/repetition.py", "    ports.schedules.create(name, again, repeated)\n", ""
    ),
    Mutant("heed an alarm of before", "planning/undo.py", "    if alarm < record.replaced:\n", "    if False:\n"),
    Mutant(
        "take a late record for no use",
        "planning/retirement.py",
        "max(since, min(record.replaced, observed.time - LAST_USE_LAG))",
        "max(since, record.replaced)",
    ),
    Mutant(
        "hold back in silence",
        "planning/maintenance.py",
        "    return [\n        tell_of(HELD_BACK,",
        "    return [] and [\n        tell_of(HELD_BACK,",
    ),
    Mutant(
        "an hour for a cut-over that never comes",
        "model/retirement_rules.py",
        "max(self.time_active, LAST_USE_LAG)",
        "max(self.grace, LAST_USE_LAG)",
    ),
    Mutant(
        "take an unknown use for none",
        "decision.py",
        "    if isinstance(use, UnknownUse):\n        return Decision(Action.KEEP, told)\n    last =",
        "    use = LastUse(None) if isinstance(use, UnknownUse) else use\n    last =",
        GUARDS,
    ),
    Mutant("fail a rollback", "checks.py", 'any("ROLLBACK" in stack', 'any("NEVER" in stack', GUARDS),
    Mutant("take any failed update for a rollback", "checks.py", '"ROLLBACK" in stack', '"_" in stack', GUARDS),
    Mutant(
        "delete a second early",
        "decision.py",
        "if now - last < rules.unused_for:",
        "if now - last < rules.unused_for * 0.99:",
        GUARDS,
    ),
    Mutant("forget the age of a key", "decision.py", "max(use.at, key.created)", "use.at", GUARDS),
    Mutant("delete without a plan", "deletion.py", "due = wanted if settings.at_once else", "due = wanted or", GUARDS),
    Mutant("plan for nobody", "audit.py", "settings.at_once or key.id in account.due", "settings.at_once", GUARDS),
    Mutant("object for a second", "plan.py", "if now - at >= notice_period)", "if now > at)", GUARDS),
    Mutant("object for ever", "summary.py", "before.published(account_id).get(key_id, now)", "now", GUARDS),
    Mutant("publish in the future", "summary.py", "min(first, now)", "first", GUARDS),
    Mutant("take a time without its zone", "plan.py", "if at.tzinfo is None:", "if False:", GUARDS),
    Mutant(
        "enter whatever account is asked for",
        "audit.py",
        "    check_selected(settings.selection, account.id)\n",
        "",
        GUARDS,
    ),
    Mutant(
        "delete in whatever account", "deletion.py", "    check_selected(settings.selection, account.id)\n", "", GUARDS
    ),
    Mutant("look in the first unit only", "accounts.py", "range(_DEEPEST)", "range(1)", GUARDS),
    Mutant("excluded is chosen", "accounts.py", "account_id in selection.excluding or not", "not", GUARDS),
    Mutant(
        "the root is below a unit",
        "accounts.py",
        'if not parents or parents[0]["Type"] == "ROOT":\n            return False',
        'if not parents or parents[0]["Type"] == "ROOT":\n            return True',
        GUARDS,
    ),
    Mutant("go on after a change of settings", "settings.py", "if run.settings != self.digest:", "if False:", GUARDS),
    Mutant(
        "publish for other settings",
        "finish.py",
        "if settings.deletes and run.settings == settings.digest:",
        "if settings.deletes:",
        GUARDS,
    ),
    Mutant("delete in the management account", "deletion.py", " or account.management:", ":", GUARDS),
    Mutant("a run never ends", "deletion.py", "if now - run.began > _LONGEST_RUN:", "if False:", GUARDS),
    Mutant("write beside the run", "model.py", "[^\\s/]{1,80}", ".{1,80}", GUARDS),
    Mutant(
        "any text for an account",
        "model.py",
        '_ACCOUNT = re.compile(r"\\d{12}", re.ASCII)',
        '_ACCOUNT = re.compile(r".*")',
        GUARDS,
    ),
    Mutant("say anything in a notice", "summary.py", " if letter.isprintable()", "", GUARDS),
    Mutant("no patience with a step's new role", "calls.py", "if since is None or", "if", GUARDS),
    Mutant(
        "patience with every account", "calls.py", "< SECONDS_FOR_A_NEW_ROLE:", "> -SECONDS_FOR_A_NEW_ROLE:", GUARDS
    ),
    Mutant(
        "patience inside an account", "root_session.py", "listed = call(lambda", "listed = call_by_role(lambda", GUARDS
    ),
    Mutant(
        "an unreadable plan fails the run",
        "store.py",
        "except (ValueError, KeyError, TypeError):",
        "except ZeroDivisionError:",
        GUARDS,
    ),
    Mutant(
        "announce what was kept",
        "summary.py",
        "_ANNOUNCED = (KeyOutcome.PLANNED, KeyOutcome.FAILED)",
        "_ANNOUNCED = tuple(KeyOutcome)",
        GUARDS,
    ),
    Mutant(
        "forget the plan of an account that failed",
        "summary.py",
        'dict(before.published(one["AccountId"]))',
        "{}",
        GUARDS,
    ),
    Mutant(
        "delete in a dry run",
        "start.py",
        "settings.deletes and not dry and (",
        "settings.deletes and (",
        GUARDS,
    ),
    Mutant(
        "delete in a run that must not", "deletion.py", "if not (settings.deletes and run.deletes)", "if False", GUARDS
    ),
    Mutant(
        "do not look again",
        "deletion.py",
        "[judged(session, key, settings.rules) for key in keys]",
        '[KeyResult(key, KeyOutcome.PLANNED, "planned") for key in keys]',
        GUARDS,
    ),
    Mutant("delete what came later", "deletion.py", "if one.key.id in due else one", "if True else one", GUARDS),
    Mutant(
        "do not prove a deletion", "deletion.py", "for pause in _PAUSES:", "left = set()\n    for pause in ():", GUARDS
    ),
    Mutant(
        "a key that is gone is an error", "root_session.py", "if error.code != _NO_SUCH_ENTITY:", "if True:", GUARDS
    ),
    Mutant(
        "no account without result",
        "summary.py",
        "    if result is None:\n",
        '    if result is None:\n        result = {"Account": account, "Outcome": "clean", "Keys": [], "Why": ""}\n    if result is False:\n',
        GUARDS,
    ),
    Mutant("announce for all settings", "store.py", ' if stored["Settings"] == digest else None', "", GUARDS),
    Mutant(
        "lose the keys of a deletion that failed",
        "summary.py",
        'list(result.get("Found", ()))',
        "list[object]()",
        GUARDS,
    ),
    Mutant(
        "throttled for good",
        "calls.py",
        "if code in THROTTLED or code == _NOT_KNOWN_YET or",
        "if code == _NOT_KNOWN_YET or",
        GUARDS,
    ),
    Mutant(
        "tell nobody of a failed run",
        "finish.py",
        '            if member(event, "Failure") is not None:\n                return _tell_failure',
        '            if member(event, "Failure") is not None:\n                return {}\n                return _tell_failure',
        GUARDS,
    ),
)


def killed_by(mutant: Mutant) -> str | None:
    """Plant a bug in a copy, and name the first test that fails; None if none does."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, copy / name)
        module = copy / mutant.path
        module.write_text(module.read_text("utf-8").replace(mutant.before, mutant.after, 1), "utf-8")
        command = [
            sys.executable,
            "-m",
            "pytest",
            *mutant.tests,
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:randomly",
        ]
        done = subprocess.run(
            command,
            cwd=copy,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode == 0:
        return None
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0].split(" ")[1].removeprefix("tests/") if failed else "nothing could be run"


def main(names: list[str]) -> int:
    """Try the mutants with these names, or all, and return the exit code."""
    chosen = [mutant for mutant in MUTANTS if not names or mutant.name in names]
    stale = [mutant.name for mutant in chosen if mutant.before not in (ROOT / mutant.path).read_text("utf-8")]
    if stale:
        print("no longer in the code:", *stale, sep="\n  ")
        return 1
    killed = 0
    with ThreadPoolExecutor(JOBS) as pool:
        for mutant, test in zip(chosen, pool.map(killed_by, chosen), strict=True):
            killed += test is not None
            print(f"{'killed' if test else 'ALIVE '}  {mutant.name:48} {test or ''}", flush=True)
    print(f"{killed} of {len(chosen)} killed")
    return 0 if killed == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
