"""What there is to be watched."""

from __future__ import annotations

from typing import NamedTuple

from ..cli.options import Options
from ..fish.api.account import Account
from ..fish.connections.pool import Sockets
from ..fish.settings import Endpoint
from ..server.requests.log import History
from ..server.requests.synthesis import Speaker
from ..server.voice_catalog import Catalog

__all__ = ["View"]


class View(NamedTuple):
    """The parts of a server."""

    options: Options
    endpoint: Endpoint
    sockets: Sockets
    account: Account
    catalog: Catalog
    speaker: Speaker
    history: History
