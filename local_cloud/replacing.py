"""Replace a piece of ministack, or fail loudly when it is no longer what was replaced."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

Function = Callable[..., Any]
Replacement = Callable[[Function], Function]


class PatchError(RuntimeError):
    """This ministack has changed where it is patched: look at the patch again."""


def replace_function(module: ModuleType, name: str, parameters: str, replacement: Replacement) -> None:
    """Replace a module's function by what `replacement` makes of it.

    Args:
        module: The module that callers find the function in.
        name: The function's name.
        parameters: The names of its parameters, separated by blanks, as they were when the patch was written.
        replacement: Gets the original, gives the function to use instead.

    Raises:
        PatchError: There is no such function, or it takes other parameters.
    """
    original = _checked(getattr(module, name, None), f"{module.__name__}.{name}", parameters)
    setattr(module, name, functools.update_wrapper(replacement(original), original))


def replace_item(table: MutableMapping[str, Any], key: str, parameters: str, replacement: Replacement) -> None:
    """Replace a function in a table of functions, as `replace_function` does in a module."""
    original = _checked(table.get(key), key, parameters)
    table[key] = functools.update_wrapper(replacement(original), original)


def add_item(table: MutableMapping[str, Any], key: str, value: Any) -> None:
    """Add what ministack does not have.

    Raises:
        PatchError: It has it by now, so that the patch may go.
    """
    if key in table:
        raise PatchError(f"ministack has {key} now")
    table[key] = value


def replace_number(module: ModuleType, name: str, value: float) -> None:
    """Replace a number that a module goes by.

    Raises:
        PatchError: There is no such number.
    """
    found = getattr(module, name, None)
    if not isinstance(found, int | float):
        raise PatchError(f"ministack has no number {module.__name__}.{name} any more")
    setattr(module, name, value)


def _checked(original: Any, name: str, parameters: str) -> Function:
    if not callable(original):
        raise PatchError(f"ministack has no function {name} any more")
    # A function that was replaced before still shows the parameters of ministack's.
    found = " ".join(inspect.signature(original).parameters)
    if found != parameters:
        raise PatchError(f"{name} of ministack takes ({found}), not ({parameters})")
    function: Function = original
    return function
