"""What there is to be watched."""

from __future__ import annotations

from typing import NamedTuple

from ..catalog import Catalog
from ..fish.account import Account
from ..fish.settings import Endpoint
from ..fish.sockets import Sockets
from ..history import History
from ..options import Options
from ..speaker import Speaker

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
