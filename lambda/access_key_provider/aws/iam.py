"""IAM: the access keys and tags of one user."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from access_key_provider.aws.denials import explained
from access_key_provider.model.errors import ConflictError, UserNotFoundError
from access_key_provider.model.state import AccessKey, LastUse, NewAccessKey
from lambda_shared.aws_calls import NO_RETRIES
from lambda_shared.errors import CallError, ProviderError, in_other_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_iam import IAMClient

    from access_key_provider.aws.sts import Credentials
    from lambda_shared.aws_calls import RetryingCaller

    # How a call is made: by a caller that is patient, or not.
    _Call = Callable[[Callable[[], "_Result"]], "_Result"]

_Result = TypeVar("_Result")

_NO_SUCH_ENTITY = "NoSuchEntity"
_LIMIT_EXCEEDED = "LimitExceeded"
_QUESTION = "has the user a path, and was it imported by its name? Then import it by its ARN (User.from_user_arn)"


class IamUserKeys:
    """The access keys and tags of one user, by IAM. Every call names the user: without a name IAM takes the caller."""

    def __init__(self, credentials: Credentials, user_name: str, call: RetryingCaller) -> None:
        """Act with the credentials of the key's role."""
        self._iam: IAMClient = boto3.client("iam", **credentials, config=NO_RETRIES)
        self._user_name = user_name
        self._call = call

    def list(self) -> tuple[AccessKey, ...]:
        """List the keys. Raises UserNotFoundError."""
        pages = self._iam.get_paginator("list_access_keys")
        listed = self._of_user(lambda: list(pages.paginate(UserName=self._user_name)))
        return tuple(
            AccessKey(key["AccessKeyId"], key["Status"], key["CreateDate"])
            for page in listed
            for key in page["AccessKeyMetadata"]
        )

    def tags(self) -> dict[str, str]:
        """Return the user's tags. Raises UserNotFoundError."""
        pages = self._iam.get_paginator("list_user_tags")
        listed = self._of_user(lambda: list(pages.paginate(UserName=self._user_name)))
        return {tag["Key"]: tag["Value"] for page in listed for tag in page["Tags"]}

    def last_use(self, key_id: str) -> LastUse:
        """Tell when a key was last used; an error is never taken for "never". Raises ConflictError if it is gone."""
        try:
            # Without the patience of other calls: of a key that is gone the user is not known, so that no policy on
            # the user allows the call.
            used = self._iam.get_access_key_last_used(AccessKeyId=key_id)["AccessKeyLastUsed"]
        except (ClientError, BotoCoreError) as error:
            raise ConflictError(f"the last use of {key_id} is not known: {type(error).__name__}") from error
        return LastUse(used.get("LastUsedDate"), used.get("ServiceName", ""), used.get("Region", ""))

    def create(self) -> NewAccessKey:
        """Create a key, sending the request once. Raises OutcomeUnknownError if its response is lost."""
        try:
            created = self._call.once(self._iam.create_access_key, UserName=self._user_name)
        except CallError as error:
            raise self._refused(error) from error
        return NewAccessKey(created["AccessKey"]["AccessKeyId"], created["AccessKey"]["SecretAccessKey"])

    def set_status(self, key_id: str, status: str) -> None:
        """Make a key Active or Inactive. Raises ConflictError if it is gone."""
        self._conflicting(
            lambda: self._iam.update_access_key(
                UserName=self._user_name,
                AccessKeyId=key_id,
                Status=status,  # type: ignore[arg-type] # the model has it as a plain string
            )
        )

    def delete(self, key_id: str) -> None:
        """Delete a key. Raises ConflictError if it is gone, or so new that IAM does not know it everywhere yet."""
        self._conflicting(lambda: self._iam.delete_access_key(UserName=self._user_name, AccessKeyId=key_id))

    def tag(self, key: str, value: str) -> None:
        """Set a tag of the user."""
        self._of_user(
            lambda: self._iam.tag_user(UserName=self._user_name, Tags=[{"Key": key, "Value": value}]),
            self._call.at_once,
        )

    def untag(self, key: str) -> None:
        """Remove a tag of the user; one that is gone is fine. Raises ConflictError if the user is gone."""
        self._conflicting(
            lambda: self._iam.untag_user(UserName=self._user_name, TagKeys=[key]),
            self._call.at_once,
        )

    def _conflicting(self, method: Callable[[], _Result], call: _Call[_Result] | None = None) -> _Result:
        """Take what can only be so because something has changed since for a reason to observe again."""
        try:
            return (call or self._call)(method)
        except CallError as error:
            raise self._refused(error) from error

    def _of_user(self, method: Callable[[], _Result], call: _Call[_Result] | None = None) -> _Result:
        try:
            return (call or self._call)(method)
        except CallError as error:
            if error.code == _NO_SUCH_ENTITY:
                missing = UserNotFoundError(f"user {self._user_name} does not exist")
                raise in_other_words(error, missing) from error
            raise explained(error, "iam", f"user {self._user_name}", _QUESTION) from error

    def _refused(self, error: CallError) -> ProviderError:
        if error.code in {_NO_SUCH_ENTITY, _LIMIT_EXCEEDED}:
            return in_other_words(error, ConflictError(str(error)))
        return explained(error, "iam", f"user {self._user_name}", _QUESTION)
