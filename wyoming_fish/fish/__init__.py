"""A Fish Audio client: text in as it is written, s16le mono PCM out as it is spoken.

async with FishClient(Endpoint(api_key)) as fish:
    async with fish.speak("Good night.") as reply:
        async for pcm in reply:
            play(pcm)
    print(reply.metrics.first_audio)

All errors are importable from here: `errors` shows their tree.
"""

from . import errors
from .api.account import LOW_CREDIT, Credit, Voice
from .api.proxies import Proxy, proxy_for
from .api.self_hosted.speech_body import SpeechBody
from .api.self_hosted.speech_server import ServerKind
from .client import (
    FALLBACK_AFTER_S,
    KEEPALIVE_INTERVAL_S,
    ClientStatus,
    FishClient,
    SpokenReply,
    WebsocketCheck,
)
from .connections.measurements import SlowLine
from .errors import *  # noqa: F403
from .owner import Owner, owner_at
from .reply_metrics import ReplyMetrics
from .settings import (
    TIMESTAMP_BACKENDS,
    USD_PER_MILLION_BYTES,
    Backend,
    Endpoint,
    Latency,
    SpeechSettings,
    VoiceIds,
)
from .text import Pronunciation, TextSettings, has_style, parse_pronunciations
from .text.text_buffer import TextBuffer, buffered

__all__ = [
    "FALLBACK_AFTER_S",
    "KEEPALIVE_INTERVAL_S",
    "LOW_CREDIT",
    "TIMESTAMP_BACKENDS",
    "USD_PER_MILLION_BYTES",
    "Backend",
    "ClientStatus",
    "Credit",
    "Endpoint",
    "FishClient",
    "Latency",
    "Owner",
    "Pronunciation",
    "Proxy",
    "ReplyMetrics",
    "ServerKind",
    "SlowLine",
    "SpeechBody",
    "SpeechSettings",
    "SpokenReply",
    "TextBuffer",
    "TextSettings",
    "Voice",
    "VoiceIds",
    "WebsocketCheck",
    "buffered",
    "has_style",
    "owner_at",
    "parse_pronunciations",
    "proxy_for",
]
__all__ += errors.__all__
