"""What CloudFormation makes of a template that asks for parameters: conditions decided, parameters put in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_ABSENT = object()


@dataclass(frozen=True)
class Evaluated:
    """A template with parameters, by their names; the others have their defaults.

    References to resources and pseudo parameters stay as they are.
    """

    template: dict[str, Any]
    given: dict[str, str]

    @property
    def resources(self) -> dict[str, Any]:
        """The resources that are made, each with its properties alone."""
        return {
            name: self.value(resource.get("Properties", {}))
            for name, resource in self.template["Resources"].items()
            if "Condition" not in resource or self._condition(resource["Condition"])
        }

    @property
    def refusals(self) -> list[str]:
        """What the rules say against the parameters."""
        return [
            assertion["AssertDescription"]
            for rule in self.template["Rules"].values()
            if self._holds(rule["RuleCondition"])
            for assertion in rule["Assertions"]
            if not self._holds(assertion["Assert"])
        ]

    def value(self, element: Any) -> Any:
        """Evaluate a part of the template."""
        match element:
            case list():
                found: Any = [one for one in map(self.value, element) if one is not _ABSENT]
            case {"Ref": "AWS::NoValue"}:
                found = _ABSENT
            case {"Ref": name} if name in self.template["Parameters"]:
                found = self.given.get(name, str(self.template["Parameters"][name]["Default"]))
            case {"Fn::If": [condition, then, otherwise]}:
                found = self.value(then if self._condition(condition) else otherwise)
            case {"Fn::Sub": str(text)}:
                for name in self.template["Parameters"]:
                    text = text.replace(f"${{{name}}}", self.value({"Ref": name}))
                found = text if "${" not in text else {"Fn::Sub": text}
            case {"Fn::Join": [separator, list(parts)]}:
                found = _joined(separator, self.value(parts))
            case dict():
                evaluated = {name: self.value(one) for name, one in element.items()}
                found = {name: one for name, one in evaluated.items() if one is not _ABSENT}
            case _:
                found = element
        return found

    def _condition(self, name: str) -> bool:
        return self._holds(self.template["Conditions"][name])

    def _holds(self, condition: dict[str, Any]) -> bool:
        match condition:
            case {"Condition": name}:
                return self._condition(name)
            case {"Fn::Equals": [one, other]}:
                return bool(self.value(one) == self.value(other))
            case {"Fn::Not": [one]}:
                return not self._holds(one)
            case {"Fn::And": parts}:
                return all(map(self._holds, parts))
        raise AssertionError(condition)


def _joined(separator: str, parts: list[Any]) -> Any:
    """Join what is known, as the CDK does."""
    joined: list[Any] = []
    for part in parts:
        inner = (
            part["Fn::Join"][1] if isinstance(part, dict) and part.get("Fn::Join", [None])[0] == separator else [part]
        )
        for one in inner:
            if joined and isinstance(one, str) and isinstance(joined[-1], str):
                joined[-1] += separator + one
            else:
                joined.append(one)
    return joined[0] if len(joined) == 1 else {"Fn::Join": [separator, joined]}
