"""Make the template: the construct with references to parameters in place of values, and conditions on its parts.

One template is a provider, a key, or both. What a key needs of another stack's provider comes by that stack's exports:
CloudFormation keeps a provider as long as there are keys that need it.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-stack-exports.html
"""

import json
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from aws_cdk import App, Aws, CfnResource, Duration, Fn, NestedStack, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk_iam_access_key._shared.lambda_asset import handler_asset
from cdk_iam_access_key.access_key import AccessKey
from cdk_iam_access_key.access_key_provider import AccessKeyProvider
from cdk_iam_access_key.template.parameters import CONDITIONS, GROUPS, PARAMETERS, RULES, Fragment, ref

TEMPLATE = "cdk-iam-access-key.template.json"
ARCHIVE = "cdk-iam-access-key.zip"
_NO_VALUE = {"Ref": "AWS::NoValue"}
# The parts of a provider that a key refers to.
_PARTS = {"FunctionArn": "ProviderFunction", "WorkerArn": "ProviderWorker", "RoleArn": "ProviderRole"}
# What a key refers to that its stack may not have, and what it refers to then.
_CONDITIONAL_REFERENCES: list[tuple[Fragment, str, Fragment]] = [
    ({"Ref": "AWS::StackName"}, "DefinesProvider", ref("Provider")),
    ({"Ref": "KeySecret"}, "DefinesSecret", ref("SecretArn")),
    *(
        ({"Fn::GetAtt": [part, "Arn"]}, "DefinesProvider", {"Fn::ImportValue": {"Fn::Sub": f"${{Provider}}-{export}"}})
        for export, part in _PARTS.items()
    ),
]


def write_template(directory: Path) -> list[Path]:
    """Write the template, and beside it the archive to which it refers, and return their paths.

    `aws cloudformation package` uploads the archive, and writes the template that can be deployed.

    Args:
        directory: Where they are written; made if needed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    template, archive = directory / TEMPLATE, directory / ARCHIVE
    template.write_text(json.dumps(build_template(), indent=1) + "\n", "utf-8")
    handler_asset().write(archive)
    return [template, archive]


def build_template() -> Fragment:
    """Make the template, in which the functions' code is the name of the archive beside it."""
    with TemporaryDirectory(prefix="cdk-iam-access-key-") as folder:
        app = App(outdir=folder, analytics_reporting=False)
        # In a nested stack the name of the stack is a reference, as in a template that anybody deploys by any name.
        stack = NestedStack(Stack(app, "Parent"), "Template")
        of_key = _define(stack)
        assembly = app.synth()
        resources = json.loads((Path(assembly.directory) / stack.template_file).read_text("utf-8"))["Resources"]
    for name, resource in resources.items():
        if resource["Type"] == "AWS::Lambda::Function":
            resource["Properties"]["Code"] = ARCHIVE
        if name in of_key:
            resources[name] = _after_provider(_with_conditions(resource), of_key)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"cdk-iam-access-key {version('cdk-iam-access-key')}: an IAM access key whose secret goes "
        "straight into Secrets Manager, and the provider that manages it",
        "Metadata": {
            "AWS::CloudFormation::Interface": {
                "ParameterGroups": [
                    {"Label": {"default": label}, "Parameters": list(group)} for label, group in GROUPS.items()
                ]
            }
        },
        "Parameters": PARAMETERS,
        "Rules": RULES,
        "Conditions": CONDITIONS,
        "Resources": resources,
        "Outputs": _outputs(),
    }


class _User(Construct):
    """The user that the parameters name, of whom `AccessKey` asks no more than this.

    The CDK imports a user by its name or by its ARN, and takes the one from the other.
    """

    principal_account = None

    def __init__(self, scope: Construct) -> None:
        super().__init__(scope, "User")
        self.user_name = Fn.ref("UserName")
        self.user_arn = f"arn:{Aws.PARTITION}:iam::{Aws.ACCOUNT_ID}:user{Fn.ref('UserPath')}{self.user_name}"


def _define(stack: Stack) -> set[str]:
    """Define a provider and a key, and return the logical ids of the resources of the key."""
    provider = AccessKeyProvider(stack, "Provider")
    key = AccessKey(
        stack,
        "Key",
        user=cast("iam.IUser", _User(stack)),
        serial=Fn.ref("Serial"),
        encryption_key=kms.Key.from_key_arn(stack, "EncryptionKey", Fn.ref("EncryptionKeyArn")),
        rotation_schedule=events.Schedule.rate(Duration.days(30)),
        provider=provider,
    )
    for name_, properties in _properties().items():
        for path, value in properties.items():
            _resource(key, name_).add_property_override(path, value)
    _resource(provider, "Log/Resource").add_property_override("RetentionInDays", ref("LogRetentionDays"))
    for role in (_resource(provider, "Role/Resource"), _resource(key, "Role")):
        role.add_property_override("PermissionsBoundary", _optional("PermissionsBoundary"))
    for resource in _resources(provider):
        resource.add_override("Condition", "DefinesProvider")
    of_key = _resources(key)
    conditions = {"KeySecret": "DefinesSecret", "KeyRotationSchedule": "DefinesSchedule"}
    for resource in _resources(key):
        resource.add_override("Condition", conditions.get(_readable_id(resource), "DefinesKey"))
    for resource in _resources(stack):
        resource.override_logical_id(_readable_id(resource))
    return {_readable_id(resource) for resource in of_key}


