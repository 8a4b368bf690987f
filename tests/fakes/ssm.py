"""SSM's Parameter Store: SecureString parameters, their versions and labels.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html
https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_LabelParameterVersion.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fakes.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fakes.state import State

Answer = dict[str, Any]

_LONGEST_VALUE = 4096


@dataclass(slots=True)
class Parameter:
    """A parameter: its values, oldest first, and the version that each label is on."""

    values: list[str] = field(repr=False)
    labels: dict[str, int] = field(default_factory=dict)

    def read(self, label: str = "") -> str:
        """Read what a label is on; what was written last without one."""
        return self.values[self.labels[label] - 1] if label else self.values[-1]


def _parameter(state: State, parameters: Mapping[str, Any]) -> Parameter:
    found = state.parameters.get((state.asked_in or state.region, parameters["Name"]))
    if found is None:
        raise ServiceError("ParameterNotFound", f"Parameter {parameters['Name']} not found.")
    return found


def put_parameter(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Write a version, of the standard tier's length."""
    if len(parameters["Value"].encode()) > _LONGEST_VALUE:
        raise ServiceError("ValidationException", "Standard tier parameters support a maximum of 4096 characters.")
    place = (state.asked_in or state.region, parameters["Name"])
    found = state.parameters.get(place)
    if found and not parameters.get("Overwrite"):
        message = "The parameter already exists. To overwrite this value, set the overwrite option to true."
        raise ServiceError("ParameterAlreadyExists", message)
    if found:
        found.values.append(parameters["Value"])
    else:
        found = state.parameters[place] = Parameter([parameters["Value"]])
    state.changed()
    return {"Version": len(found.values), "Tier": "Standard"}


def label_parameter_version(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Put labels on a version; they leave the one that they were on."""
    found, version = _parameter(state, parameters), parameters["ParameterVersion"]
    if not 1 <= version <= len(found.values):
        raise ServiceError("ParameterVersionNotFound", f"Systems Manager could not find version {version}.")
    labels = {**found.labels, **dict.fromkeys(parameters["Labels"], version)}
    if labels != found.labels:
        found.labels = labels
        state.changed()
    return {"InvalidLabels": [], "ParameterVersion": version}


def delete_parameter(state: State, parameters: Mapping[str, Any]) -> Answer:
    """Delete a parameter with all its versions."""
    _parameter(state, parameters)
    del state.parameters[state.asked_in or state.region, parameters["Name"]]
    state.changed()
    return {}
