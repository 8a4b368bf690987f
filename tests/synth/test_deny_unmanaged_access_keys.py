"""The service control policy that lets only providers create access keys; `tests/cloud/guards` tries its effect."""

from typing import Any

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_iam as iam
from synth.templates import key_role, only, provider_role

from cdk_iam_access_key import AccessKey, AccessKeyProvider, DenyUnmanagedAccessKeys

KIND = "AWS::Organizations::Policy"
CREATE, PASS = "iam:CreateAccessKey", "iam:PassRole"
KEY_ROLES = "arn:*:iam::*:role/cdk-iam-access-key/*"
DEPLOYMENTS = "arn:*:iam::*:role/cdk-*-cfn-exec-role-*"


def statements(stack: Stack, **given: Any) -> dict[str, tuple[list[str], Any, list[str]]]:
    """Declare the policy, and return what it denies on what to whom not."""
    DenyUnmanagedAccessKeys(stack, "Deny", targets=["r-ab12", "111111111111", "r-ab12"], **given)
    content = only(stack, KIND)["Content"]
    assert {one["Effect"] for one in content["Statement"]} == {"Deny"}
    return {
        one["Sid"]: (one["Action"], one["Resource"], one["Condition"]["ArnNotLike"]["aws:PrincipalArn"])
        for one in content["Statement"]
    }


def test_keys_are_denied_to_all_but_the_roles_of_providers(stack: Stack) -> None:
    """And the roles that stand for providers are made by deployments, which nobody else may become."""
    found = statements(stack)
    assert found["DenyAccessKeys"] == ([CREATE], "*", [KEY_ROLES])
    actions, resource, exempt = found["GuardProviders"]
    assert {"iam:CreateRole", "iam:UpdateAssumeRolePolicy", "iam:PutRolePolicy", PASS} < set(actions)
    assert (resource, exempt) == ([KEY_ROLES], [DEPLOYMENTS])
    actions, resource, exempt = found["GuardDeployments"]
    assert PASS not in actions, "the command line passes the deployment role to CloudFormation"
    assert (resource, exempt) == ([DEPLOYMENTS], [DEPLOYMENTS])
    properties = only(stack, KIND)
    assert (properties["Type"], properties["TargetIds"]) == ("SERVICE_CONTROL_POLICY", ["r-ab12", "111111111111"])


def test_paths_roles_and_administrators_are_chosen(stack: Stack) -> None:
    """A company has its own."""
    administrators = ["arn:aws:iam::*:role/stacksets-exec-*"]
    found = statements(
        stack, role_paths=["/a/", "/b/"], deployment_roles=["arn:aws:iam::*:role/deploy"], administrators=administrators
    )
    assert found["DenyAccessKeys"][2] == ["arn:*:iam::*:role/a/*", "arn:*:iam::*:role/b/*"]
    assert found["GuardProviders"][2] == ["arn:aws:iam::*:role/deploy"]
    assert found["GuardDeployments"][2] == ["arn:aws:iam::*:role/deploy", *administrators]


def test_the_roles_of_a_provider_are_under_the_path(app: App, stack: Stack) -> None:
    """Its own role and those of its keys: whoever became the one could become the others."""
    AccessKey(stack, "Key", user=iam.User(stack, "User"))
    other = Stack(app, "Other")
    AccessKeyProvider(other, "Provider", role_path="/team/")
    assert provider_role(stack)["Path"] == "/cdk-iam-access-key/Stack/"
    path = key_role(stack)[1]["Path"]["Fn::Join"][1]
    assert path[0].startswith("/cdk-iam-access-key/Stack/")
    assert provider_role(other)["Path"] == "/team/"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"targets": []}, r"targets must be a list of ids with at least one, got \[\]"),
        ({"targets": ["root"]}, "got 'root'; correct it"),
        ({"role_paths": []}, "role_paths must be a list with at least one, got an object of list"),
        ({"role_paths": "/a/"}, "role_paths must be a list with at least one, got '/a/'"),
        ({"role_paths": ["/"]}, "role_path must begin and end with a slash, .* got '/'"),
        ({"deployment_roles": []}, "deployment_roles must be a list with at least one"),
        ({"deployment_roles": ["*"]}, r"deployment_roles must be ARNs of roles, with \* for .*, got '\*'"),
        ({"deployment_roles": ["arn:aws:iam::*:role/*"]}, r"got 'arn:aws:iam::\*:role/\*'"),
        ({"administrators": ["arn:aws:sts::1:assumed-role/a/b"]}, "administrators must be ARNs of roles"),
        ({"administrators": "arn:aws:iam::*:role/a"}, "administrators must be a list"),
        ({"role_paths": [f"/{index:0100}/" for index in range(30)]}, "at most 5120 characters, got"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_would_not_work_is_refused(stack: Stack, given: dict[str, Any], message: str) -> None:
    """As a path or an ARN that stands for everybody."""
    with pytest.raises(ValueError, match=message):
        DenyUnmanagedAccessKeys(stack, "Deny", **{"targets": ["r-ab12"], **given})
