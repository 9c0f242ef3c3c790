"""The parts of a running server, for other front ends such as the status page."""

from __future__ import annotations

from typing import NamedTuple

from ..fish import FishClient
from .options import ServerOptions
from .requests.log import RequestLog
from .requests.synthesis import Synthesis
from .voice_catalog import VoiceCatalog

__all__ = ["ServerContext"]


class ServerContext(NamedTuple):
    """The parts of a server."""

    options: ServerOptions
    fish: FishClient
    catalog: VoiceCatalog
    synthesis: Synthesis
    request_log: RequestLog
