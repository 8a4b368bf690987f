"""The example app, which people read as documentation and `make demo` deploys."""

import runpy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk.assertions import Template
from synth.templates import KEY, of_type, only

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def example() -> Iterator[type[Stack]]:
    """Run app.py once, the way the CDK's command line does, and return its stack's class."""
    names: dict[str, Any] = runpy.run_path(str(ROOT / "app.py"))
    assert (Path(names["app"].outdir) / "AccessKeyExample.template.json").is_file()
    yield names["AccessKeyExample"]
    shutil.rmtree(names["app"].outdir)


@pytest.fixture
def synth(example: type[Stack], tmp_path: Path) -> Callable[..., Stack]:
    """Make the example's stack with a context, as `-c` gives it."""
    return lambda **context: example(App(outdir=str(tmp_path), context=context), "AccessKeyExample")


def test_example_shows_the_key_and_never_the_secret(synth: Callable[..., Stack]) -> None:
    """The outputs are the ids and the status, none of which opens anything."""
    stack = synth()
    outputs = Template.from_stack(stack).to_json()["Outputs"]
    assert set(outputs) == {"UserName", "AccessKeyId", "Status", "SecretArn", "SecretVersionId"}
    assert "resolve:secretsmanager" not in str(outputs)
    assert (only(stack, KEY)["Serial"], only(stack, KEY)["Status"]) == ("1", "Active")
    assert only(stack, KEY)["MaxActiveAge"] == str(90 * 86400)
    assert of_type(stack, "AWS::CloudFormation::WaitCondition") == {}


def test_context_rotates_switches_off_and_fails(synth: Callable[..., Stack]) -> None:
    """Serial and status reach the key, and the failure comes after the key is done."""
    stack = synth(serial="2", status="Inactive", fail="true")
    assert (only(stack, KEY)["Serial"], only(stack, KEY)["Status"]) == ("2", "Inactive")
    (key,) = of_type(stack, KEY)
    (failure,) = of_type(stack, "AWS::CloudFormation::WaitCondition").values()
    assert key in failure["DependsOn"]
    assert failure["Properties"]["Timeout"] == "1"


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"status": "off"}, "context status must be Active or Inactive, got 'off'; pass -c status=Active"),
        ({"fail": "yes"}, "context fail must be true or false, got 'yes'; pass -c fail=true"),
        ({"serial": ""}, "serial must not be empty, got ''"),
    ],
    ids=["status", "fail", "serial"],
)
def test_bad_context_is_refused(synth: Callable[..., Stack], context: dict[str, str], message: str) -> None:
    """A mistyped context value says what is allowed."""
    with pytest.raises(ValueError, match=message):
        synth(**context)
