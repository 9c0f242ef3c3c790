"""Status server: health, readiness, metrics and a status page, by HTTP.

Like the Wyoming port, it has no password. `request_checks` refuses requests of other web sites.
"""

from .connections import MAX_OPEN_CONNECTIONS
from .server import StatusServer

__all__ = ["MAX_OPEN_CONNECTIONS", "StatusServer"]
