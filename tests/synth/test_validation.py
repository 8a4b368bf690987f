"""Bad input is refused at synth, with a message that says what to change."""

import re
from typing import Any, cast

import pytest
from aws_cdk import App, CfnParameter, Environment, NestedStack, RemovalPolicy, Stack, Stage
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk.assertions import Annotations, Match

from cdk_iam_access_key import AccessKey

ACCOUNT = "111122223333"
ARN = "arn:aws:secretsmanager:{region}:{account}:secret:deploy-key-AbCdEf"
HERE = ARN.format(region="eu-west-1", account=ACCOUNT)


@pytest.fixture
def placed(app: App) -> Stack:
    """Make a stack of a known account and region."""
    return Stack(app, "Placed", env=Environment(account=ACCOUNT, region="eu-west-1"))


@pytest.mark.parametrize(
    ("user", "got"),
    [(None, "None (NoneType)"), ("alice", "'alice' (str)"), (7, "7 (int)"), ({}, "an object of dict")],
    ids=["None", "str", "int", "dict"],
)
def test_user_must_be_a_user(stack: Stack, user: Any, got: str) -> None:
    """A name alone is no user; the message says how to import one."""
    expected = f"user must be an iam.IUser or an iam.CfnUser, got {got}; pass an iam.User, or import one with iam.User"
    with pytest.raises(ValueError, match=re.escape(expected)):
        AccessKey(stack, "Key", user=user)


def test_role_is_no_user(stack: Stack) -> None:
    """A role has no access keys."""
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"))
    with pytest.raises(ValueError, match="got an object of Role"):
        AccessKey(stack, "Key", user=role)


@pytest.mark.parametrize("defined", [True, False], ids=["defined", "imported"])
def test_root_is_refused_by_name(stack: Stack, *, defined: bool) -> None:
    """AWS advises against access keys of the root user, and the message says what to use."""
    user = iam.User(stack, "User", user_name="root") if defined else iam.User.from_user_name(stack, "User", "root")
    with pytest.raises(
        ValueError, match=r"must not be the root user, got root; AWS advises against .* use an IAM user"
    ):
        AccessKey(stack, "Key", user=user)


def test_root_is_refused_by_arn(stack: Stack) -> None:
    """An object that stands for the root user by its ARN is refused, whatever name it shows."""

    class RootUser(iam.User):
        user_arn = f"arn:aws:iam::{ACCOUNT}:root"

    with pytest.raises(ValueError, match=f"must not be the root user, got arn:aws:iam::{ACCOUNT}:root"):
        AccessKey(stack, "Key", user=RootUser(stack, "User"))


def test_user_of_another_account_is_refused(placed: Stack) -> None:
    """The provider works in its own account."""
    user = iam.User.from_user_arn(placed, "User", "arn:aws:iam::444455556666:user/alice")
    with pytest.raises(ValueError, match=f"account {ACCOUNT}, got .*user/alice of 444455556666; declare the key in"):
        AccessKey(placed, "Key", user=user)


def test_user_of_any_account_is_accepted_where_the_stack_has_none(stack: Stack) -> None:
    """An account that is a token is not compared."""
    AccessKey(stack, "Key", user=iam.User.from_user_arn(stack, "User", "arn:aws:iam::444455556666:user/alice"))


@pytest.mark.parametrize(
    ("serial", "message"),
    [
        (True, "serial must be an int or a str, got True (bool)"),
        (1.5, "serial must be an int or a str, got 1.5 (float)"),
        (None, "serial must be an int or a str, got None (NoneType)"),
        ([1], "serial must be an int or a str, got an object of list"),
        ("", "serial must not be empty, got ''"),
        (" \t", "serial must not be empty, got ' \\t'"),
        ("x" * 129, "serial must have at most 128 characters, got 129: xxxxxxxx"),
        (10**128, "serial must have at most 128 characters, got 129: 10000"),
    ],
    ids=["bool", "float", "None", "list", "empty", "blank", "long str", "long int"],
)
def test_serial_is_refused(stack: Stack, user: iam.User, serial: Any, message: str) -> None:
    """A serial is a whole number or a text of sane length."""
    with pytest.raises(ValueError, match=re.escape(message)):
        AccessKey(stack, "Key", user=user, serial=serial)


