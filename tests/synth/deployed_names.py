"""What CloudFormation makes of the names in templates: which physical ids and values it finds when it deploys."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

from aws_cdk import App, NestedStack, Stack
from aws_cdk.assertions import Template

ACCOUNT, REGION = "111122223333", "eu-west-1"


@dataclass
class DeployedNames:
    """The stacks of an app as one deployment names their resources.

    Attributes:
        app: The app.
        parameters: The values of parameters that the deployment is given, by their logical ids.
    """

    app: App
    parameters: dict[str, str] = field(default_factory=dict)
    _templates: dict[str, dict[str, Any]] = field(default_factory=dict, init=False)
    _parents: dict[str, tuple[str, str]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Synthesize the templates."""
        stacks = [stack for stack in self.app.node.find_all() if isinstance(stack, Stack)]
        for stack in stacks:
            self._templates[stack.node.path] = Template.from_stack(stack).to_json()
        for stack in stacks:
            if isinstance(stack, NestedStack):
                parent = stack.nested_stack_parent
                assert parent is not None
                self._parents[stack.node.path] = (parent.node.path, self._resource_of(parent, stack))

    def value(self, stack: Stack, element: Any) -> Any:
        """Evaluate a part of a stack's template."""
        return self._value(stack.node.path, element)

    def _resource_of(self, parent: Stack, nested: Stack) -> str:
        assert nested.nested_stack_resource is not None
        return str(parent.resolve(nested.nested_stack_resource.logical_id))

    def _value(self, place: str, element: Any) -> Any:
        if isinstance(element, list):
            return [self._value(place, one) for one in element]
        if not isinstance(element, dict):
            return element
        ((kind, given),) = element.items()
        references = {
            "Ref": lambda: self._reference(place, given),
            "Fn::GetAtt": lambda: self._attribute(place, *given),
            "Fn::ImportValue": lambda: self._exported(given),
        }
        functions = {
            "Fn::Join": lambda separator, parts: separator.join(parts),
            "Fn::Split": lambda separator, text: text.split(separator),
            "Fn::Select": lambda index, parts: parts[int(index)],
        }
        if kind in references:
            return references[kind]()
        return functions[kind](*self._value(place, given))

    def _reference(self, place: str, name: str) -> Any:
        template = self._templates[place]
        if name in template.get("Parameters", {}):
            if name in self.parameters:
                return self.parameters[name]
            parent, nested = self._parents[place]
            given = self._templates[parent]["Resources"][nested]["Properties"]["Parameters"][name]
            return self._value(parent, given)
        pseudo = {"AWS::AccountId": ACCOUNT, "AWS::Region": REGION, "AWS::Partition": "aws", "AWS::StackName": place}
        return pseudo[name] if name in pseudo else self._physical_id(place, name)

    def _physical_id(self, place: str, name: str) -> str:
        resource = self._templates[place]["Resources"][name]
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::IAM::User":
            return str(self._value(place, properties.get("UserName", f"{place}-{name}")))
        assert resource["Type"] == "AWS::SecretsManager::Secret", resource["Type"]
        secret = self._value(place, properties.get("Name", f"{place}-{name}"))
        suffix = hashlib.sha256(f"{place} {name} {secret}".encode()).hexdigest()[:6]
        return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{secret}-{suffix}"

    def _attribute(self, place: str, name: str, attribute: str) -> str:
        resource = self._templates[place]["Resources"][name]
        if resource["Type"] == "AWS::CloudFormation::Stack":
            output = attribute.removeprefix("Outputs.")
            (nested,) = [path for path, where in self._parents.items() if where == (place, name)]
            return str(self._value(nested, self._templates[nested]["Outputs"][output]["Value"]))
        if (resource["Type"], attribute) == ("AWS::IAM::User", "Arn"):
            path = self._value(place, resource["Properties"].get("Path", "/"))
            return f"arn:aws:iam::{ACCOUNT}:user{path}{self._physical_id(place, name)}"
        if attribute == "SecretName":
            return str(self._value(place, resource["Properties"]["SecretArn"]).split(":")[6][:-7])
        raise AssertionError(f"nobody asked yet for {attribute} of {resource['Type']}")

    def _exported(self, name: str) -> Any:
        for place, template in self._templates.items():
            for output in template.get("Outputs", {}).values():
                if self._value(place, output.get("Export", {}).get("Name")) == name:
                    return self._value(place, output["Value"])
        raise AssertionError(f"no stack exports {name}")
