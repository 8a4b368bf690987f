"""Executes a state machine's definition, as far as the guard's needs the language; waits are left out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PUT = "arn:aws:states:::aws-sdk:s3:putObject"
_READ = "arn:aws:states:::s3:getObject"


class StateError(Exception):
    """A state failed."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause


@dataclass
class Execution:
    """One execution.

    Attributes:
        functions: by what a state names as its resource.
        objects: of the bucket.
        context: what `$$` is.
        visited: the states, in order.
        unread: how often the object that a map reads can't be read yet.
    """

    functions: Mapping[str, Callable[[Any], Any]]
    objects: dict[str, bytes]
    context: dict[str, Any]
    visited: list[str] = field(default_factory=list)
    unread: int = 0

    def run(self, machine: Mapping[str, Any], data: Any) -> Any:
        """Execute from the first state on. Raises StateError."""
        name = machine["StartAt"]
        while True:
            self.visited.append(name)
            state = machine["States"][name]
            data = json.loads(json.dumps(data))
            try:
                data, following = self._carry_out(state, data)
            except StateError as error:
                caught = next((one for one in state.get("Catch", []) if _matches(one, error)), None)
                if caught is None:
                    raise
                data = _placed(data, caught["ResultPath"], {"Error": error.error, "Cause": error.cause})
                following = caught["Next"]
            if following is None:
                return data
            name = following

    def _carry_out(self, state: Mapping[str, Any], data: Any) -> tuple[Any, str | None]:
        following = state.get("Next")
        match state["Type"]:
            case "Task":
                made = self._patiently(state, self._task, data)
                return _placed(data, state.get("ResultPath", "$"), made), following
            case "Map":
                self._patiently(state, self._each, data)
                assert state["ResultPath"] is None
                return data, following
            case "Choice":
                (choice,) = state["Choices"]
                assert choice["IsPresent"] is True
                there = _found(data, choice["Variable"]) is not None
                return data, choice["Next"] if there else state["Default"]
            case "Pass":
                return state["Result"], following
            case "Fail":
                raise StateError("Failed", "")
        raise NotImplementedError(state["Type"])

    def _patiently(
        self, state: Mapping[str, Any], attempt_it: Callable[[Mapping[str, Any], Any], Any], data: Any
    ) -> Any:
        left = [[retry, retry["MaxAttempts"]] for retry in state["Retry"]]
        while True:
            try:
                return attempt_it(state, data)
            except StateError as error:
                # The first rule that knows the error decides, each by a count of its own.
                rule = next((one for one in left if _matches(one[0], error)), None)
                if rule is None or not rule[1]:
                    raise
                rule[1] -= 1

    def _task(self, state: Mapping[str, Any], data: Any) -> Any:
        resource, given = state["Resource"], self._filled(state["Parameters"], data)
        if resource == _PUT:
            self.objects[given["Key"]] = json.dumps(given["Body"]).encode()
            return {}
        try:
            return json.loads(json.dumps(self.functions[resource](json.loads(json.dumps(given)))))
        except Exception as error:
            cause = json.dumps({"errorMessage": str(error), "errorType": type(error).__name__})
            raise StateError(type(error).__name__, cause) from error
        except BaseException as error:
            raise StateError("Lambda.Unknown", "the function was ended") from error

    def _each(self, state: Mapping[str, Any], data: Any) -> None:
        assert state["ItemReader"]["Resource"] == _READ
        assert state["ToleratedFailurePercentage"] == 100
        if self.unread:
            self.unread -= 1
            raise StateError("States.ItemReaderFailed", "Access Denied")
        key = self._filled(state["ItemReader"]["Parameters"], data)["Key"]
        for item in json.loads(self.objects[key]):
            child = Execution(
                self.functions, self.objects, self.context | {"Map": {"Item": {"Value": item}}}, self.visited
            )
            child.run(state["ItemProcessor"], child._filled(state["ItemSelector"], data))

    def _filled(self, template: Any, data: Any) -> Any:
        """Fill in what the names that end in `.$` refer to."""
        if not isinstance(template, dict):
            return template
        return {
            name.removesuffix(".$"): self._value(value, data) if name.endswith(".$") else self._filled(value, data)
            for name, value in template.items()
        }

    def _value(self, path: str, data: Any) -> Any:
        formatted = re.fullmatch(r"States\.Format\('(.*)', (.*)\)", path)
        if formatted:
            values = [self._value(one, data) for one in formatted[2].split(", ")]
            return formatted[1].format(*values)
        found = _found(self.context, path[1:]) if path.startswith("$$") else _found(data, path)
        if found is None:
            raise StateError("States.ParameterPathFailure", path)
        return found


def _found(data: Any, path: str) -> Any:
    for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", path):
        try:
            data = data[name] if name else data[int(index)]
        except (KeyError, IndexError):
            return None
    return data


def _placed(data: Any, path: str, result: Any) -> Any:
    return result if path == "$" else data | {path.removeprefix("$."): result}


def _matches(rule: Mapping[str, Any], error: StateError) -> bool:
    return bool({"States.ALL", error.error} & set(rule["ErrorEquals"]))
