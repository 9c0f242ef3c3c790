"""The server watched by HTTP: its health, its metrics, and a page for a person.

It has no password, as the Wyoming port has none; `guard` keeps out what strange web sites would
have a browser do.
"""

from .connections import ACCEPT_BATCH, MAX_CONNECTIONS
from .context import ServerContext
from .server import StatusServer

__all__ = ["ACCEPT_BATCH", "MAX_CONNECTIONS", "ServerContext", "StatusServer"]
