"""Fixtures of the tests that start a server."""

from tests.support.server import serving

__all__ = ["serving"]
