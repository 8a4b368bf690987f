"""References in a resource's metadata: the resource waits for what they name.

`DependsOn` takes no condition, a reference in the metadata does. ministack orders by properties and `DependsOn` alone.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-metadata.html
"""

from __future__ import annotations

from typing import Any

from ministack.services.cloudformation import engine

from local_cloud.replacing import Function, replace_function


def apply() -> None:
    """Add them to what a resource needs."""
    replace_function(engine, "_extract_deps", "resource_def all_resource_names", _with_metadata)


def _with_metadata(original: Function) -> Function:
    def extract_deps(resource_def: dict[str, Any], all_resource_names: set[str]) -> set[str]:
        named = {name for name, _ in engine._intrinsic_references(resource_def.get("Metadata", {}))}
        needed: set[str] = original(resource_def, all_resource_names)
        return needed | (named & all_resource_names)

    return extract_deps
