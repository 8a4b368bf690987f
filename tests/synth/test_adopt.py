"""What an app says to take over a key that somebody else has made."""

import pytest
from aws_cdk import App, CfnParameter, Stack
from aws_cdk import aws_iam as iam
from synth.templates import KEY, only

from cdk_iam_access_key import AccessKey

EXAMPLE, OTHER = "AKIAIOSFODNN7EXAMPLE", "AKIAI44QH8DHBEXAMPLE"


def test_the_id_is_all_that_the_provider_gets(app: App) -> None:
    """Without it the property is left out."""
    plain, adopting = Stack(app, "Plain"), Stack(app, "Adopting")
    keys = [AccessKey(stack, "Key", user=iam.User(stack, "User")) for stack in (plain, adopting)]
    keys[1].adopt(access_key_id=EXAMPLE)
    before, after = only(plain, KEY), only(adopting, KEY)
    assert after.keys() - before.keys() == {"AdoptedKey"}
    assert after["AdoptedKey"] == EXAMPLE


def test_a_parameter_of_the_stack_names_it(stack: Stack, user: iam.User) -> None:
    """CloudFormation resolves it, and the provider checks it."""
    key = AccessKey(stack, "Key", user=user)
    key.adopt(CfnParameter(stack, "Old").value_as_string)
    assert only(stack, KEY)["AdoptedKey"] == {"Ref": "Old"}


@pytest.mark.parametrize(
    "given",
    ["", "AKIA", "ASIAIOSFODNN7EXAMPLE", "akiaiosfodnn7example", f" {EXAMPLE}", "AKIA" + "X" * 125, None, 7, [EXAMPLE]],
)
def test_what_is_no_id_is_refused(stack: Stack, user: iam.User, given: object) -> None:
    """Ids of temporary keys begin with ASIA; the message says where to find one."""
    key = AccessKey(stack, "Key", user=user)
    with pytest.raises(ValueError, match=r"access_key_id must be AKIA .*, got .*; pass the id that `aws iam list-acc"):
        key.adopt(given)  # type: ignore[arg-type] # what an app may pass in
    key.adopt(EXAMPLE)


def test_a_key_adopts_once_and_is_adopted_once(app: App) -> None:
    """Also in another stack: the ids of access keys are AWS's, whatever the account."""
    keys = [AccessKey(stack := Stack(app, name), "Key", user=iam.User(stack, "User")) for name in "AB"]
    keys[0].adopt(EXAMPLE)
    with pytest.raises(ValueError, match=f"but A/Key adopts {EXAMPLE} and A/Key is to adopt {OTHER}; remove one"):
        keys[0].adopt(OTHER)
    with pytest.raises(ValueError, match=f"but A/Key adopts {EXAMPLE} and B/Key is to adopt {EXAMPLE}"):
        keys[1].adopt(EXAMPLE)
    keys[1].adopt(OTHER)
