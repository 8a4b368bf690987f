"""The README's example is an app."""

import re
from pathlib import Path

from aws_cdk import App
from aws_cdk.assertions import Template

README = Path(__file__).parents[2] / "README.md"


def test_the_example_synthesizes() -> None:
    """What a reader copies first works as it stands."""
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), flags=re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(example, README.name, "exec"), names)
    app = names["app"]
    assert isinstance(app, App)
    Template.from_json(app.synth().get_stack_by_name("Ci").template).resource_count_is("Custom::IAMAccessKey", 1)
