"""SSM's Parameter Store: versions and labels of a SecureString parameter."""

from __future__ import annotations

from typing import Any

import pytest
from contract.subjects import refused

NAME = "/ci/key"


def put(parameters: Any, value: str, *, overwrite: bool = False) -> int:
    """Write a version, and return its number."""
    written = parameters.put_parameter(
        Name=NAME, Value=value, Type="SecureString", Tier="Standard", Description="a copy", Overwrite=overwrite
    )
    return int(written["Version"])


def label(parameters: Any, version: int, name: str = "current") -> list[str]:
    """Put a label on a version; return the labels that can't be."""
    labelled = parameters.label_parameter_version(Name=NAME, ParameterVersion=version, Labels=[name])
    return list(labelled["InvalidLabels"])


def test_each_write_is_a_version(parameters: Any) -> None:
    """Counted from one."""
    assert put(parameters, "one") == 1
    assert put(parameters, "two", overwrite=True) == 2


def test_what_is_there_is_not_written_over_unless_asked(parameters: Any) -> None:
    """That is how a parameter of somebody else is seen."""
    put(parameters, "one")
    with refused("ParameterAlreadyExists", status=400):
        put(parameters, "two")


def test_a_label_moves(parameters: Any) -> None:
    """From one version to another and back, without a value."""
    for number in (1, 2):
        put(parameters, str(number), overwrite=True)
    assert [label(parameters, version) for version in (1, 2, 1)] == [[], [], []]


def test_a_label_needs_its_version(parameters: Any) -> None:
    """And the parameter."""
    put(parameters, "one")
    with refused("ParameterVersionNotFound", status=400):
        label(parameters, 2)


@pytest.mark.parametrize("call", ["label", "delete"])
def test_a_parameter_that_is_gone(parameters: Any, call: str) -> None:
    """Is not found."""
    put(parameters, "one")
    parameters.delete_parameter(Name=NAME)
    with refused("ParameterNotFound", status=400):
        if call == "label":
            label(parameters, 1)
        else:
            parameters.delete_parameter(Name=NAME)


def test_a_parameter_that_is_made_again_counts_from_one(parameters: Any) -> None:
    """With its versions go its labels."""
    put(parameters, "one")
    label(parameters, 1)
    parameters.delete_parameter(Name=NAME)
    assert put(parameters, "two") == 1
