"""What tells one user or secret of an app from another while its name or ARN may still be a token.

This is for the checks at synthesis. Which role a key gets is decided by the names that CloudFormation finds (`role`).
"""

import json
import re
from dataclasses import dataclass
from typing import cast

from aws_cdk import CfnResource, Reference, Stack, Tokenization
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import IConstruct

from cdk_iam_access_key._access_key.declared_keys import DeclaredKeys, Home
from cdk_iam_access_key._access_key.secret import KeySecret
from cdk_iam_access_key._shared.tokens import is_token

_SECRET_ARN = re.compile(r"arn:[^:]+:secretsmanager:([^:]+):(\d{12}):secret:(.+)-[A-Za-z0-9]{6}")


@dataclass(frozen=True, slots=True)
class NamedUser:
    """A user. Two values that mean the same user of an account have the same identity.

    Attributes:
        home: The stack that it is defined in, or imported into.
        account: Its account, which may be a token.
        name: Its name, which may be a token.
        element: What the app defines; None if that is not known.
    """

    home: Home
    account: str
    name: str
    element: IConstruct | None

    @classmethod
    def of(cls, declared: DeclaredKeys, key: Home, user: iam.IUser, name: str, arn: str) -> "NamedUser":
        """Describe the user of a key, known by a name and an ARN; all three are of one account."""
        element: IConstruct | None = None
        if is_token(name):
            element = user.node.default_child if isinstance(user, iam.User) else _referenced(name)
        home = declared.home(Stack.of(element or user))
        accounts = [arn.split(":")[4] if arn.startswith("arn:") else "", home.account, key.account]
        return cls(home, next(filter(str.isdigit, accounts), home.account), name, element)

    def identity(self) -> str:
        """Name the user, by what the app says by now."""
        if not is_token(self.name):
            return self.name
        if not isinstance(self.element, iam.CfnUser):
            return _identify_token(self.home.stack, self.name)
        physical = self.element.user_name
        # IAM has one user of a name, whichever way the app came by it. A token may be anything.
        return self.element.node.addr if physical is None or is_token(physical) else physical


@dataclass(frozen=True, slots=True)
class NamedSecret:
    """A secret. Two values that mean the same secret have the same identity.

    Attributes:
        home: The stack that it is defined in, or imported into.
        arn: Its complete ARN, which may be a token.
        element: What the app defines; None if that is not known.
    """

    home: Home
    arn: str
    element: IConstruct | None

    @classmethod
    def of(cls, declared: DeclaredKeys, home: Home, arn: str) -> "NamedSecret":
        """Describe the secret of a complete ARN, as a stack knows it."""
        element = _referenced(arn) if is_token(arn) else None
        # The ARN that readers of a key's secret get is an attribute of the key.
        secret = getattr(element.node.scope, "secret", None) if isinstance(element, CfnResource) else None
        if isinstance(secret, KeySecret):
            return cls.of(declared, home, secret.written_arn)
        return cls(declared.home(Stack.of(element)) if element else home, arn, element)

    @property
    def account(self) -> str:
        """The account of the stack."""
        return self.home.account

    def identity(self) -> str:
        """Name the secret, by what the app says by now."""
        if not is_token(self.arn):
            found = _SECRET_ARN.fullmatch(self.arn)
            # Secrets Manager adds six characters to the name, and has one secret of a name at a time.
            return _secret(found[2], found[1], found[3]) if found else self.arn
        if not isinstance(self.element, secretsmanager.CfnSecret):
            return _identify_token(self.home.stack, self.arn)
        named = [self.home.account, self.home.region, self.element.name or "${Token"]
        return self.element.node.addr if any("${Token" in part for part in named) else _secret(*named)


def _secret(account: str, region: str, name: str) -> str:
    return f"{account} {region} {name}"


def _identify_token(owner: Stack, value: str) -> str:
    # Logical ids are unique in their stack only.
    return f"{owner.node.addr} {json.dumps(owner.resolve(value), sort_keys=True)}"


def _referenced(value: str) -> IConstruct | None:
    fragments = Tokenization.reverse_string(value)
    token = fragments.first_token if fragments.length == 1 else None
    if token is None or not Reference.is_reference(token):
        return None
    return cast("Reference", token).target
