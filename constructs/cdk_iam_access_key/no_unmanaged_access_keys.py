"""No access keys but those of `AccessKey`, in any template of an app."""

import json
import re
from collections.abc import Iterator

from constructs import IConstruct

from cdk_iam_access_key._shared.at_synthesis import AtSynthesis
from cdk_iam_access_key._shared.templates import Template, Templates, paths_of, refers_to, resources_of, stacks_below

_RULE = "no-unmanaged-access-keys"
_RAW = "AWS::IAM::AccessKey"
_SECRET = ("SecretAccessKey",)
# What calls IAM: a custom resource, as the CDK's AwsCustomResource does, and a runbook of Systems Manager.
_CALLERS = ("Custom::", "AWS::CloudFormation::CustomResource", "AWS::SSM::Document")
_CALL = re.compile(
    r"createAccessKey|CreateAccessKeyCommand|iam:CreateAccessKey|(Api|action)\W{1,9}CreateAccessKey", re.ASCII
)
# A state machine or a schedule that does, without any code.
_SDK_CALL = re.compile(r"aws-sdk:iam:createAccessKey", re.IGNORECASE)
_ID = re.compile(r"(?<![A-Za-z0-9])A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9])")
# Of the end of a line, in a text in a text too.
_ESCAPE = re.compile(r"\\+[nrt]")
_VALUE = r"[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])"
_ANY_VALUE = re.compile(rf"(?<![A-Za-z0-9/+=]){_VALUE}")
# In a list of variables, too, such as that of a container: a name, and then a value.
_NAMED_VALUE = re.compile(rf"""secret_?access_?key["'\s:=,]{{1,9}}(?:value["'\s:]{{1,9}})?{_VALUE}""", re.IGNORECASE)
# Of a template that a stack set deploys.
_STACK_SET = "AWS::CloudFormation::StackSet"
# What a template has beside resources.
_SECTIONS = ("Outputs", "Parameters", "Mappings")


class NoUnmanagedAccessKeys:
    """Refuse access keys that no `AccessKey` manages, in an app, a stage, a stack or any other scope.

    The templates are judged at synthesis of the app, as they are written: of all stages and nested stacks, with what
    constructs of any level, `CfnInclude`, aspects and overrides made of them. Refused are

    - a resource `AWS::IAM::AccessKey`, whatever construct it is from, also in the template of a stack set,
    - a custom resource, a state machine, a schedule or a runbook that calls `CreateAccessKey`,
    - whatever takes the secret access key of such a resource: a secret, a parameter, an environment, an output,
    - a literal secret access key: beside a literal access key id, or under a name such as `secretAccessKey`,
      in any part of a template.

    Not seen are templates that the app does not write (a nested stack by its URL, modules, transforms), what code does
    while it runs, and values that a parameter or a context brings at deployment. `DenyUnmanagedAccessKeys` refuses a
    key wherever it is created.

    Get one with `NoUnmanagedAccessKeys.of(scope)`.
    """

    def __init__(self, scope: IConstruct) -> None:
        self._scope = scope
        self._checks = AtSynthesis.of(scope)

    @classmethod
    def of(cls, scope: IConstruct) -> "NoUnmanagedAccessKeys":
        """Return the rule of a scope."""
        return cls(scope)

    def require(self) -> None:
        """Refuse them: synthesis fails with the paths of all that is found, and never shows a value."""
        self._checks.check(self._found)

    def exempt(self, *, reason: str) -> None:
        """Leave the scope out: a resource, or whatever it is in.

        Args:
            reason: Why, for whoever reviews it. It goes into the metadata of the construct.

        Raises:
            ValueError: There is no reason.
        """
        self._checks.exempt(self._scope, _RULE, reason)

    def _found(self, templates: Templates) -> Iterator[str]:
        for stack in stacks_below(self._scope.node.root):
            found = dict(_findings(templates.of(stack)))
            if not found:
                continue
            paths = paths_of(stack)
            for name, what in found.items():
                path = paths.get(name, f"{stack.node.path}/{name}")
                below = self._scope.node.path
                if f"{path}/".startswith(f"{below}/" if below else "") and not self._checks.is_exempt(path, _RULE):
                    yield (
                        f"{path} {what}; declare an AccessKey, whose secret goes straight into Secrets Manager, or "
                        "exempt this with NoUnmanagedAccessKeys.of(construct).exempt(reason=…)"
                    )


def _findings(template: Template) -> Iterator[tuple[str, str]]:
    """Name the resources and outputs of a template that are or hold a key, by their logical ids."""
    resources = resources_of(template)
    raw = [name for name, resource in resources.items() if resource["Type"] == _RAW]
    parts = {**resources, **{name: part for section in _SECTIONS for name, part in template.get(section, {}).items()}}
    parts["Metadata"] = template.get("Metadata", {})
    for name, part in parts.items():
        text = _ESCAPE.sub(" ", json.dumps(part)).replace("\\", "")
        kind = str(part.get("Type", ""))
        if name in raw or (kind == _STACK_SET and _RAW in text):
            yield name, f"is an access key that nothing rotates or keeps secret, {_RAW}"
        elif _makes_a_key(kind, text):
            yield name, f"creates an access key by a call to IAM, {kind}"
        elif key := next((key for key in raw if refers_to(part, key, _SECRET)), None):
            yield name, f"takes the secret access key of the resource {key}"
        elif (_ID.search(text) and _ANY_VALUE.search(text)) or _NAMED_VALUE.search(text):
            yield name, "has a secret access key written into it: whoever can read the template has it"


def _makes_a_key(kind: str, text: str) -> bool:
    return bool((kind.startswith(_CALLERS) and _CALL.search(text)) or _SDK_CALL.search(text))