def _properties() -> dict[str, Fragment]:
    """Return what parameters decide of the parts of a key."""
    window = _if("HasRotationWindow", {"Fn::Sub": "${RotationSchedule} for ${RotationWindow}"}, ref("RotationSchedule"))
    optional = ("Description", "RetireWhenUnusedFor", "OverdueAfter", "RemoveUnusedAfter", "MaxActiveAge", "AdoptedKey")
    given = ("Status", "GracePeriod", "RetentionPeriod", "OnKeyLimit")
    return {
        "Resource": {
            **{name: ref(name) for name in given},
            **{name: _optional(name) for name in optional},
            "RotationSchedule": _if("HasRotationSchedule", window),
        },
        "Secret/Resource/Resource": {
            "Name": _optional("SecretName"),
            "KmsKeyId": _optional("EncryptionKeyArn", "HasEncryptionKey"),
        },
        "RotationSchedule": {
            "RotationRules.ScheduleExpression": ref("RotationSchedule"),
            "RotationRules.Duration": _optional("RotationWindow"),
        },
    }


def _with_conditions(element: Any) -> Any:
    """Replace what a condition decides in a resource of a key: what it refers to, and the use of a KMS key."""
    if isinstance(element, list):
        return [_with_conditions(one) for one in element]
    if not isinstance(element, dict):
        return element
    for reference, condition, otherwise in _CONDITIONAL_REFERENCES:
        if element == reference:
            return _if(condition, element, otherwise)
    replaced = {name: _with_conditions(value) for name, value in element.items()}
    return _if("HasEncryptionKey", replaced) if element.get("Resource") == ref("EncryptionKeyArn") else replaced


def _after_provider(resource: Fragment, of_key: set[str]) -> Fragment:
    """Order a resource of a key after those of a provider only where the stack has one.

    `DependsOn` takes no condition. A reference in the metadata is one that nothing else reads.
    """
    after = resource.pop("DependsOn", [])
    of_provider = [name for name in after if name not in of_key]
    if len(of_provider) < len(after):
        resource["DependsOn"] = [name for name in after if name in of_key]
    if of_provider:
        resource["Metadata"] = {"After": [_if("DefinesProvider", {"Ref": name}) for name in of_provider]}
    return resource


def _outputs() -> Fragment:
    attributes = {
        "SecretArn": "The secret that holds the key as accessKeyId and secretAccessKey.",
        "SecretVersionId": "The version of the secret that holds the key.",
        "AccessKeyId": "The id of the key after the last deployment.",
    }
    exports = {
        export: {
            "Condition": "DefinesProvider",
            "Value": {"Fn::GetAtt": [part, "Arn"]},
            "Export": {"Name": {"Fn::Sub": f"${{AWS::StackName}}-{export}"}},
        }
        for export, part in _PARTS.items()
    }
    return {
        **{
            name: {"Condition": "DefinesKey", "Description": description, "Value": {"Fn::GetAtt": ["Key", name]}}
            for name, description in attributes.items()
        },
        "Provider": {
            "Description": "The parameter Provider of other stacks whose keys this provider is to manage.",
            "Value": _if("DefinesProvider", {"Ref": "AWS::StackName"}, ref("Provider")),
        },
        **exports,
    }


def _if(condition: str, then: Any, otherwise: Any = None) -> Fragment:
    if condition not in CONDITIONS:
        raise KeyError(condition)
    return {"Fn::If": [condition, then, _NO_VALUE if otherwise is None else otherwise]}


def _optional(name: str, condition: str = "") -> Fragment:
    return _if(condition or f"Has{name}", ref(name))


def _resource(construct: Any, path: str) -> CfnResource:
    for name in path.split("/"):
        construct = construct.node.find_child(name)
    return cast("CfnResource", construct)


def _resources(construct: Any) -> list[CfnResource]:
    return [found for found in construct.node.find_all() if isinstance(found, CfnResource)]


def _readable_id(resource: CfnResource) -> str:
    """Name a resource by its path in the stack: people read the template, and refer to its parts."""
    path = resource.node.path.removeprefix(Stack.of(resource).node.path)
    return "".join(part for part in path.split("/") if part != "Resource")
