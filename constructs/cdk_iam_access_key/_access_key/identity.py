"""What tells one user or secret of an app from another while its name or ARN may still be a token.

This is for the checks at synthesis. Which role a key gets is decided by the names that CloudFormation finds (`role`).
"""

import json
import re
from dataclasses import dataclass

from aws_cdk import CfnResource, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import IConstruct

from cdk_iam_access_key._access_key.declared_keys import DeclaredKeys, Home
from cdk_iam_access_key._access_key.secret import KeySecret
from cdk_iam_access_key._access_key.validation import defined_user
from cdk_iam_access_key._shared.tokens import is_token, referenced

_SECRET_ARN = re.compile(r"arn:[^:]+:secretsmanager:([^:]+):(\d{12}):secret:(.+)-[A-Za-z0-9]{6}")


@dataclass(frozen=True, slots=True)
class NamedUser:
    """A user. Two values that mean the same user of an account have the same identity.

    Attributes:
        home: The stack that it is defined in, or imported into.
        account: Its account, which may be a token.
        name: Its name, which may be a token.
        element: What the app defines; None if that is not known.
        address: Its address in the app.
    """

    home: Home
    account: str
    name: str
    element: IConstruct | None
    address: str

    @classmethod
    def of(cls, declared: DeclaredKeys, key: Home, user: iam.IUser | iam.CfnUser, name: str, arn: str) -> "NamedUser":
        """Describe the user of a key, known by a name and an ARN; all three are of one account."""
        element: IConstruct | None = None
        if is_token(name):
            element = defined_user(user) or referenced(name)
        home = declared.home(Stack.of(element or user))
        accounts = [arn.split(":")[4] if arn.startswith("arn:") else "", home.account, key.account]
        account = next(filter(str.isdigit, accounts), home.account)
        return cls(home, account, name, element, element.node.addr if element else "")

    def identity(self) -> str:
        """Name the user, by what the app says by now."""
        if not is_token(self.name):
            return self.name
        if not isinstance(self.element, iam.CfnUser):
            return _identify_token(self.home.stack, self.name)
        physical = self.element.user_name
        # IAM has one user of a name, whichever way the app came by it. A token may be anything.
        return self.address if physical is None or is_token(physical) else physical


@dataclass(frozen=True, slots=True)
class NamedSecret:
    """A secret. Two values that mean the same secret have the same identity.

    Attributes:
        home: The stack that it is defined in, or imported into.
        arn: Its complete ARN, which may be a token.
        element: What the app defines; None if that is not known.
        address: Its address in the app.
    """

    home: Home
    arn: str
    element: IConstruct | None
    address: str

    @classmethod
    def of(cls, declared: DeclaredKeys, home: Home, secret: KeySecret) -> "NamedSecret":
        """Describe the secret of a key of a stack."""
        if secret.element is not None:
            return cls(home, secret.written_arn, secret.element, secret.element.node.addr)
        arn = secret.written_arn
        element = referenced(arn)
        # The ARN that readers of a key's secret get is an attribute of the key.
        other = getattr(element.node.scope, "secret", None) if isinstance(element, CfnResource) else None
        if isinstance(other, KeySecret):
            return cls.of(declared, home, other)
        if element is None:
            return cls(home, arn, None, "")
        return cls(declared.home(Stack.of(element)), arn, element, element.node.addr)

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
        return self.address if any("${Token" in part for part in named) else _secret(*named)


def _secret(account: str, region: str, name: str) -> str:
    return f"{account} {region} {name}"


def _identify_token(owner: Stack, value: str) -> str:
    # Logical ids are unique in their stack only.
    return f"{owner.node.addr} {json.dumps(owner.resolve(value), sort_keys=True)}"