@pytest.mark.parametrize("serial", [0, -1, "x" * 128, "2026-01-01 ü"], ids=["0", "-1", "128 characters", "text"])
def test_serial_is_accepted(stack: Stack, user: iam.User, serial: int | str) -> None:
    """Any other whole number or text will do."""
    AccessKey(stack, "Key", user=user, serial=serial)


@pytest.mark.parametrize("status", ["Active", None, True])
def test_status_must_be_an_access_key_status(stack: Stack, user: iam.User, status: Any) -> None:
    """A status spelt out is no status; the message names the two there are."""
    with pytest.raises(ValueError, match=r"status must be an iam.AccessKeyStatus, got .*; pass iam.*ACTIVE or iam"):
        AccessKey(stack, "Key", user=user, status=status)


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ("x" * 234, "description must have at most 233 characters, got 234: xxxx"),
        ("a,b;a", "got 'a,b;a'; remove ',', ';'"),
        ("line\nbreak", "remove '\\n'"),
        ("key \U0001f511", "remove '\U0001f511'"),
        ("", "description must be a text, got '' (str); leave it out"),
        ("  ", "description must be a text, got '  ' (str)"),
        (7, "description must be a text, got 7 (int)"),
    ],
    ids=["long", "comma", "line break", "emoji", "empty", "blank", "number"],
)
def test_description_is_refused(stack: Stack, user: iam.User, description: Any, message: str) -> None:
    """A description has to fit into a tag of the user, beside what the provider puts there."""
    with pytest.raises(ValueError, match=re.escape(message)):
        AccessKey(stack, "Key", user=user, description=description)


@pytest.mark.parametrize("description", ["x" * 233, "Schlüssel für 鍵 _.:/=+-@ 42"], ids=["233", "all allowed"])
def test_description_is_accepted(stack: Stack, user: iam.User, description: str) -> None:
    """Letters and digits of any script are allowed."""
    AccessKey(stack, "Key", user=user, description=description)


@pytest.mark.parametrize("import_secret", ["from_secret_name_v2", "from_secret_partial_arn"])
def test_secret_needs_its_complete_arn(stack: Stack, user: iam.User, import_secret: str) -> None:
    """A name or partial ARN can't stand in a policy; the message says which call to use."""
    name = HERE.removesuffix("-AbCdEf") if import_secret == "from_secret_partial_arn" else "deploy-key"
    secret = getattr(secretsmanager.Secret, import_secret)(stack, "Secret", name)
    expected = "complete ARN, got the name or partial ARN of deploy-key; import it with .*from_secret_complete_arn"
    with pytest.raises(ValueError, match=expected):
        AccessKey(stack, "Key", user=user, secret=secret)


def test_secret_must_be_a_secret(stack: Stack, user: iam.User) -> None:
    """An ARN alone is no secret."""
    with pytest.raises(
        ValueError, match=r"secret must be a secretsmanager.ISecret, got 'arn:.*from_secret_complete_arn"
    ):
        AccessKey(stack, "Key", user=user, secret=HERE)


@pytest.mark.parametrize("name", ["secret_name", "encryption_key", "removal_policy"])
def test_secret_comes_without_properties_of_a_secret_to_define(stack: Stack, user: iam.User, name: str) -> None:
    """A secret that exists has its own name, KMS key and removal policy."""
    value = {
        "secret_name": "x",
        "encryption_key": kms.Key(stack, "KmsKey"),
        "removal_policy": RemovalPolicy.RETAIN,
    }[name]
    secret = secretsmanager.Secret(stack, "Secret")
    with pytest.raises(ValueError, match=f"secret must come without .*, got it with {name}; .* your own secret"):
        AccessKey(stack, "Key", user=user, secret=secret, **{name: value})


