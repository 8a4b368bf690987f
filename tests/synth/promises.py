"""What deployed stacks and other people's code depend on, as text: a change of it breaks them."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aws_cdk import App, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_ssm as ssm
from aws_cdk.assertions import Template
from constructs import Construct

import cdk_iam_access_key
from cdk_iam_access_key import testing
from cdk_iam_access_key.template.build import build_template

if TYPE_CHECKING:
    from collections.abc import Iterator

Promises = dict[str, dict[str, str]]

# What a change of each kind does to those who have it.
MEANINGS = {
    "logical ids": "CloudFormation deletes the resource of the old id in each deployed stack, and makes another one",
    "properties": "the resource of each deployed key changes or loses a property with the next deployment",
    "attributes": "a template that refers to the attribute no longer deploys",
    "environment": "functions of an old and a new version, during an update or its rollback, no longer agree",
    "names": "an app that uses the name no longer synthesizes",
    "parameters": "an app that passes the parameter, or relies on its default, no longer does what it did",
    "events": "a rule or a consumer that reads the member no longer gets it",
    "template": "a stack of the template for other languages no longer updates, or is another one after it",
}
_OWN = "Own"
_DIGEST = re.compile("[0-9a-f]{64}")


def promises(directory: Path) -> Promises:
    """Collect them from a fixed app, the public API, the schema of events and the template for other languages."""
    app, constructs = _app(directory)
    templates = {
        stack.stack_name: Template.from_stack(stack).to_json()
        for stack in app.node.children
        if isinstance(stack, Stack)
    }
    return {
        "logical ids": _logical_ids(templates),
        "properties": _properties(templates),
        "attributes": _attributes(templates),
        "environment": _environment(templates),
        "names": dict(_names(constructs)),
        "parameters": dict(_parameters()),
        "events": dict(_events()),
        "template": dict(_template()),
    }


def _app(directory: Path) -> tuple[App, list[Any]]:
    """Declare each construct, plain and with all that adds a resource."""
    app = App(outdir=str(directory))
    stack = Stack(app, "Keys")
    own = Construct(stack, _OWN)
    plain = cdk_iam_access_key.AccessKey(stack, "Plain", user=iam.User(own, "User"))
    metric = cloudwatch.Metric(namespace="Mine", metric_name="Denied")
    full = cdk_iam_access_key.AccessKey(
        stack,
        "Full",
        user=iam.User(own, "Other"),
        secret_format=cdk_iam_access_key.SecretFormat.ses_smtp(["eu-central-1"], prove_smtp=True),
        description="the build server",
        grace_period=Duration.hours(2),
        retire_when_unused_for=Duration.hours(3),
        overdue_after=Duration.days(2),
        on_key_limit=cdk_iam_access_key.OnKeyLimit.remove_unused(),
        max_active_age=Duration.days(60),
        rotation_schedule=events.Schedule.rate(Duration.days(30)),
        undo_on_alarm=[cloudwatch.Alarm(own, "Alarm", metric=metric, threshold=1, evaluation_periods=1)],
    )
    late = cdk_iam_access_key.AccessKey(stack, "Late", user=iam.User(own, "Third"), grace_period=Duration.seconds(0))
    late.cut_over_after(ssm.StringParameter(own, "Consumer", string_value=late.secret_version_id))
    used = cdk_iam_access_key.AccessKey(stack, "Used", user=iam.User(own, "Fourth"))
    used.grant_self_renewal(anywhere=True)
    used.wait_for_consumers("ci-runner-7", within=Duration.days(7))
    arn = "arn:aws:lambda:eu-west-1:111122223333:function:deliver"
    function = lambda_.Function.from_function_arn(own, "Function", arn)
    used.deliver_to(function, name="github")
    used.on_published(targets.LambdaFunction(function))
    for name in ("access_key_id", "secret_version_id", "status"):
        ssm.StringParameter(own, name, string_value=getattr(plain, name))
    ssm.StringParameter(own, "secret", string_value=plain.secret.secret_arn)
    ssm.StringParameter(own, "secret_name", string_value=plain.secret.secret_name)
    guards = Stack(app, "Guards")
    account = cdk_iam_access_key.RootAccessKeyGuard(guards, "Account")
    organization = cdk_iam_access_key.OrganizationRootKeyGuard(
        guards, "Organization", mode=cdk_iam_access_key.RootKeyMode.DELETE_UNUSED
    )
    denial = cdk_iam_access_key.DenyRootAccessKeyCreation(guards, "Denial", targets=["r-ab12"])
    unmanaged = cdk_iam_access_key.DenyUnmanagedAccessKeys(guards, "Unmanaged", targets=["r-ab12"])
    provider = cdk_iam_access_key.AccessKeyProvider.get_or_create(stack)
    return app, [full, provider, account, organization, denial, unmanaged]


def _each(templates: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for stack, template in templates.items():
        for name, resource in template["Resources"].items():
            yield f"{stack}/{name}", resource["Type"], resource.get("Properties", {})


def _logical_ids(templates: dict[str, Any]) -> dict[str, str]:
    return {name: kind for name, kind, _ in _each(templates) if f"/{_OWN}" not in name}


def _properties(templates: dict[str, Any]) -> dict[str, str]:
    """Tell of each custom resource which properties it has, and of a plain one what they are where that is known."""
    found = {}
    for name, kind, properties in _each(templates):
        if kind.startswith("Custom::"):
            for property_, value in properties.items():
                found[f"{name} {property_}"] = _known(value)
    return found


def _known(value: Any) -> str:
    """Return what a template says outright; the digest of the code is another one each time."""
    return _DIGEST.sub("a digest", value) if isinstance(value, str) else "decided by the stack"


def _attributes(templates: dict[str, Any]) -> dict[str, str]:
    custom = {name: kind for name, kind, _ in _each(templates) if kind.startswith("Custom::")}
    return {
        f"{custom[f'{stack}/{name}']} {attribute}": "an attribute"
        for stack, template in templates.items()
        for name, attribute in re.findall(r'"Fn::GetAtt": \["(\w+)", "([\w.]+)"\]', json.dumps(template))
        if f"{stack}/{name}" in custom
    }


def _environment(templates: dict[str, Any]) -> dict[str, str]:
    return {
        f"{name} {variable}": _known(value)
        for name, kind, properties in _each(templates)
        if kind == "AWS::Lambda::Function"
        for variable, value in properties.get("Environment", {}).get("Variables", {}).items()
    }


def _names(constructs: list[Any]) -> Iterator[tuple[str, str]]:
    for name, value in _public():
        yield name, type(value).__name__ if not inspect.isclass(value) else "a class"
        if inspect.isclass(value):
            for member in _members(value):
                yield f"{name}.{member}", "a member"
    for construct in constructs:
        for attribute in vars(construct):
            if not attribute.startswith("_"):
                yield f"{type(construct).__name__}.{attribute}", "a member"


def _public() -> Iterator[tuple[str, Any]]:
    for name in cdk_iam_access_key.__all__:
        if name != "__version__":
            yield name, getattr(cdk_iam_access_key, name)
    yield "testing.assert_access_key", testing.assert_access_key


def _members(kind: type) -> Iterator[str]:
    """Name what a class adds to those of the CDK."""
    own = [one for one in kind.__mro__ if one.__module__.startswith(cdk_iam_access_key.__name__)]
    yield from sorted({name for one in own for name in vars(one) if not name.startswith("_")})


def _parameters() -> Iterator[tuple[str, str]]:
    for name, value in _public():
        functions = {name: value}
        if inspect.isclass(value):
            members = {member: getattr(value, member) for member in _members(value)}
            functions = {f"{name}.{member}": one for member, one in members.items() if inspect.isroutine(one)}
            if "__init__" in vars(value):
                functions[name] = value.__init__
        for path, function in functions.items():
            for parameter in inspect.signature(function).parameters.values():
                default = "required" if parameter.default is parameter.empty else f"default {parameter.default}"
                if parameter.name != "self":
                    yield f"{path}({parameter.name})", f"{parameter.kind.description}, {default}"


def _events() -> Iterator[tuple[str, str]]:
    schema = json.loads(Path(cdk_iam_access_key.__file__).with_name("events.schema.json").read_text("utf-8"))
    yield from _schema("", schema)


def _schema(path: str, element: Any) -> Iterator[tuple[str, str]]:
    """Name each value that an event may have, and where it must."""
    if isinstance(element, dict):
        for name, value in element.items():
            if not name.startswith("$comment") and name not in ("description", "title", "$schema"):
                yield from _schema(f"{path}/{name}", value)
    elif isinstance(element, list):
        for number, value in enumerate(element):
            scalar = not isinstance(value, dict | list)
            yield from [(f"{path} {value}", "listed")] if scalar else _schema(f"{path}/{number}", value)
    else:
        yield path, str(element)


def _template() -> Iterator[tuple[str, str]]:
    template = build_template()
    for name, resource in template["Resources"].items():
        yield f"resource {name}", resource["Type"]
    for name, parameter in template["Parameters"].items():
        yield f"parameter {name}", f"{parameter['Type']}, default {parameter['Default']!r}"
    for name, output in template["Outputs"].items():
        yield f"output {name}", json.dumps(output.get("Export", {}).get("Name", "no export"))
