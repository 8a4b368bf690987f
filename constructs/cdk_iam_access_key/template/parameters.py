"""What the template asks for, and what CloudFormation refuses before it makes anything.

A parameter is the construct's property of the same name, with its default; an empty text leaves the property out, and
so does 0 where 0 is no value. The construct checks more than a template can: what follows from two numbers, such as a
grace period that is longer than the time between two rotations.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/rules-section-structure.html
"""

from typing import Any

from cdk_iam_access_key._shared.durations import DAY, HOUR

Fragment = dict[str, Any]

_YEAR = 365 * DAY
# A role's path has 512 characters for the longest names of a stack and a user too.
_SECRET_NAME = 256
_RATES = r"rate\((1 day|([2-9]|[1-9][0-9]{1,2}) days|([4-9]|[1-9][0-9]{1,2}) hours)\)"
_CRONS = r"cron\(0 [^ ()]+ ([^ ()]+ [^ ()]+ \?|\? [^ ()]+ [^ ()]+) \*\)"
_LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)


def _text(description: str, *, default: str = "", pattern: str, must: str, **more: int) -> Fragment:
    constraints = {"AllowedPattern": pattern, "ConstraintDescription": must}
    return {"Type": "String", "Default": default, "Description": description, **constraints, **more}


def _choice(description: str, *allowed: str, default: str = "") -> Fragment:
    choices = {"AllowedValues": list(allowed), "ConstraintDescription": f"must be {' or '.join(allowed)}"}
    return {"Type": "String", "Default": default or allowed[0], "Description": description, **choices}


def _seconds(description: str, *, default: int, least: int = 0, most: int) -> Fragment:
    bounds = {"MinValue": least, "MaxValue": most, "ConstraintDescription": f"must be {least} to {most} seconds"}
    return {"Type": "Number", "Default": default, "Description": description, **bounds}


GROUPS: dict[str, dict[str, Fragment]] = {
    "The key": {
        "UserName": _text(
            "The name of the IAM user that gets the key; a change is another key for another user, and the old one is "
            "deleted. Empty for a provider without a key.",
            pattern=r"(?!root$)[A-Za-z0-9_+=,.@-]{0,64}",
            must="must be the name of an IAM user, without its path, and not root",
        ),
        "UserPath": _text(
            "The IAM path of the user.",
            default="/",
            pattern=r"/([!-.0-~]+/)*",
            must="must begin and end with a slash, such as /team/",
            MaxLength=512,
        ),
        "Serial": _text(
            "Any change of it rotates the key.",
            default="1",
            pattern=r".*[^ ].*",
            must="must be 1 to 128 characters, not only blanks",
            MaxLength=128,
        ),
        "Status": _choice("Whether the key may be used; a change does not rotate.", "Active", "Inactive"),
        "Description": _text(
            "Shown beside the key in the IAM console.",
            pattern=r"[A-Za-z0-9 _.:/=+@-]*",
            must="must have at most 233 letters, digits, spaces and _.:/=+-@",
            MaxLength=233,
        ),
    },
    "The secret": {
        "SecretName": _text(
            "The name of the secret that is defined; a change replaces the secret and the key. Empty: it is generated.",
            pattern=r"[A-Za-z0-9/_+=.@-]*",
            must=f"must have at most {_SECRET_NAME} letters, digits and /_+=.@-",
            MaxLength=_SECRET_NAME,
        ),
        "SecretArn": _text(
            "The complete ARN of an existing secret of this account and region, to which the key is written. Empty: a "
            "secret is defined.",
            pattern=r"(arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6})?",
            must="must be a complete ARN of a secret, with the six characters at its end",
        ),
        "EncryptionKeyArn": _text(
            "The ARN of the KMS key of the secret, no alias. Empty: AWS's own.",
            pattern=r"(arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+)?",
            must="must be the ARN of a KMS key, and no alias",
        ),
    },
    "The previous key": {
        "GracePeriod": _seconds(
            "How many seconds the previous key stays Active; 0: it is deactivated in the same deployment.",
            default=HOUR,
            most=90 * DAY,
        ),
        "RetentionPeriod": _seconds(
            "How many seconds it then stays Inactive until it is deleted.", default=7 * DAY, least=HOUR, most=_YEAR
        ),
        "RetireWhenUnusedFor": _seconds(
            "The previous key is not deactivated while it was used within so many seconds, an hour at least. 0: while "
            "it was used after the grace period began.",
            default=0,
            most=_YEAR,
        ),
        "OverdueAfter": _seconds(
            "After how many seconds a previous key that is still used is reported as overdue. 0: never.",
            default=0,
            most=_YEAR,
        ),
        "AdoptedKey": _text(
            "The id of a key of the user that somebody else has made: it becomes the previous key. Empty: none.",
            pattern=r"(AKIA[A-Z0-9]{12,124})?",
            must="must be the id of an access key, which begins with AKIA",
        ),
        "OnKeyLimit": _choice(
            "What a rotation may remove when the user has two keys already.", "Fail", "RetirePrevious", "RemoveUnused"
        ),
        "RemoveUnusedAfter": _seconds(
            "With RemoveUnused: how old an Inactive, never used key must be.",
            default=90 * DAY,
            least=DAY,
            most=10 * _YEAR,
        ),
    },
    "Rotation": {
        "RotationSchedule": _text(
            "When Secrets Manager rotates the key by itself, in UTC, such as rate(30 days). Empty: never.",
            pattern=f"({_RATES}|{_CRONS})?",
            must="must be rate(N days), rate(N hours) of at least 4 hours, or cron(0 hours day month weekday *)",
        ),
        "RotationWindow": _text(
            "How long after that Secrets Manager may take to begin, such as 2h. Empty: as Secrets Manager decides.",
            pattern=r"(([1-9]|1[0-9]|2[0-4])h)?",
            must="must be 1h to 24h",
        ),
        "MaxActiveAge": _seconds(
            "From how many seconds on an Active key is reported as too old, a day at least. 0: never.",
            default=0,
            most=10 * _YEAR,
        ),
    },
    "The provider": {
        "Provider": _text(
            "The name of the stack of this template whose provider manages the key: the output Provider of that stack. "
            "Empty: the stack defines its own. It can't be changed once deployed.",
            pattern=r"([A-Za-z][A-Za-z0-9-]{0,127})?",
            must="must be the name of a stack",
        ),
        "LogRetentionDays": {
            "Type": "Number",
            "Default": 30,
            "Description": "How many days CloudWatch keeps the functions' log.",
            "AllowedValues": list(_LOG_DAYS),
            "ConstraintDescription": f"must be {', '.join(map(str, _LOG_DAYS[:-1]))} or {_LOG_DAYS[-1]}",
        },
        "PermissionsBoundary": _text(
            "The ARN of a policy that bounds the roles. Empty: none.",
            pattern=r"(arn:[a-z-]+:iam::([0-9]{12}|aws):policy/[!-~]+)?",
            must="must be the ARN of a policy",
        ),
    },
}
"""The parameters, as the console groups them."""

