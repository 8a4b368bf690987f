"""The consumer's side of a rotated IAM access key: `iam-access-key`, a `credential_process` for AWS SDKs."""

__version__ = "0.1.0"
