"""A Fish Audio client: text in as it is written, s16le mono PCM out as it is spoken.

pool = ConnectionPool(Endpoint(api_key))
async for pcm in speak(pool, text, SpeechSettings(voice=…), TextSettings()):
    …
await pool.close()
"""

from .client import speak
from .connections.pool import ConnectionPool
from .errors import FishError
from .settings import Backend, Endpoint, Latency, SpeechSettings
from .text import TextSettings, parse_pronunciations

__all__ = [
    "Backend",
    "ConnectionPool",
    "Endpoint",
    "FishError",
    "Latency",
    "SpeechSettings",
    "TextSettings",
    "parse_pronunciations",
    "speak",
]