@pytest.mark.parametrize(
    ("region", "account", "message"),
    [
        (
            "us-east-1",
            ACCOUNT,
            "region eu-west-1, got one of us-east-1; a replica can't be written, so declare the key",
        ),
        ("eu-west-1", "444455556666", f"account {ACCOUNT}, got one of 444455556666; declare the key in a stack of"),
    ],
    ids=["region", "account"],
)
@pytest.mark.parametrize("imported", [True, False], ids=["imported", "defined"])
def test_secret_must_be_where_the_key_is(
    app: App, placed: Stack, region: str, account: str, message: str, *, imported: bool
) -> None:
    """A secret of another region or account, also one that is replicated here, can't be written from here."""
    if imported:
        arn = ARN.format(region=region, account=account)
        secret = secretsmanager.Secret.from_secret_complete_arn(placed, "Secret", arn)
    else:
        home = Stack(app, "Home", env=Environment(account=account, region=region))
        secret = secretsmanager.Secret(home, "Secret", replica_regions=[{"region": "eu-west-3"}])
    with pytest.raises(ValueError, match=message):
        AccessKey(placed, "Key", user=iam.User(placed, "User"), secret=secret)


def test_secret_of_a_known_place_is_accepted(placed: Stack, stack: Stack) -> None:
    """A secret of the stack's own place will do, and a stack of no place compares nothing."""
    for scope in (placed, stack):
        arn = HERE if scope is placed else HERE.replace("deploy-key", "other")
        secret = secretsmanager.Secret.from_secret_complete_arn(scope, "Secret", arn)
        AccessKey(scope, "Key", user=iam.User(scope, "User"), secret=secret)


@pytest.mark.parametrize("own_secret", [True, False], ids=["own secret", "secret passed in"])
@pytest.mark.parametrize("defined", [True, False], ids=["defined", "imported"])
def test_alias_is_no_encryption_key(stack: Stack, user: iam.User, *, defined: bool, own_secret: bool) -> None:
    """A permission on an alias permits nothing; it would fail at deployment only."""
    alias = (
        kms.Alias(stack, "Alias", alias_name="alias/mine", target_key=kms.Key(stack, "KmsKey"))
        if defined
        else kms.Alias.from_alias_name(stack, "Alias", "alias/mine")
    )
    given = (
        {"encryption_key": alias}
        if own_secret
        else {"secret": secretsmanager.Secret(stack, "Secret", encryption_key=alias)}
    )
    with pytest.raises(ValueError, match="got the alias Stack/Alias; no policy can name an alias, so pass its key"):
        AccessKey(stack, "Key", user=user, **given)


def two_keys(first: Stack, second: Stack, one: Any, other: Any) -> None:
    """Declare two keys of two users, in two stacks or in one, that write the two secrets."""
    AccessKey(first, "Key", user=iam.User(first, "User"), secret=one)
    AccessKey(second, "OtherKey", user=iam.User(second, "OtherUser"), secret=other)


def test_two_keys_of_one_secret_are_refused(stack: Stack) -> None:
    """The message names both keys."""
    secret = secretsmanager.Secret(stack, "Secret")
    with pytest.raises(ValueError, match="but Stack/Key and Stack/OtherKey write the same; give each its own secret"):
        two_keys(stack, stack, secret, secret)


def test_two_imports_of_one_secret_are_the_same_secret(app: App, stack: Stack) -> None:
    """The ARN decides, in whichever stack of the app the secret was imported."""
    other = Stack(app, "Other")
    secrets = [secretsmanager.Secret.from_secret_complete_arn(scope, "Secret", HERE) for scope in (stack, other)]
    with pytest.raises(ValueError, match="Stack/Key and Other/OtherKey write the same"):
        two_keys(stack, other, *secrets)


