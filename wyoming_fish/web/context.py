"""What there is to be watched."""

from __future__ import annotations

from typing import NamedTuple

from ..cli.options import Options
from ..fish import FishClient
from ..server.requests.log import RequestLog
from ..server.requests.synthesis import Synthesis
from ..server.voice_catalog import VoiceCatalog

__all__ = ["ServerContext"]


class ServerContext(NamedTuple):
    """The parts of a server."""

    options: Options
    fish: FishClient
    catalog: VoiceCatalog
    synthesis: Synthesis
    request_log: RequestLog
