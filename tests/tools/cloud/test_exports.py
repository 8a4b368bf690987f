"""The embedded account keeps an export that another stack imports."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tools.cloud.cloudformation_stack import Stack

if TYPE_CHECKING:
    from tools.cloud.cloudformation_stack import Template

    from local_cloud import LocalCloud

pytestmark = pytest.mark.thorough

TOPIC: Template = {"Type": "AWS::SNS::Topic"}


def exporting(value: str | None) -> Template:
    """Declare a stack that exports a value under the name `shared`, or nothing."""
    exported = {"Shared": {"Value": value, "Export": {"Name": "shared"}}}
    return {"Resources": {"Topic": TOPIC}, "Outputs": {"Always": {"Value": "same"}} | (exported if value else {})}


IMPORTING: Template = {
    "Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Fn::ImportValue": "shared"}}}}
}


@pytest.fixture
def importer(empty_cloud: LocalCloud, stack: Stack) -> Stack:
    """Give a stack that imports what `stack` exports."""
    assert stack.create(exporting("one")) == "CREATE_COMPLETE"
    importer = Stack(empty_cloud)
    assert importer.create(IMPORTING) == "CREATE_COMPLETE"
    return importer


@pytest.mark.parametrize(("value", "verb"), [("two", "update"), (None, "delete")])
def test_an_export_in_use_neither_changes_nor_goes(
    cloud: LocalCloud, stack: Stack, importer: Stack, value: str | None, verb: str
) -> None:
    """The update is rolled back, and says who uses it."""
    assert stack.update(exporting(value)) == "UPDATE_ROLLBACK_COMPLETE"
    assert f"Cannot {verb} export shared as it is in use by {importer.name}" in stack.reasons(stack.name)[0]
    (export,) = cloud.client("cloudformation").list_exports()["Exports"]
    assert export["Value"] == "one"


@pytest.mark.parametrize("value", ["two", None])
def test_an_export_that_nobody_uses_any_more_is_free(
    cloud: LocalCloud, stack: Stack, importer: Stack, value: str | None
) -> None:
    """It changes, or goes."""
    assert importer.delete() == "DELETE_COMPLETE"
    assert stack.update(exporting(value)) == "UPDATE_COMPLETE"
    exports = cloud.client("cloudformation").list_exports()["Exports"]
    assert [export["Value"] for export in exports] == ([value] if value else [])


def test_another_part_of_an_exporting_stack_changes(stack: Stack, importer: Stack) -> None:
    """Only the value of the export counts."""
    template = exporting("one")
    template["Outputs"]["Always"]["Value"] = importer.name
    assert stack.update(template) == "UPDATE_COMPLETE"


def test_a_nested_stack_exports(cloud: LocalCloud, stack: Stack) -> None:
    """A stack beside it imports what it exports, and its deletion takes the export away."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="nested")
    for name, template in (("exporting", exporting("one")), ("importing", IMPORTING)):
        s3.put_object(Bucket="nested", Key=name, Body=json.dumps(template).encode())
    kind, url = "AWS::CloudFormation::Stack", f"{cloud.endpoint_url}/nested"
    parent: Template = {
        "Resources": {
            "Exporting": {"Type": kind, "Properties": {"TemplateURL": f"{url}/exporting"}},
            "Importing": {
                "Type": kind,
                "DependsOn": "Exporting",
                "Properties": {"TemplateURL": f"{url}/importing"},
            },
        }
    }
    assert stack.create(parent) == "CREATE_COMPLETE"
    assert [export["Value"] for export in cloud.client("cloudformation").list_exports()["Exports"]] == ["one"]
    assert stack.delete() == "DELETE_COMPLETE"
    assert cloud.client("cloudformation").list_exports()["Exports"] == []
