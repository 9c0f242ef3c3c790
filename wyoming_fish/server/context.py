"""The parts of a running server, for other front ends such as the status page."""

from __future__ import annotations

from typing import NamedTuple

from ..cli.options import Options
from ..fish.api.account import Account
from ..fish.connections.pool import ConnectionPool
from ..fish.settings import Endpoint
from .requests.log import RequestLog
from .requests.synthesis import Synthesis
from .voice_catalog import VoiceCatalog

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
