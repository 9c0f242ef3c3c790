"""Constants."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from .fish.settings import Backend, Latency

DOMAIN: Final = "wyoming_fish"

SIGNAL_REPLY: Final = f"{DOMAIN}_reply_{{}}"
"""Sent after each spoken reply of the voice with this subentry id, with its ReplyTotals."""
SIGNAL_PROBLEM: Final = f"{DOMAIN}_problem_{{}}"
"""Sent for each problem of the voice with this subentry id, with the ReplyProblem and the code of
the error."""
MANUFACTURER: Final = "Fish Audio"

# The type of the subentries that are voices.
SUBENTRY_VOICE: Final = "voice"

# Of an account.
CONF_BASE_URL: Final = "base_url"
CONF_PREWARM: Final = "prewarm"
CONF_FALLBACK_VOICE: Final = "fallback_voice"
CONF_LOW_CREDIT: Final = "low_credit"

# Of a voice and of a message. `voice` is Home Assistant's own tts.ATTR_VOICE.
CONF_BACKEND: Final = "backend"
CONF_LATENCY: Final = "latency"
CONF_SPEED: Final = "speed"
CONF_VOLUME: Final = "volume"
CONF_SENTENCE_PAUSE: Final = "sentence_pause"
CONF_TEMPERATURE: Final = "temperature"
CONF_TOP_P: Final = "top_p"
CONF_VOICE: Final = "voice"
CONF_LANGUAGE_VOICES: Final = "language_voices"
CONF_TEXT: Final = "text"
CONF_STYLE: Final = "style"
CONF_CUES: Final = "cues"
CONF_EMOJI: Final = "emoji"
CONF_URLS: Final = "urls"
CONF_CODE: Final = "code"
CONF_PRONUNCIATIONS: Final = "pronunciations"

# Only of a message.
ATTR_TEXT_FORMAT: Final = "text_format"
ATTR_TRUSTED: Final = "trusted"

# Default settings of a voice.
DEFAULT_BACKEND: Final = Backend.S2_1_PRO
FREE_BACKEND: Final = Backend.S2_1_PRO_FREE
DEFAULT_LATENCY: Final = Latency.BALANCED

BACKEND_NAMES: Final = {
    Backend.S2_1_PRO: "S2.1 Pro",
    Backend.S2_1_PRO_FREE: "S2.1 Pro Free",
    Backend.S2_PRO: "S2 Pro",
    Backend.DRAMA_3: "Drama 3",
    Backend.DRAMA_3_PREVIEW: "Drama 3 Preview",
    Backend.S1: "S1",
}

# After the date, Fish Audio uses the successor instead (documentation).
RETIRING_BACKEND: Final = Backend.S1
RETIREMENT_DATE: Final = "2026-12-31"
SUCCESSOR_BACKEND: Final = Backend.S2_1_PRO

ACCOUNT_URL: Final = "https://fish.audio/app/"
KEYS_URL: Final = "https://fish.audio/app/api-keys/"
BILLING_URL: Final = "https://fish.audio/app/billing/"
VOICES_URL: Final = "https://fish.audio/discovery/"
VOICE_URL: Final = "https://fish.audio/m/{}/"


@dataclass(frozen=True, slots=True)
class ReplyTotals:
    """What a spoken reply adds to the totals of its voice."""

    first_audio: float
    """Seconds from the first text to the first audio."""
    text_bytes: int
    """Bytes of text (UTF-8), as Fish Audio bills them."""
    audio: float
    """Seconds of audio."""
    cost: float
    """US dollars; 0 for a model without a published price."""


class ReplyProblem(StrEnum):
    """What happened to a reply that Fish Audio did not speak to its end."""

    FAILED = "failed"
    FALLBACK = "fallback"
    """The fallback voice spoke it."""
