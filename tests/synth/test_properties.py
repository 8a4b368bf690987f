"""docs/properties.md has the properties that the constructs have, and the defaults that they say themselves."""

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from cdk_iam_access_key import AccessKey, AccessKeyProvider, FunctionOptions

PAGE = Path(__file__).parents[2] / "docs" / "properties.md"


def rows(name: str) -> dict[str, list[str]]:
    """Return what the page says of the properties of a construct."""
    section = PAGE.read_text("utf-8").partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    lines = [line[1:-1].split("|") for line in section.splitlines() if line.startswith("| `")]
    return {first.strip(" `"): [cell.strip() for cell in rest] for first, *rest in lines}


def properties(construct: Any) -> dict[str, inspect.Parameter]:
    """Return the keyword-only parameters of a construct."""
    parameters = inspect.signature(construct.__init__).parameters
    return {name: one for name, one in parameters.items() if one.kind is inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.parametrize("construct", [AccessKey, AccessKeyProvider, FunctionOptions])
def test_page_has_each_property_in_order(construct: Any) -> None:
    """With a default and what a change of it does; the docstring has it, too, in the same order."""
    page = rows(construct.__name__)
    names = list(properties(construct))
    assert list(page) == names
    assert all(default and change for default, _, change in page.values())
    arguments = str(inspect.getdoc(construct)).partition("\nArgs:\n")[2].partition("\n\n")[0]
    assert [name for name in re.findall(r"^    (\w+): ", arguments, re.MULTILINE) if name in names] == names


@pytest.mark.parametrize("construct", [AccessKey, AccessKeyProvider, FunctionOptions])
def test_page_has_the_defaults_of_the_signature(construct: Any) -> None:
    """A default of the signature stands there as it is; where there is none, the construct chooses."""
    for name, parameter in properties(construct).items():
        default = rows(construct.__name__)[name][0]
        if parameter.default is inspect.Parameter.empty:
            assert default == "required"
        elif parameter.default is not None:
            shown = getattr(parameter.default, "name", None) or getattr(parameter.default, "kind", parameter.default)
            assert default == f"`{str(shown).upper()}`"
        else:
            assert default != "required"
