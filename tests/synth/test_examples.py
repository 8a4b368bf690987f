"""Each example is an app that synthesizes as it stands."""

import ast
import re
from pathlib import Path

import pytest
from cfnlint.api import lint
from cfnlint.config import ManualArgs
from support.examples import EXAMPLES, FOLDER, synthesized

# A dependency that is said twice.
IGNORED = ["W3005"]
# Newer versions of the CDK ask any app with two stacks to choose.
ADVICE = "@aws-cdk/core:crossStackReferencesDefaultStrong"


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_synthesizes(name: str, tmp_path: Path) -> None:
    """Without a warning, and with templates in which cfn-lint finds nothing."""
    assembly = synthesized(name, tmp_path)
    assert assembly.stacks
    for stack in assembly.stacks:
        warnings = [str(message.entry.data) for message in stack.messages if message.level.name != "INFO"]
        assert [text for text in warnings if ADVICE not in text] == []
        template = Path(stack.template_full_path).read_text("utf-8")
        found = lint(template, config=ManualArgs(regions=["us-east-1"], ignore_checks=IGNORED))
        assert [str(match) for match in found] == []


def test_the_page_lists_each_example() -> None:
    """And no other; and each says for whom it is."""
    page = (FOLDER / "README.md").read_text("utf-8")
    assert sorted(re.findall(r"^\| \[(\w+)\.py\]\(\1\.py\)", page, flags=re.MULTILINE)) == EXAMPLES
    for name in EXAMPLES:
        said = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text("utf-8"))) or ""
        assert re.search(r"^For those who", said, flags=re.MULTILINE), name


def test_a_container_gets_each_field_under_its_name(tmp_path: Path) -> None:
    """ECS names a field after the secret's ARN."""
    (stack,) = synthesized("ecs_task", tmp_path).stacks
    resources = stack.template["Resources"].values()
    (task,) = [one["Properties"] for one in resources if one["Type"] == "AWS::ECS::TaskDefinition"]
    (container,) = task["ContainerDefinitions"]
    fields = {one["Name"]: one["ValueFrom"]["Fn::Join"][1][-1] for one in container["Secrets"]}
    assert fields == {name: f":{name}::" for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")}
