"""The options of a server, which it does not read itself: see ``cli/options``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..fish import SpeechSettings, TextSettings
from ..uri import ListenAddress

__all__ = ["ServerOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """What a server needs to know, with valid values. The fields have the names of the flags."""

    uri: ListenAddress
    speech: SpeechSettings
    """The settings of a reply, unless its client requests others."""
    text_settings: TextSettings
    concurrency: int | None
    """Sessions at the same time; more replies wait. None: the account's limit."""
    ready_connections: int
    pool_idle_timeout_s: float
    keepalive_interval_s: float
    resume: bool
    ignore_unknown_voices: bool
    fallback_uri: str | None
    cache_dir: Path | None
    cache_size_mb: int
    max_connections: int
    max_connections_per_address: int
    max_characters_per_hour: int
    """Of text that is sent to Fish Audio; 0: no limit."""
    max_characters_per_hour_per_address: int
    client_idle_timeout_s: float
    write_timeout_s: float
    max_pending_characters: int
    """Of text that one client may have waiting to be spoken."""
