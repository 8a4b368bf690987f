"""Tags of a user: what the IAM console shows as the description of a key."""

from __future__ import annotations

from typing import Any

import pytest
from contract.subjects import refused

from access_key_provider.model.state import key_tag


def tag(iam: Any, user: str, **tags: str) -> None:
    """Set tags."""
    iam.tag_user(UserName=user, Tags=[{"Key": key, "Value": value} for key, value in tags.items()])


def tags(iam: Any, user: str) -> dict[str, str]:
    """Read the tags."""
    pages = iam.get_paginator("list_user_tags").paginate(UserName=user)
    return {found["Key"]: found["Value"] for page in pages for found in page["Tags"]}


def test_tags_are_set_added_and_overwritten(iam: Any, user: str) -> None:
    """TagUser leaves the tags that it does not name."""
    tag(iam, user, team="shop", stage="live")
    tag(iam, user, team="other")
    assert tags(iam, user) == {"team": "other", "stage": "live"}


def test_tags_are_removed_and_may_be_removed_again(iam: Any, user: str) -> None:
    """UntagUser does not mind a tag that is not there."""
    tag(iam, user, team="shop", stage="live")
    for _ in range(2):
        iam.untag_user(UserName=user, TagKeys=["team", "never"])
        assert tags(iam, user) == {"stage": "live"}


def test_tag_keys_that_differ_in_case_are_the_same(iam: Any, user: str) -> None:
    """A user has no two tags whose keys differ in case only: the later one replaces the earlier."""
    tag(iam, user, team="shop")
    tag(iam, user, Team="other")
    assert list(tags(iam, user).values()) == ["other"]


def test_a_tag_key_twice_in_a_call_is_refused(iam: Any, user: str) -> None:
    """Also if only the case differs, and nothing is set."""
    with refused("InvalidInput", status=400):
        tag(iam, user, team="one", TEAM="two")
    assert tags(iam, user) == {}


def test_a_user_has_at_most_fifty_tags(iam: Any, user: str) -> None:
    """The fifty-first is refused, one that is there may change, and one that goes makes room."""
    tag(iam, user, **{f"key-{number}": "v" for number in range(50)})
    with refused("LimitExceeded", status=409):
        tag(iam, user, more="v")
    assert len(tags(iam, user)) == 50
    tag(iam, user, **{"key-7": "other"})
    iam.untag_user(UserName=user, TagKeys=["key-8"])
    tag(iam, user, more="v")
    assert len(tags(iam, user)) == 50


def test_a_call_names_at_most_fifty_tags(iam: Any, user: str) -> None:
    """Fifty-one at once are refused as a whole."""
    with refused("ValidationError", "LimitExceeded"):
        tag(iam, user, **{f"key-{number}": "v" for number in range(51)})
    assert tags(iam, user) == {}


@pytest.mark.parametrize(("key", "value"), [("k" * 129, "v"), ("k", "v" * 257)], ids=["key", "value"])
def test_a_tag_has_a_greatest_length(iam: Any, user: str, key: str, value: str) -> None:
    """128 characters of key, 256 of value; more is refused and nothing is set."""
    with refused("ValidationError", status=400):
        tag(iam, user, **{key: value})
    assert tags(iam, user) == {}


def test_a_tag_may_be_as_long_as_that(iam: Any, user: str) -> None:
    """128 characters of key and 256 of value are kept whole."""
    tag(iam, user, **{"k" * 128: "v" * 256})
    assert tags(iam, user) == {"k" * 128: "v" * 256}


@pytest.mark.parametrize("character", [",", "[", "]", "#", "!", "*", "\n", "\t", '"'], ids=ascii)
def test_a_tag_has_its_characters(iam: Any, user: str, character: str) -> None:
    """What is neither letter, digit, space nor one of `_.:/=+-@` is refused in key and value, and nothing is set."""
    text = f"a{character}b"
    with refused("ValidationError", status=400):
        tag(iam, user, **{text: "v"})
    with refused("ValidationError", status=400):
        tag(iam, user, k=text)
    assert tags(iam, user) == {}


@pytest.mark.parametrize("text", ["Größe 7", "a_b.c:d/e=f+g-h@i", "日本", "٣", "no\u00a0break"], ids=ascii)
def test_a_tag_may_have_letters_and_spaces_of_all_scripts(iam: Any, user: str, text: str) -> None:
    """Letters, digits and spaces are those of Unicode."""
    tag(iam, user, **{text: text})
    assert tags(iam, user) == {text: text}


def test_a_value_may_be_empty(iam: Any, user: str) -> None:
    """An empty value is a value."""
    tag(iam, user, team="")
    assert tags(iam, user) == {"team": ""}


def test_keys_beginning_with_aws_are_reserved(iam: Any, user: str) -> None:
    """The prefix is AWS's own."""
    with refused("InvalidInput", "ValidationError"):
        tag(iam, user, **{"aws:team": "shop"})
    assert tags(iam, user) == {}


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("list_user_tags", {}),
        ("tag_user", {"Tags": [{"Key": "k", "Value": "v"}]}),
        ("untag_user", {"TagKeys": ["k"]}),
    ],
)
def test_a_user_that_does_not_exist_has_no_tags(iam: Any, method: str, parameters: dict[str, Any]) -> None:
    """Every call about tags needs a user that exists."""
    with refused("NoSuchEntity", status=404):
        getattr(iam, method)(UserName="nobody", **parameters)


def test_tags_come_in_pages(iam: Any, user: str) -> None:
    """MaxItems bounds a page and Marker asks for the next."""
    tag(iam, user, one="1", two="2", three="3")
    first = iam.list_user_tags(UserName=user, MaxItems=2)
    assert (len(first["Tags"]), first["IsTruncated"]) == (2, True)
    second = iam.list_user_tags(UserName=user, MaxItems=2, Marker=first["Marker"])
    assert (len(second["Tags"]), second["IsTruncated"]) == (1, False)


def test_what_the_provider_writes_fits(iam: Any, user: str) -> None:
    """The longest description of a key has characters and a length that IAM takes."""
    records = {"AKIAIOSFODNN7EXAMPLE": key_tag("d" * 233, "0123456789abcdef")}
    tag(iam, user, **records)
    assert tags(iam, user) == records
