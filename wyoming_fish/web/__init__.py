"""The server watched by HTTP: its health, its metrics, and a page for a person.

It has no password, as the Wyoming port has none; `guard` keeps out what strange web sites would
have a browser do.
"""

from .connections import MAX_OPEN_CONNECTIONS
from .server import StatusServer

__all__ = ["MAX_OPEN_CONNECTIONS", "StatusServer"]