def test_import_of_a_secret_of_the_app_is_that_secret(app: App, stack: Stack) -> None:
    """A secret that is imported by the ARN of one that the app defines is found out."""
    other = Stack(app, "Other")
    secret = secretsmanager.Secret(stack, "Secret")
    imported = secretsmanager.Secret.from_secret_complete_arn(other, "Secret", secret.secret_arn)
    with pytest.raises(ValueError, match="write the same"):
        two_keys(stack, other, secret, imported)


def test_secret_that_another_key_defines_is_taken(stack: Stack, user: iam.User) -> None:
    """A key's own secret is no secret for a second key."""
    key = AccessKey(stack, "Key", user=user)
    with pytest.raises(ValueError, match="write the same"):
        AccessKey(stack, "OtherKey", user=iam.User(stack, "OtherUser"), secret=key.secret)


def test_import_of_a_keys_secret_is_that_secret(app: App, stack: Stack, user: iam.User) -> None:
    """What readers of a key's secret get leads back to it, from another stack too."""
    key = AccessKey(stack, "Key", user=user)
    other = Stack(app, "Other")
    imported = secretsmanager.Secret.from_secret_complete_arn(other, "Secret", key.secret.secret_arn)
    with pytest.raises(ValueError, match="Stack/Key and Other/OtherKey write the same"):
        AccessKey(other, "OtherKey", user=iam.User(other, "OtherUser"), secret=imported)


def test_import_of_the_secret_that_was_passed_to_a_key_is_that_secret(stack: Stack, user: iam.User) -> None:
    """The same by the ARN of an imported one."""
    secret = secretsmanager.Secret.from_secret_complete_arn(stack, "Far", HERE)
    key = AccessKey(stack, "Key", user=user, secret=secret)
    imported = secretsmanager.Secret.from_secret_complete_arn(stack, "Secret", key.secret.secret_arn)
    with pytest.raises(ValueError, match="write the same"):
        AccessKey(stack, "OtherKey", user=iam.User(stack, "OtherUser"), secret=imported)


