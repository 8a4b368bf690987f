"""What can go wrong. No message holds a secret access key."""


class ClientError(Exception):
    """The message says what is wrong and what to do."""


class NotEnrolledError(ClientError):
    """Nothing is stored for the secret."""


class CorruptedError(ClientError):
    """What is stored can't be read."""


class NotAKeyPairError(ClientError):
    """The text of the secret holds no key pair, or more than one."""


class RefusedError(ClientError):
    """AWS does not know the key, or it is not Active."""


class DeniedError(ClientError):
    """The key works, but the call is not allowed."""


class UnavailableError(ClientError):
    """AWS did not answer, or gave an answer that says nothing about the key."""