PARAMETERS: dict[str, Fragment] = {name: one for group in GROUPS.values() for name, one in group.items()}


def ref(name: str) -> Fragment:
    """Refer to a parameter."""
    if name not in PARAMETERS:
        raise KeyError(name)
    return {"Ref": name}


def _is(name: str, value: str = "") -> Fragment:
    return {"Fn::Equals": [ref(name), value]}


def _is_not(name: str, value: str = "") -> Fragment:
    return {"Fn::Not": [_is(name, value)]}


def _holds(condition: str) -> Fragment:
    return {"Condition": condition}


CONDITIONS: dict[str, Fragment] = {
    "DefinesProvider": _is("Provider"),
    "DefinesKey": _is_not("UserName"),
    "DefinesSecret": {"Fn::And": [_holds("DefinesKey"), _is("SecretArn")]},
    "DefinesSchedule": {"Fn::And": [_holds("DefinesKey"), _is_not("RotationSchedule")]},
    "HasDescription": _is_not("Description"),
    "HasSecretName": _is_not("SecretName"),
    "HasEncryptionKey": _is_not("EncryptionKeyArn"),
    "HasRetireWhenUnusedFor": _is_not("RetireWhenUnusedFor", "0"),
    "HasOverdueAfter": _is_not("OverdueAfter", "0"),
    "HasAdoptedKey": _is_not("AdoptedKey"),
    "HasRemoveUnusedAfter": _is("OnKeyLimit", "RemoveUnused"),
    "HasRotationSchedule": _is_not("RotationSchedule"),
    "HasRotationWindow": _is_not("RotationWindow"),
    "HasMaxActiveAge": _is_not("MaxActiveAge", "0"),
    "HasPermissionsBoundary": _is_not("PermissionsBoundary"),
}
"""What of the template is there, by the parameters."""


def _rule(when: Fragment, must: Fragment, why: str) -> Fragment:
    return {"RuleCondition": when, "Assertions": [{"Assert": must, "AssertDescription": why}]}


RULES: dict[str, Fragment] = {
    "SomethingIsDefined": _rule(
        _is("UserName"), _is("Provider"), "UserName must be given where Provider is: the stack would define nothing"
    ),
    "OneSecret": _rule(
        _is_not("SecretArn"), _is("SecretName"), "SecretName must be empty where SecretArn names an existing secret"
    ),
    "OnlyAnActiveKeyRotates": _rule(
        _is("Status", "Inactive"), _is("RotationSchedule"), "RotationSchedule must be empty while Status is Inactive"
    ),
    "AWindowHasASchedule": _rule(
        _is("RotationSchedule"), _is("RotationWindow"), "RotationWindow must come with RotationSchedule"
    ),
    "AnAgeHasASchedule": _rule(
        {"Fn::And": [_is_not("MaxActiveAge", "0"), _is("Status", "Active")]},
        _is_not("RotationSchedule"),
        "MaxActiveAge must come with RotationSchedule: nothing else keeps a key from becoming older",
    ),
    "AGateHasAGracePeriod": _rule(
        _is("GracePeriod", "0"),
        {"Fn::And": [_is("RetireWhenUnusedFor", "0"), _is("OverdueAfter", "0")]},
        "RetireWhenUnusedFor and OverdueAfter must be 0 where GracePeriod is 0",
    ),
}
"""What one parameter asks of another."""
