"""What a key's stack exports of it, and with that promises not to change.

CloudFormation refuses to change the value of an export that another stack imports, and so does the CDK for what it
carries into another region. A rotation changes the key's id and the version of its secret.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-exports.html
"""

import json
from typing import Any

from aws_cdk import Stack

from cdk_iam_access_key._shared.templates import Templates, refers_to, resources_of, stacks_below

_CHANGE = ("AccessKeyId", "SecretVersionId", "Status")
# What the CDK defines for references into other regions.
_INTO_ANOTHER_REGION = "Custom::CrossRegionExportWriter"


def exported(stack: Stack, logical_id: str, templates: Templates) -> str | None:
    """Say what is wrong if the stack of a key exports what changes with a rotation."""
    found = _exports(stack, logical_id, _CHANGE, templates)
    if not found:
        return None
    names = [name if isinstance(name, str) else json.dumps(name) for _, name in found]
    users = [
        one.node.path
        for one in stacks_below(stack.node.root)
        if one not in [exporting for exporting, _ in found]
        and any(name in json.dumps(templates.of(one)) for name in names)
    ]
    by = f"used by {' and '.join(users)}" if users else "used by no stack of this app"
    return (
        "must be rotated, and its stack must not export its id, its status or the version of its "
        f"secret (access_key_id, status, secret_version_id, secret_value), got the export {', '.join(names)}, {by}: "
        "CloudFormation refuses to change an export in use, so each deployment that rotates would fail; let the other "
        "stack read the secret while it runs (key.grant_read), or refer to key.secret, whose ARN stays"
    )


def _exports(
    stack: Stack, logical_id: str, attributes: tuple[str, ...], templates: Templates
) -> list[tuple[Stack, Any]]:
    template, found = templates.of(stack), list[tuple[Stack, Any]]()
    for name, output in template.get("Outputs", {}).items():
        if not refers_to(output["Value"], logical_id, attributes):
            continue
        if "Export" in output:
            found.append((stack, output["Export"]["Name"]))
        parent, nested = stack.nested_stack_parent, stack.nested_stack_resource
        if parent is not None and nested is not None:
            found += _exports(parent, str(parent.resolve(nested.logical_id)), (f"Outputs.{name}",), templates)
    for resource in resources_of(template).values():
        if resource["Type"] == _INTO_ANOTHER_REGION:
            written = resource["Properties"]["WriterProps"]["exports"]
            found += [(stack, name) for name, value in written.items() if refers_to(value, logical_id, attributes)]
    return found
