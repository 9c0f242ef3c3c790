"""What there is to be watched."""

from __future__ import annotations

from typing import NamedTuple

from ..cli.options import Options
from ..fish.api.account import Account
from ..fish.connections.pool import ConnectionPool
from ..fish.settings import Endpoint
from ..server.requests.log import RequestLog
from ..server.requests.synthesis import Synthesis
from ..server.voice_catalog import VoiceCatalog

__all__ = ["ServerContext"]


class ServerContext(NamedTuple):
    """The parts of a server."""

    options: Options
    endpoint: Endpoint
    pool: ConnectionPool
    account: Account
    catalog: VoiceCatalog
    synthesis: Synthesis
    request_log: RequestLog
