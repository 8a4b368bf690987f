"""Secrets that are encrypted with KMS keys of the company: of the stack, of another stack, of another account.

For those who may not use AWS's own KMS key.

The key's role may use the KMS key through Secrets Manager, for its one secret, and so may each reader that
`grant_read` is given. That is enough for a KMS key whose policy leaves permissions to the account's policies, as
those of the CDK do. The policy of one of another account must name this account, or the roles of the keys
(`…:role/cdk-iam-access-key/*`) and the readers: `kms:GenerateDataKey` and `kms:Decrypt`. CloudFormation checks none
of it: if it is missing, the Create fails, says so, and leaves no key.
"""

from aws_cdk import App, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk_iam_access_key import AccessKey

OF_ANOTHER_ACCOUNT = "arn:aws:kms:eu-west-1:444455556666:key/11111111-2222-3333-4444-555555555555"


class Security(Stack):
    """The stack of those who keep the KMS keys."""

    def __init__(self, scope: Construct, id: str) -> None:  # noqa: A002 - the CDK's word
        super().__init__(scope, id)
        self.kms_key = kms.Key(self, "Credentials", enable_key_rotation=True)


class KmsKeys(Stack):
    """A user and a key for each place where a KMS key may be."""

    def __init__(self, scope: Construct, id: str, security: Security) -> None:  # noqa: A002 - the CDK's word
        super().__init__(scope, id)
        reader = iam.Role(self, "Reader", assumed_by=iam.AccountRootPrincipal())
        kms_keys = {
            "OfThisStack": kms.Key(self, "Credentials", enable_key_rotation=True),
            "OfAnotherStack": security.kms_key,
            "OfAnotherAccount": kms.Key.from_key_arn(self, "Imported", OF_ANOTHER_ACCOUNT),
        }
        for name, kms_key in kms_keys.items():
            key = AccessKey(self, name, user=iam.User(self, f"User{name}"), encryption_key=kms_key)
            key.grant_read(reader)
        # A secret that exists: say which KMS key it has, or the provider can't write to it.
        existing = secretsmanager.Secret(self, "Existing", encryption_key=security.kms_key)
        key = AccessKey(self, "OfExistingSecret", user=iam.User(self, "UserOfExistingSecret"), secret=existing)
        key.grant_read(reader)


app = App()
KmsKeys(app, "KmsKeys", Security(app, "Security"))
app.synth()
