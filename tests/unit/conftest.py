"""Unit tests reach nothing outside their process."""

import pytest


@pytest.fixture(autouse=True)
def no_sockets(socket_disabled: None) -> None:
    """pytest-socket's own fixture, for every test here; elsewhere loopback is allowed."""
