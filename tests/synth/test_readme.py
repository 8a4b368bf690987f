"""The README's example is an app."""

import re
from pathlib import Path

from aws_cdk import App, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template
from synth.templates import KEY, only

from cdk_iam_access_key import AccessKey

README = Path(__file__).parents[2] / "README.md"
ROTATION = README.parent / "docs" / "rotation.md"


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
