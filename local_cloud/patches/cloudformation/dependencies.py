"""What of a stack waits for what, and how much of it runs at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ministack.core.concurrency import run_reentrant
from ministack.services.cloudformation import engine, stacks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

# Each is a process on this machine while it runs; AWS has more.
_FUNCTIONS_AT_ONCE = 8


def needs(definitions: dict[str, Any], logical_ids: Collection[str]) -> dict[str, set[str]]:
    """Give of each resource which others it refers to or names in `DependsOn`."""
    names = set(logical_ids)
    return {name: engine._extract_deps(definitions.get(name) or {}, names) - {name} for name in names}


def needed_by(definitions: dict[str, Any], logical_ids: Collection[str]) -> dict[str, set[str]]:
    """Give of each resource which others need it."""
    waiting: dict[str, set[str]] = {name: set() for name in logical_ids}
    for name, needed in needs(definitions, logical_ids).items():
        for each in needed:
            waiting[each].add(name)
    return waiting


class SideBySide:
    """Work on the resources of a stack, each as soon as those before it are done.

    Args:
        before: Of each resource those that come before it.
        work: Does the work on one; its answer is handed to those after it.
    """

    def __init__(self, before: dict[str, set[str]], work: Callable[[str, list[Any]], Awaitable[Any]]) -> None:
        self._before, self._work = before, work
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    def start(self, order: Collection[str]) -> dict[str, asyncio.Task[Any]]:
        """Start with the resources in an order, which decides where nothing else does."""
        for name in order:
            self._tasks[name] = asyncio.create_task(self._when_ready(name))
        return self._tasks

    async def _when_ready(self, name: str) -> Any:
        answers = [await self._tasks[each] for each in sorted(self._before[name]) if each in self._tasks]
        return await self._work(name, answers)


class Limit:
    """Run what blocks on threads, some at once; all else at once and at its place."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(_FUNCTIONS_AT_ONCE)

    async def run(self, kind: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function for a resource of a kind."""
        if not stacks._runs_on_worker_thread(kind):
            return function(*arguments)
        async with self._free:
            return await run_reentrant(function, *arguments)
