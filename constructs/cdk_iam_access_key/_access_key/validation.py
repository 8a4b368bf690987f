"""Checks of what an app passes in for a key. A token has no value to check yet, so it passes."""

import re
import unicodedata
from typing import cast

from aws_cdk import RemovalPolicy, Stack, Token, Tokenization
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager

from cdk_iam_access_key._access_key.declared_keys import Home
from cdk_iam_access_key._access_key.secret_text import check_partition
from cdk_iam_access_key._shared.tokens import is_token, referenced
from cdk_iam_access_key._shared.validation import shown
from cdk_iam_access_key.secret_format import SecretFormat

_USER_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]{1,64}")
_KEY_ID = re.compile(r"AKIA[A-Z0-9]{12,124}")
_SERIAL_CHARACTERS = 128
# IAM allows 256 in a tag's value, of which the provider takes 23 to name the key's owner.
_DESCRIPTION_CHARACTERS = 233
_DESCRIPTION_SIGNS = "_.:/=+-@"
_FIELDS = ("accessKeyId", "secretAccessKey")
_STATUS = {iam.AccessKeyStatus.ACTIVE: "Active", iam.AccessKeyStatus.INACTIVE: "Inactive"}


def checked_access_key_id(access_key_id: str) -> str:
    """Return the id of a long-term access key. Ids of temporary keys begin with ASIA."""
    if not isinstance(access_key_id, str) or not (is_token(access_key_id) or _KEY_ID.fullmatch(access_key_id)):
        raise ValueError(
            f"access_key_id must be AKIA and 12 to 124 capital letters and digits, got {shown(access_key_id)}; pass "
            "the id that `aws iam list-access-keys` shows"
        )
    return access_key_id


def checked_user(home: Home, user: iam.IUser | iam.CfnUser) -> tuple[str, str]:
    """Return the name and the ARN of a user of the stack's account."""
    defined = None if isinstance(user, iam.User) else defined_user(user)
    name, arn, account = (
        _facade(user) if defined is None else (defined.ref, defined.attr_arn, Stack.of(defined).account)
    )
    if account is not None and _differ(account, home.account):
        raise ValueError(
            f"user must be of the stack's account {home.account}, got {arn} of {account}; "
            "declare the key in a stack of the user's account"
        )
    if not is_token(name) and not _USER_NAME.fullmatch(name):
        raise ValueError(
            f"user must have a name of 1 to 64 letters, digits and _+=,.@-, got {shown(name)}; pass the name that IAM "
            "shows"
        )
    return name, arn


def defined_user(user: iam.IUser | iam.CfnUser) -> iam.CfnUser | None:
    """Return the resource of a user that the app defines, also of one that it imports by the resource's ARN."""
    if isinstance(user, iam.CfnUser):
        return user
    element = user.node.default_child if isinstance(user, iam.User) else referenced(getattr(user, "user_arn", ""))
    return element if isinstance(element, iam.CfnUser) else None


def _facade(user: iam.IUser | iam.CfnUser) -> tuple[str, str, str | None]:
    shows = cast("iam.IUser", user)
    try:
        return shows.user_name, shows.user_arn, shows.principal_account
    except AttributeError:
        raise ValueError(
            f"user must be an iam.IUser or an iam.CfnUser, got {shown(user)}; "
            "pass an iam.User, or import one with iam.User.from_user_name or iam.User.from_user_arn"
        ) from None


def check_no_root(user_arn: str, identity: str) -> None:
    """Refuse the root user, by its name or its ARN."""
    if identity == "root" or user_arn.endswith(":root"):
        raise ValueError(
            f"user must not be the root user, got {user_arn if identity != 'root' else 'root'}; "
            "AWS advises against access keys of the root user: use an IAM user, or better a role, with only the "
            "permissions it needs. RootAccessKeyGuard tells whether the root user has one"
        )


def checked_serial(serial: object) -> str:
    """Render a serial as the property that it becomes; the token of a number is a float."""
    if isinstance(serial, float) and Token.is_unresolved(serial):
        return Tokenization.stringify_number(serial)
    if isinstance(serial, str | int) and not isinstance(serial, bool):
        return _checked_serial(str(serial))
    raise ValueError(f"serial must be an int or a str, got {shown(serial)}; pass a number that you count up, or a text")


def _checked_serial(serial: str) -> str:
    if is_token(serial):
        return serial
    if not serial.strip():
        raise ValueError(f"serial must not be empty, got {serial!r}; pass a number that you count up, or a text")
    if len(serial) > _SERIAL_CHARACTERS:
        raise ValueError(
            f"serial must have at most {_SERIAL_CHARACTERS} characters, got {len(serial)}: "
            f"{serial[:32]}...; pass a shorter one"
        )
    return serial


def checked_status(status: iam.AccessKeyStatus) -> str:
    """Render a status the way IAM spells it."""
    if isinstance(status, iam.AccessKeyStatus):
        return _STATUS[status]
    raise ValueError(
        f"status must be an iam.AccessKeyStatus, got {shown(status)}; "
        "pass iam.AccessKeyStatus.ACTIVE or iam.AccessKeyStatus.INACTIVE"
    )


