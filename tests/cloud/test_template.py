"""The template for other languages, deployed by CloudFormation's own API: three keys from one provider."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aws_cdk import aws_iam as iam
from aws_cdk.cloudformation_include import CfnInclude
from botocore.exceptions import ClientError
from cloud import aws_cli
from cloud.stacks import Account, Deployment
from cloud.template_stacks import TemplateStack

from cdk_iam_access_key.template.build import write_template

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_cdk import Stack

    from local_cloud import LocalCloud

LARGEST_INLINE = 51_200
DOCUMENTATION = Path(__file__).parents[2] / "docs" / "other-languages.md"


def until(holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.2)


def statuses(account: Account, user: str, secret: str) -> tuple[str | None, list[str]]:
    """Tell the status of the current key, and those of the others."""
    keys = account.keys(user)
    return keys.pop(account.value(secret)["accessKeyId"], None), sorted(keys.values())


def check(account: Account, user: str, secret: str) -> None:
    """Check the invariants once nobody is at work: Secrets Manager tests a new schedule, and rotates, by itself."""
    until(lambda: not account.entries()[secret].keys() & {"lease", "rotation"}, "the work is done")
    account.check(user, secret)


def count_key_roles(account: Account) -> int:
    """Count the roles of keys, whose path goes on with a user and a secret after that of the provider's role."""
    roles = account.iam.list_roles(PathPrefix="/cdk-iam-access-key/")["Roles"]
    return len([role for role in roles if role["Path"].count("/") > "/name/stack/".count("/")])


def test_three_keys_from_one_provider_live_and_die(empty_cloud: LocalCloud, tmp_path: Path) -> None:
    """They are created, rotated, rolled back, moved to another user and destroyed, with one provider and no CDK."""
    account = Account(empty_cloud)
    first, second, third = (TemplateStack(empty_cloud, tmp_path, name) for name in ("First", "Second", "Third"))
    for name, path in (("ann", "/"), ("ben", "/"), ("eve", "/"), ("cat", "/team/")):
        account.iam.create_user(UserName=name, Path=path)
    existing = account.secrets.create_secret(Name="a/b/existing")["ARN"]

    made = first.set(UserName="ann")
    ann, provider = made["SecretArn"], made["Provider"]
    bens = {"UserName": "ben", "Provider": provider, "GracePeriod": 0, "SecretName": "team/ben"}
    ben = second.set(**bens)["SecretArn"]
    scheduled = {"RotationSchedule": "rate(30 days)", "RotationWindow": "2h"}
    cats = {"UserName": "cat", "UserPath": "/team/", "Provider": provider, "SecretArn": existing, **scheduled}
    assert third.set(**cats)["SecretArn"] == existing
    for user, secret in (("ann", ann), ("ben", ben), ("cat", existing)):
        check(account, user, secret)
        assert account.works(secret)
    assert len(empty_cloud.client("lambda").list_functions()["Functions"]) == 2
    assert count_key_roles(account) == 3

    # Rotated by a parameter, by a deployment that fails, and by Secrets Manager.
    second.set(**bens, Serial=2)
    assert statuses(account, "ben", ben) == ("Active", ["Inactive"])
    current = account.value(ann)["accessKeyId"]
    first.set(UserName="ann", Serial=2, fails=True)
    assert account.value(ann)["accessKeyId"] == current
    account.check("ann", ann)
    before = account.value(existing)["accessKeyId"]
    empty_cloud.rotate_by_schedule(existing)
    until(lambda: account.value(existing)["accessKeyId"] != before, "Secrets Manager rotates")
    check(account, "cat", existing)

    # Another user: another role, and the key of the user before goes with the old one.
    moved = second.set(**bens | {"UserName": "eve"})["SecretArn"]
    assert moved == ben
    assert account.keys("ben") == {}
    account.check("eve", ben)
    assert count_key_roles(account) == 3

    # A provider stays as long as keys need it, with a key of its own or without.
    first.set()
    assert account.keys("ann") == {}
    assert count_key_roles(account) == 2
    with pytest.raises(ClientError, match="imported by stack"):
        empty_cloud.client("cloudformation").delete_stack(StackName="First")
    second.set(**bens | {"UserName": "eve"}, Serial=3)
    assert statuses(account, "eve", ben)[0] == "Active"

    for stack in (third, second, first):
        stack.delete()
    assert account.value(existing)["accessKeyId"] not in account.keys("cat")
    account.check_nothing_of_ours()


@pytest.mark.thorough
def test_the_documented_nested_stacks_are_packaged_and_deployed(empty_cloud: LocalCloud, tmp_path: Path) -> None:
    """The real command line packages the documentation's example as it stands; its keys work, and all of it goes."""
    account = Account(empty_cloud)
    (example,) = re.findall(r"```yaml\n(Resources:.*?)```", DOCUMENTATION.read_text("utf-8"), flags=re.DOTALL)
    (tmp_path / "keys.yaml").write_text(example, "utf-8")
    write_template(tmp_path / "dist")
    empty_cloud.client("s3").create_bucket(Bucket="mine")
    packaged = aws_cli.package(empty_cloud, tmp_path, "keys.yaml")

    stack = Deployment(empty_cloud, tmp_path, "Keys")
    stack.start(packaged.read_text("utf-8"))
    outputs = stack.outputs(stack.await_status("CREATE_COMPLETE"))
    assert set(outputs) == {"BuildSecret", "MailSecret"}
    assert all(account.works(secret) for secret in outputs.values())
    stack.delete()
    account.check_nothing_of_ours()


@pytest.mark.thorough
def test_an_app_includes_the_template(empty_cloud: LocalCloud, tmp_path: Path) -> None:
    """`CfnInclude` takes it packaged, in a stack of the CDK; a second stack takes the provider of the first."""
    account = Account(empty_cloud)
    template, _ = write_template(tmp_path)
    empty_cloud.client("s3").create_bucket(Bucket="mine")
    packaged = aws_cli.package(empty_cloud, tmp_path, template.name)
    assert packaged.stat().st_size < LARGEST_INLINE

    def declare(stack: Stack, provider: str = "") -> None:
        name = f"of-{stack.stack_name}"
        parameters = {"UserName": name, "Serial": "1", "Provider": provider}
        key = CfnInclude(stack, "Key", template_file=str(packaged), parameters=parameters)
        key.node.add_dependency(iam.User(stack, "User", user_name=name))

    first, second = (Deployment(empty_cloud, tmp_path, name) for name in ("Owner", "Guest"))
    provider = first.deploy(declare)["Provider"]
    second.deploy(lambda stack: declare(stack, provider))
    for user in ("of-Owner", "of-Guest"):
        assert list(account.keys(user).values()) == ["Active"]
    assert len(empty_cloud.client("lambda").list_functions()["Functions"]) == 2
    second.delete()
    first.delete()
    account.check_nothing_of_ours()
