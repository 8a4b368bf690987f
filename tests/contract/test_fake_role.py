"""The role that the fake evaluates is the one that the construct defines."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from fakes import sts

_CONSTRUCT = Path(__file__).parents[2] / "constructs/cdk_iam_access_key/_access_key/permissions.py"


@pytest.fixture(scope="module")
def defined() -> dict[str, list[str]]:
    """Read the construct's lists of actions and tag patterns, without the seconds that importing the CDK takes."""
    lists: dict[str, Any] = {}
    for node in ast.parse(_CONSTRUCT.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List) and isinstance(node.targets[0], ast.Name):
            lists[node.targets[0].id] = [
                element
                for item in node.value.elts
                for element in (
                    lists[item.value.id]
                    if isinstance(item, ast.Starred) and isinstance(item.value, ast.Name)
                    else [ast.literal_eval(item)]
                )
            ]
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            lists[ast.unparse(node.targets[0])] = [node.value.value]
    return lists


def test_it_allows_the_actions_that_the_construct_grants(defined: dict[str, list[str]]) -> None:
    """No more and no less, on the user and on the secret."""
    for service, name, allowed in (
        ("iam", "_USER_ACTIONS", sts._USER_ACTIONS),
        ("iam", "_USER_TAG_ACTIONS", sts._USER_TAG_ACTIONS),
        ("secretsmanager", "SECRET_ACTIONS", sts._SECRET_ACTIONS),
    ):
        assert {f"{service}:{action}" for action in allowed} == set(defined[name])


def test_it_allows_the_tags_that_the_construct_grants(defined: dict[str, list[str]]) -> None:
    """The patterns of the conditions are the same."""
    role = sts.Role("arn")
    assert list(role.user_tag_keys) == defined["_DESCRIPTIONS"]
