"""The templates of an app as they are about to be written, with what aspects, references and overrides made of them.

A construct shows the properties that it was given. An override of them, of its type, or of its condition is in the
template alone, so whoever judges what will be deployed reads that.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import jsii
from aws_cdk import CfnElement, ISynthesisSession, LegacyStackSynthesizer, NestedStackSynthesizer, Stack
from aws_cdk.cx_api import CloudAssemblyBuilder
from constructs import IConstruct

Template = Mapping[str, Any]


class Templates:
    """Renders the stacks of an app, each once. For the validation of a construct, when all is said."""

    def __init__(self) -> None:
        self._rendered: dict[Stack, Template] = {}

    def of(self, stack: Stack) -> Template:
        """Return the template of a stack, also of a nested one."""
        if stack not in self._rendered:
            self._rendered[stack] = _render(stack)
        return self._rendered[stack]


def stacks_below(scope: IConstruct) -> list[Stack]:
    """List the stacks of a scope, in its stages and nested too."""
    return [one for one in scope.node.find_all() if isinstance(one, Stack)]


def resources_of(template: Template) -> dict[str, Any]:
    """Return the resources of a template; one of outputs alone has none."""
    found: dict[str, Any] = template.get("Resources", {})
    return found


def written(element: IConstruct | None, templates: Templates) -> dict[str, Any] | None:
    """Return a resource as its template has it, or None if it does not."""
    if element is None:
        return None
    stack = Stack.of(element)
    name = stack.resolve(cast("CfnElement", element).logical_id)
    return resources_of(templates.of(stack)).get(name)


def paths_of(stack: Stack) -> dict[str, str]:
    """Give the paths of the constructs of a stack by their logical ids."""
    elements: list[Any] = [one for one in stack.node.find_all() if isinstance(one, CfnElement)]
    return {
        str(stack.resolve(cast("CfnElement", one).logical_id)): one.node.path
        for one in elements
        if Stack.of(one) is stack
    }


def walk(value: Any) -> Iterator[Any]:
    """Give a value of a template, and each that is in it."""
    yield value
    if isinstance(value, dict):
        for inner in value.values():
            yield from walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner)


def refers_to(value: Any, logical_id: str, attributes: tuple[str, ...]) -> bool:
    """Tell whether a value of a template has an attribute of a resource in it."""
    dotted = [f"{logical_id}.{attribute}" for attribute in attributes]
    listed = [[logical_id, attribute] for attribute in attributes]
    for one in walk(value):
        if isinstance(one, dict) and (one.get("Fn::GetAtt") in listed or one.get("Fn::GetAtt") in dotted):
            return True
        if isinstance(one, str) and any(f"${{{name}}}" in one for name in dotted):
            return True
    return False


def _render(stack: Stack) -> Template:
    # A synthesizer of its own: it writes the template and nothing else, and the stack does not know of it.
    synthesizer = NestedStackSynthesizer(LegacyStackSynthesizer())
    synthesizer.bind(stack)
    with TemporaryDirectory() as directory:
        synthesizer.synthesize(cast("ISynthesisSession", _Session(directory)))
        template: Template = json.loads(Path(directory, stack.template_file).read_text("utf-8"))
    return template


@jsii.implements(ISynthesisSession)
class _Session:
    def __init__(self, directory: str) -> None:
        self._directory, self._builder = directory, CloudAssemblyBuilder(directory)

    @property
    def assembly(self) -> CloudAssemblyBuilder:
        return self._builder

    @property
    def outdir(self) -> str:
        return self._directory

    @property
    def validate_on_synth(self) -> bool:
        return False
