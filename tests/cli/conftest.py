"""Fixtures of the tests that start a server."""

from tests.support.server import check, serving

__all__ = ["check", "serving"]
