"""A machine that has the client, as the tests of the client have it."""

from client.conftest import account, enrolled, host, server

__all__ = ["account", "enrolled", "host", "server"]
