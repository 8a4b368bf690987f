"""Errors as boto3 raises them: the classes of `client.exceptions`, with AWS's codes, messages and status."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

from _pytest.outcomes import Failed
from botocore.exceptions import ClientError, ParamValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping

_HTTP_STATUS: Final = {
    "dynamodb": {
        "AccessDeniedException": 400,
        "ConditionalCheckFailedException": 400,
        "ExpiredTokenException": 400,
        "InternalServerError": 500,
        "InvalidSignatureException": 400,
        "ProvisionedThroughputExceededException": 400,
        "ResourceNotFoundException": 400,
        "ThrottlingException": 400,
        "TransactionConflictException": 400,
        "UnrecognizedClientException": 400,
        "ValidationException": 400,
    },
    "events": {
        "AccessDeniedException": 400,
        "ExpiredTokenException": 400,
        "InternalException": 500,
        "InvalidSignatureException": 400,
        "ThrottlingException": 400,
        "UnrecognizedClientException": 400,
        "ValidationException": 400,
    },
    "iam": {
        "AccessDenied": 403,
        "ConcurrentModification": 409,
        "DeleteConflict": 409,
        "EntityAlreadyExists": 409,
        "EntityTemporarilyUnmodifiable": 409,
        "ExpiredToken": 403,
        "InvalidClientTokenId": 403,
        "InvalidInput": 400,
        "LimitExceeded": 409,
        "NoSuchEntity": 404,
        "ServiceFailure": 500,
        "SignatureDoesNotMatch": 403,
        "Throttling": 400,
        "ValidationError": 400,
    },
    "lambda": {
        "AccessDeniedException": 403,
        "CodeArtifactUserPendingException": 409,
        "EC2ThrottledException": 502,
        "ENINotReadyException": 502,
        "ExpiredTokenException": 403,
        "InvalidSignatureException": 403,
        "KMSDisabledException": 502,
        "ResourceConflictException": 409,
        "ResourceNotFoundException": 404,
        "ResourceNotReadyException": 502,
        "ServiceException": 500,
        "SnapStartNotReadyException": 409,
        "TooManyRequestsException": 429,
        "UnrecognizedClientException": 403,
        "ValidationException": 400,
    },
    "secretsmanager": {
        "AccessDeniedException": 400,
        "EncryptionFailure": 400,
        "ExpiredTokenException": 400,
        "InternalServiceError": 500,
        "InvalidParameterException": 400,
        "InvalidRequestException": 400,
        "InvalidSignatureException": 400,
        "LimitExceededException": 400,
        "ResourceExistsException": 400,
        "ResourceNotFoundException": 400,
        "ThrottlingException": 400,
        "UnrecognizedClientException": 400,
        "ValidationException": 400,
    },
    "ssm": {
        "AccessDeniedException": 400,
        "ExpiredTokenException": 400,
        "InternalServerError": 500,
        "InvalidSignatureException": 400,
        "ParameterAlreadyExists": 400,
        "ParameterNotFound": 400,
        "ParameterVersionNotFound": 400,
        "ThrottlingException": 400,
        "TooManyUpdates": 400,
        "UnrecognizedClientException": 400,
        "ValidationException": 400,
    },
    "sts": {
        "AccessDenied": 403,
        "ExpiredToken": 403,
        "InternalFailure": 500,
        "InvalidClientTokenId": 403,
        "SignatureDoesNotMatch": 403,
        "Throttling": 400,
        "ValidationError": 400,
    },
}


class MisuseError(Failed):
    """The provider made a call that no test can let pass, whatever AWS would answer.

    It is no `Exception`, so that nothing in the provider can catch it and make a FAILED answer of it.
    """


class ServiceError(Exception):
    """What a service refuses a call with, before it is known which operation it was."""

    def __init__(self, code: str, message: str, members: Mapping[str, Any] | None = None) -> None:
        """Say it in AWS's words; a few errors have members beside."""
        super().__init__(message)
        self.code, self.message, self.members = code, message, members or {}


def _class_name(service: str, code: str) -> str:
    return f"{code}Exception" if service == "iam" else code


_CLASSES: Final = {
    (service, code): cast("type[ClientError]", type(_class_name(service, code), (ClientError,), {}))
    for service, codes in _HTTP_STATUS.items()
    for code in codes
}


def exceptions(service: str) -> Any:
    """Give what a client has as `exceptions`."""
    classes = {found.__name__: found for (of, _), found in _CLASSES.items() if of == service}
    return SimpleNamespace(**classes, ClientError=ClientError)


def client_error(
    service: str, operation: str, code: str, message: str, members: Mapping[str, Any] | None = None
) -> ClientError:
    """Make the error that boto3 raises for an answer.

    Raises:
        KeyError: the service does not answer with such a code.
    """
    status = _HTTP_STATUS[service][code]
    error: dict[str, Any] = {"Code": code, "Message": message}
    if service not in {"dynamodb", "secretsmanager"}:
        error["Type"] = "Receiver" if status >= 500 else "Sender"
    metadata = {"HTTPStatusCode": status, "RetryAttempts": 0}
    response: Any = {"Error": error, "ResponseMetadata": metadata, **(members or {})}
    return _CLASSES[service, code](response, operation)


def rejected_by_sdk(report: str) -> ParamValidationError:
    """Make the error that botocore raises for parameters that it does not even send."""
    return ParamValidationError(report=report)
