"""The examples of the documents work as they stand."""

import re
from pathlib import Path

import pytest
from aws_cdk import App, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk.assertions import Template
from synth.templates import KEY, only

from cdk_iam_access_key import AccessKey

README = Path(__file__).parents[2] / "README.md"
DOCS = README.parent / "docs"
ROTATION = DOCS / "rotation.md"


def test_the_example_synthesizes() -> None:
    """What a reader copies first works as it stands."""
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(example, README.name, "exec"), names)
    app = names["app"]
    assert isinstance(app, App)
    template = Template.from_json(app.synth().get_stack_by_name("Ci").template)
    template.has_resource_properties(KEY, {"MaxActiveAge": str(90 * 86400)})


def test_the_example_of_all_options_keeps_90_days(stack: Stack, user: iam.User) -> None:
    """A key of the page on rotation is never Active for longer than AWS Config and CIS want."""
    (example,) = re.findall(r"```python\n(AccessKey.*?)```", ROTATION.read_text("utf-8"), flags=re.DOTALL)
    metric = cloudwatch.Metric(namespace="Mine", metric_name="Denied")
    denied = cloudwatch.Alarm(stack, "Denied", metric=metric, threshold=1, evaluation_periods=1)
    names = {"AccessKey": AccessKey, "Duration": Duration, "events": events}
    exec(compile(example, ROTATION.name, "exec"), {**names, "self": stack, "user": user, "denied": denied})
    assert only(stack, KEY)["MaxActiveAge"] == str(90 * 86400)


@pytest.mark.parametrize("page", ["root-keys.md", "rules.md"])
def test_the_examples_of_a_page_work_one_after_the_other(app: App, stack: Stack, page: str) -> None:
    """In a stack whose author has a topic, and with no import but those that the page shows."""
    names: dict[str, object] = {"app": app, "self": stack, "topic": sns.Topic(stack, "Topic")}
    examples = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text("utf-8"), flags=re.DOTALL)
    for example in examples:
        exec(compile(example, page, "exec"), names)
    assert examples
    app.synth()