def test_a_stack_may_have_the_librarys_name(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Before and after the first key is declared."""
    for first in (True, False):
        app = App(outdir=str(tmp_path_factory.mktemp("out")))
        stack = Stack(app, "cdk-iam-access-key" if first else "Stack")
        AccessKey(stack, "Key", user=iam.User(stack, "User"))
        Stack(app, "Stack" if first else "cdk-iam-access-key")
        app.synth()


def test_one_parameter_is_one_secret_and_two_are_two(app: App, stack: Stack) -> None:
    """A token is known by where it comes from: the same parameter twice is the same secret."""
    other = Stack(app, "Other")
    parameters = [CfnParameter(scope, "Arn").value_as_string for scope in (stack, other)]
    one, again = (
        secretsmanager.Secret.from_secret_complete_arn(stack, f"Secret{index}", parameters[0]) for index in range(2)
    )
    another = secretsmanager.Secret.from_secret_complete_arn(other, "Secret", parameters[1])
    two_keys(stack, other, one, another)
    with pytest.raises(ValueError, match="write the same"):
        AccessKey(stack, "Third", user=iam.User(stack, "ThirdUser"), secret=again)


def test_secrets_of_two_apps_are_apart(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> None:
    """What one app declares is forgotten in the next."""
    for scope in (stack, Stack(App(outdir=str(tmp_path_factory.mktemp("out"))), "Stack")):
        secret = secretsmanager.Secret.from_secret_complete_arn(scope, "Secret", HERE)
        AccessKey(scope, "Key", user=iam.User(scope, "User"), secret=secret)


def users_of_one_name(stack: Stack) -> list[iam.IUser]:
    """Return the same user three times, as an app may come by it."""
    defined = iam.User(stack, "Defined", user_name="alice")
    return [
        defined,
        iam.User.from_user_name(stack, "ByName", "alice"),
        iam.User.from_user_arn(stack, "ByArn", f"arn:aws:iam::{ACCOUNT}:user/robots/alice"),
    ]


def test_third_key_of_a_user_is_refused(stack: Stack) -> None:
    """IAM allows two, and all three ways to a user lead to the same one."""
    one, two, three = users_of_one_name(stack)
    AccessKey(stack, "A", user=one)
    AccessKey(stack, "B", user=two)
    with pytest.raises(ValueError, match="IAM allows a user 2 access keys, but Stack/A, Stack/B and Stack/C belong to"):
        AccessKey(stack, "C", user=three)


def test_third_key_of_a_user_without_a_name_is_refused(stack: Stack, user: iam.User) -> None:
    """A user whose name CloudFormation makes is known by its construct."""
    AccessKey(stack, "A", user=user)
    AccessKey(stack, "B", user=iam.User.from_user_name(stack, "Imported", user.user_name))
    with pytest.raises(ValueError, match="IAM allows a user 2 access keys"):
        AccessKey(stack, "C", user=user)


HOME, ELSEWHERE = (Environment(account=ACCOUNT, region=region) for region in ("eu-west-1", "us-east-1"))


def keys_of_alice(scopes: list[Stack]) -> None:
    """Declare a key of one user in each stack, who comes by each way in turn that leads to the same."""
    ways = [
        lambda scope: iam.User(scope, "User", user_name="alice"),
        lambda scope: iam.User.from_user_arn(scope, "User", f"arn:aws:iam::{ACCOUNT}:user/robots/alice"),
        lambda scope: iam.User.from_user_name(scope, "User", "alice"),
    ]
    for scope, way in zip(scopes, ways, strict=True):
        AccessKey(scope, "Key", user=way(scope))


def test_keys_of_a_user_are_counted_in_all_stacks_of_an_account(app: App) -> None:
    """IAM is the same in each region."""
    stacks = [Stack(app, name, env=env) for name, env in (("A", HOME), ("B", HOME), ("C", ELSEWHERE))]
    with pytest.raises(ValueError, match="allows a user 2 access keys, but A/Key, B/Key and C/Key belong to the same"):
        keys_of_alice(stacks)


def test_keys_of_a_user_are_counted_in_all_stages_of_an_account(app: App) -> None:
    """Stages of other accounts have their own users."""
    stacks = [Stack(Stage(app, name), "Stack", env=HOME) for name in "ABC"]
    with pytest.raises(ValueError, match="but A/Stack/Key, B/Stack/Key and C/Stack/Key belong to the same user"):
        keys_of_alice(stacks)
    for number in range(3):
        env = Environment(account=f"{number}" * 12, region="eu-west-1")
        far = Stack(Stage(app, f"Far{number}"), "Stack", env=env)
        AccessKey(far, "Key", user=iam.User.from_user_name(far, "User", "alice"))


@pytest.mark.parametrize("env", [HOME, None], ids=["account", "any account"])
def test_a_user_of_one_stack_is_counted_in_all_others(app: App, env: Environment | None) -> None:
    """Whichever account it is, a user that the app defines once is one."""
    user = iam.User(Stack(app, "Users", env=env), "User")
    stacks = [Stack(app, name, env=env) for name in "ABC"]
    AccessKey(stacks[0], "Key", user=user)
    AccessKey(stacks[1], "Key", user=iam.User.from_user_name(stacks[1], "User", user.user_name))
    with pytest.raises(ValueError, match="but A/Key, B/Key and C/Key belong to the same user"):
        AccessKey(stacks[2], "Key", user=user)


def test_users_of_one_name_in_stacks_of_any_account_are_warned_about(app: App) -> None:
    """They may be three users of three accounts, or one."""
    stacks = [Stack(app, name) for name in "ABC"]
    for stack in stacks:
        AccessKey(stack, "Key", user=iam.User.from_user_name(stack, "User", "alice"))
    Annotations.from_stack(stacks[2]).has_warning(
        "/C/Key", Match.string_like_regexp("A/Key, B/Key and C/Key belong to users of one name, alice: if their stacks")
    )


def test_users_of_one_name_in_stages_of_any_account_are_not(app: App) -> None:
    """Stages are what stands for accounts."""
    for name in "ABC":
        stack = Stack(Stage(app, name), "Stack")
        AccessKey(stack, "Key", user=iam.User.from_user_name(stack, "User", "alice"))
        assert Annotations.from_stack(stack).find_warning("*", Match.any_value()) == []


def test_a_name_that_is_given_after_the_key_counts(app: App) -> None:
    """An aspect names users, or whoever has the construct; at synthesis the names are final."""
    user = iam.User(Stack(app, "Users", env=HOME), "User")
    AccessKey(Stack(app, "A", env=HOME), "Key", user=user)
    for name in "BC":
        stack = Stack(app, name, env=ELSEWHERE)
        AccessKey(stack, "Key", user=iam.User.from_user_name(stack, "User", "alice"))
    cast("iam.CfnUser", user.node.default_child).user_name = "alice"
    with pytest.raises(RuntimeError, match="but A/Key, B/Key and C/Key belong to the same user"):
        app.synth()


def test_a_secret_is_known_by_its_name_too(app: App) -> None:
    """A secret that a stack defines, and the same one imported or defined again in another stack of the place."""
    stacks = [Stack(app, name, env=HOME) for name in "ABC"]
    AccessKey(stacks[0], "Key", user=iam.User(stacks[0], "User"), secret_name="deploy-key")
    imported = secretsmanager.Secret.from_secret_complete_arn(stacks[1], "Secret", HERE)
    for stack, given in ((stacks[1], {"secret": imported}), (stacks[2], {"secret_name": "deploy-key"})):
        with pytest.raises(ValueError, match=f"but A/Key and {stack.node.id}/Key write the same"):
            AccessKey(stack, "Key", user=iam.User(stack, "User"), **given)
    far = Stack(app, "Far", env=ELSEWHERE)
    AccessKey(far, "Key", user=iam.User(far, "User"), secret_name="deploy-key")


def test_two_keys_of_a_user_leave_no_slot_to_rotate(stack: Stack, user: iam.User) -> None:
    """Two keys work until one has to rotate; a warning on the second one says so."""
    AccessKey(stack, "A", user=user)
    AccessKey(stack, "B", user=user)
    Annotations.from_stack(stack).has_warning(
        "/Stack/B", Match.string_like_regexp("Stack/A and Stack/B take both access keys .* give each key its own user")
    )


def test_one_key_a_user_is_not_warned_about(stack: Stack) -> None:
    """Two users with a key each have a free slot to rotate."""
    for name in "AB":
        AccessKey(stack, name, user=iam.User(stack, f"User{name}"))
    assert Annotations.from_stack(stack).find_warning("*", Match.any_value()) == []


def test_keys_of_a_stage_and_a_nested_stack_are_found(app: App) -> None:
    """The whole app is looked at, through its stages and nested stacks."""
    stack = Stack(Stage(app, "Stage"), "Stack")
    nested = NestedStack(stack, "Nested")
    secret = secretsmanager.Secret(stack, "Secret")
    with pytest.raises(ValueError, match="Stage/Stack/Key and Stage/Stack/Nested/OtherKey write the same"):
        two_keys(stack, nested, secret, secret)


def test_stack_without_an_app_works() -> None:
    """A stack that makes its own app, as tests often have it, keeps what it declares as well."""
    stack = Stack()
    secret = secretsmanager.Secret(stack, "Secret")
    with pytest.raises(ValueError, match="write the same"):
        two_keys(stack, stack, secret, secret)