def checked_description(description: str) -> str:
    """Return a description that fits into the value of a user's tag."""
    if not isinstance(description, str) or not description.strip():
        raise ValueError(
            f"description must be a text, got {shown(description)}; leave it out if there is nothing to say"
        )
    if is_token(description):
        return description
    if len(description) > _DESCRIPTION_CHARACTERS:
        raise ValueError(
            f"description must have at most {_DESCRIPTION_CHARACTERS} characters, got {len(description)}: "
            f"{description[:32]}...; shorten it"
        )
    refused = sorted({character for character in description if not _fits_tag(character)})
    if refused:
        raise ValueError(
            f"description must consist of letters, digits, spaces and {_DESCRIPTION_SIGNS}, "
            f"got {description!r}; remove {', '.join(map(repr, refused))}"
        )
    return description


def checked_secret_arn(home: Home, secret: secretsmanager.ISecret) -> str:
    """Return the complete ARN of a secret that a function at home can write."""
    try:
        arn = secret.secret_full_arn
    except AttributeError:
        raise ValueError(
            f"secret must be a secretsmanager.ISecret, got {shown(secret)}; "
            "import one with secretsmanager.Secret.from_secret_complete_arn"
        ) from None
    if arn is None:
        raise ValueError(
            f"secret must be known by its complete ARN, got the name or partial ARN of {secret.secret_name}; "
            "import it with secretsmanager.Secret.from_secret_complete_arn, or from_secret_attributes with "
            "secret_complete_arn"
        )
    env = secret.env
    if _differ(env.account, home.account):
        raise ValueError(
            f"secret must be in the stack's account {home.account}, got one of {env.account}; "
            "declare the key in a stack of the account that has both the user and the secret"
        )
    if _differ(env.region, home.region):
        raise ValueError(
            f"secret must be in the stack's region {home.region}, got one of {env.region}; a replica "
            f"can't be written, so declare the key in a stack of {env.region}, where the primary is"
        )
    return arn


def check_no_properties_of_secret(**given: object) -> None:
    """Refuse properties of a secret to define, when there is one already."""
    names = [name for name, value in given.items() if value is not None]
    if names:
        raise ValueError(
            f"secret must come without {', '.join(given)}, got it with {', '.join(names)}; these are for the "
            "secret that AccessKey defines, so set them on your own secret"
        )


def check_removal_policy(policy: RemovalPolicy | None) -> None:
    """Refuse a policy that CloudFormation does not have for secrets; it would say so at deployment only."""
    allowed = (None, RemovalPolicy.DESTROY, RemovalPolicy.RETAIN, RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
    if policy not in allowed:
        raise ValueError(
            f"removal_policy must be RemovalPolicy.DESTROY, .RETAIN or .RETAIN_ON_UPDATE_OR_DELETE, got "
            f"{shown(policy)}; of a secret nobody takes a snapshot"
        )


def checked_format(home: Home, secret_format: SecretFormat | None) -> dict[str, str]:
    """Render the format of the secret as the properties that it becomes."""
    if secret_format is None:
        return {}
    if not isinstance(secret_format, SecretFormat):
        raise ValueError(  # noqa: TRY004
            f"secret_format must be a SecretFormat, got {shown(secret_format)}; make one with SecretFormat.json, "
            "env_file, credentials_file, template or ses_smtp"
        )
    check_partition(secret_format.text, home.region)
    proof = {"ProveSmtpPort": str(secret_format.prove_smtp_port)} if secret_format.prove_smtp_port else {}
    return {"SecretFormat": secret_format.text, "SecretFormatKind": secret_format.kind, **proof}


def check_provider_place(home: Home, provider: Home) -> None:
    """Refuse a provider of another account or region, whose function CloudFormation could not call."""
    if _differ(home.account, provider.account) or _differ(home.region, provider.region):
        raise ValueError(
            f"provider must be in the stack's account and region, {home.account} and {home.region}, got "
            f"{provider.account} and {provider.region}; leave it out, and the stack gets its own"
        )


def check_alarm_place(home: Home, alarm: cloudwatch.IAlarm) -> None:
    """Refuse an alarm of another account or region, whose events don't reach the stack's event bus."""
    account, region = alarm.env.account, alarm.env.region
    # The CDK takes an imported alarm for one of the stack that imports it.
    if not is_token(alarm.alarm_arn):
        region, account = alarm.alarm_arn.split(":")[3:5]
    if _differ(account, home.account) or _differ(region, home.region):
        raise ValueError(
            f"undo_on_alarm must name alarms of the stack's account and region, {home.account} and {home.region}, "
            f"got one of {account} and {region}; define an alarm beside the key"
        )


def checked_field(secret_format: SecretFormat | None, field: str) -> str:
    """Return a field of the secret, whose names its format chooses."""
    fields = _FIELDS if secret_format is None else secret_format.fields
    if not fields:
        raise ValueError(
            f"field must name a field of a JSON object, got {shown(field)} and a secret_format that makes no JSON; "
            "take all of the value with key.secret.secret_value, or use SecretFormat.json"
        )
    if field in fields:
        return field
    raise ValueError(f"field must be {' or '.join(fields)}, got {shown(field)}; pass one of them")


def _differ(one: str, other: str) -> bool:
    return one != other and not is_token(one) and not is_token(other)


def _fits_tag(character: str) -> bool:
    return unicodedata.category(character)[0] in "LZN" or character in _DESCRIPTION_SIGNS
