"""Copies of the secret of an access key, where its readers are."""

import re
from dataclasses import dataclass
from typing import Literal

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from cdk_iam_access_key._shared.tokens import is_token
from cdk_iam_access_key._shared.validation import check_encryption_key, shown

_NAME = re.compile(r"/?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")
_LONGEST_NAME = 512
# https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-hierarchies.html
_MOST_LEVELS = 15
_RESERVED = re.compile(r"/?(aws|ssm)", re.IGNORECASE)
_LIKE_A_SUFFIX = re.compile(r".*-[A-Za-z0-9]{6}")
_REGION = re.compile(r"[a-z]{2,5}(-[a-z]+)+-[0-9]{1,2}")


@dataclass(frozen=True, slots=True)
class Copy:
    """Write the secret to another place as well. Use `parameter` or `secret`.

    The provider writes a new key to all copies before it becomes current, and a rollback brings their readers back to
    the key that was current before. It makes the copy, refuses to write over what somebody else has made, and deletes
    it when it leaves the stack. It can't read it.

    A change of copies rotates the key, because nobody can read a secret access key back. A copy that leaves the stack
    is deleted at the end of the deployment.

    Args:
        kind: What it is.
        name: Its name there.
        region: Its region; None is that of the stack.
        role: The role that may write there, in another account; None for the stack's account.
        encryption_key: The KMS key that encrypts it; None is AWS's own.
    """

    kind: Literal["parameter", "secret"]
    name: str
    region: str | None = None
    role: iam.IRole | None = None
    encryption_key: kms.IKey | None = None

    @classmethod
    def parameter(
        cls,
        name: str,
        *,
        in_region: str | None = None,
        role: iam.IRole | None = None,
        encryption_key: kms.IKey | None = None,
    ) -> "Copy":
        """Copy to a SecureString parameter of SSM, of the standard tier: a document of at most 4,096 bytes.

        Let readers ask for `NAME:current`. Without this label they get what was written last, and that may be a key
        that a rollback has taken back.
        https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-labels.html

        Args:
            name: Its name, such as `/ci/key`. A change makes another parameter.
            in_region: Its region. The stack's if left out.
            role: A role of another account that allows `ssm:PutParameter`, `ssm:LabelParameterVersion` and
                `ssm:DeleteParameter` on it, and that the key's role may assume.
            encryption_key: The KMS key that encrypts it. AWS's own if left out.

        Raises:
            ValueError: A value can't work.
        """
        _check("parameter", name, in_region, role, encryption_key)
        if "/" in name and not is_token(name) and not name.startswith("/"):
            raise ValueError(
                f"the name of a parameter must begin with a slash if it has one, got {shown(name)}; write /{name}"
            )
        if name.count("/") > _MOST_LEVELS:
            raise ValueError(
                f"the name of a parameter must have at most {_MOST_LEVELS} levels, got {name.count('/')} in "
                f"{shown(name)}; leave some out"
            )
        if _RESERVED.match(name):
            raise ValueError(f"the name of a parameter must not begin with aws or ssm, got {shown(name)}; change it")
        return cls("parameter", name, in_region, role, encryption_key)

    @classmethod
    def secret(
        cls,
        name: str,
        *,
        in_region: str | None = None,
        role: iam.IRole | None = None,
        encryption_key: kms.IKey | None = None,
    ) -> "Copy":
        """Copy to another secret, in another region or account.

        Where a replica will do, `replica_regions` of a secret that you pass in costs no rotation.

        Args:
            name: Its name. A change makes another secret.
            in_region: Its region. The stack's if left out.
            role: A role of another account that allows `secretsmanager:CreateSecret`, `DescribeSecret`,
                `PutSecretValue`, `UpdateSecretVersionStage` and `DeleteSecret` on it, and that the key's role may
                assume.
            encryption_key: The KMS key that encrypts it, of its region. AWS's own if left out; readers of another
                account need one.

        Raises:
            ValueError: A value can't work.
        """
        _check("secret", name, in_region, role, encryption_key)
        if _LIKE_A_SUFFIX.fullmatch(name):
            raise ValueError(
                f"the name of a copy must not end in a hyphen and six characters, got {shown(name)}; Secrets Manager "
                "takes that for the end of an ARN"
            )
        return cls("secret", name, in_region, role, encryption_key)


def _check(kind: str, name: object, region: object, role: iam.IRole | None, encryption_key: kms.IKey | None) -> None:
    if not isinstance(name, str) or (not is_token(name) and not (_NAME.fullmatch(name) and len(name) <= _LONGEST_NAME)):
        raise ValueError(
            f"the name of a {kind} must be at most {_LONGEST_NAME} letters, digits and _.-, in parts that slashes "
            f"separate, got {shown(name)}; change it"
        )
    if region is not None and (not isinstance(region, str) or not (is_token(region) or _REGION.fullmatch(region))):
        raise ValueError(
            f"in_region must be the name of a region, such as eu-central-1, got {shown(region)}; change it"
        )
    if role is not None and not hasattr(role, "role_arn"):
        raise ValueError(f"role must be an iam.IRole, got {shown(role)}; import one with iam.Role.from_role_arn")
    if encryption_key is not None:
        check_encryption_key("encryption_key", encryption_key)
