"""What can go wrong with a key. `lambda_shared.errors` says what a message has, and what it never holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambda_shared.errors import ProviderError

if TYPE_CHECKING:
    from access_key_provider.model.state import AccessKey


class InvalidRequestError(ProviderError):
    """The request has properties that no key can be made from."""


class UserNotFoundError(ProviderError):
    """The user does not exist."""


class SecretUnavailableError(ProviderError):
    """The secret does not exist, is scheduled for deletion, or is a replica."""


class CopyError(ProviderError):
    """There is something else where a copy of the secret is to be made, or a copy does not have the key."""


class DeliveryError(ProviderError):
    """A function that is to bring a key to its consumer has failed, or may be running yet."""


class KeyLimitReachedError(ProviderError):
    """The user has as many access keys as IAM allows, and none of them is ours to remove."""

    def __init__(self, user_name: str, keys: tuple[AccessKey, ...], advice: str = "") -> None:
        """Keep the keys, so that the message can be completed with their last use, and what to do about them."""
        super().__init__(f"user {user_name} has {len(keys)} access keys, IAM allows 2")
        self.user_name = user_name
        self.keys = keys
        self.advice = advice


class AdoptionRefusedError(ProviderError):
    """The key that the template names can't be adopted."""

    def __init__(self, key_id: str, why: str, user_name: str = "") -> None:
        """Say why; with the user, the message is completed with the resource whose key it is."""
        super().__init__(f"access key {key_id} can't be adopted: {why}")
        self.key_id = key_id
        self.user_name = user_name


class NotManagedError(ProviderError):
    """The ledger has no entry for the secret."""


class NothingToUndoError(ProviderError):
    """There is no key to go back to."""


class KeyInUseError(ProviderError):
    """The key that is to be retired is the one that readers of the secret get."""


class RotationError(ProviderError):
    """A rotation of Secrets Manager can't go on, or should not have begun."""


class SupersededError(ProviderError):
    """CloudFormation has deleted the resource, or asked for something else, after it made the request."""


class UnprovenKeyError(ProviderError):
    """The new key did not work in time."""


class OutOfTimeError(ProviderError):
    """The function's deadline is too near to begin another step."""


class ConflictError(ProviderError):
    """Something changed between observing and acting: observe again."""


class BusyError(ProviderError):
    """Another caller acts on the secret, for longer than this invocation can wait."""


class LeaseLostError(ProviderError):
    """The lease ended while a call was being made, and another caller has taken it."""


class LedgerError(ProviderError):
    """The ledger can't be read or written, or holds what this release does not understand."""


class LedgerDeniedError(LedgerError):
    """The function's role may not use the ledger, or not yet."""
