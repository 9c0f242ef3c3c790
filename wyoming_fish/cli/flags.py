"""All flags: environment variable, default, parser and help of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ..fish.settings import (
    FISH_URL,
    SAMPLE_RATES,
    SENTENCE_PAUSES_S,
    SPEEDS,
    VOLUMES,
    Backend,
    Latency,
)
from ..uri import DEFAULT_URI, URI_VARIABLE, ListenAddress
from .parsers import (
    base_url,
    count,
    folder,
    http_address,
    instance_name,
    log_format,
    longest_pause,
    number,
    one_of,
    path,
    remote,
    seconds,
    switch,
    voice,
)

__all__ = ["FLAGS", "Flag"]


class Flag(NamedTuple):
    """One option: its flag, its variable, its default, its help and its parser."""

    name: str
    variable: str
    """Empty if there is none."""
    default: str | None
    """As a person would write it; None if there is none."""
    help: str
    parse: Callable[[str], Any] = str
    """Returns the value of a text. Raises ValueError, whose text continues after the name."""
    const: str | None = None
    """The text that a flag without a value stands for; None if it needs a value."""
    unit: str = ""
    """The end of its field in Options, such as "s" for seconds."""

    @property
    def key(self) -> str:
        """Its name in the values that ``read_flags`` returns, and among the app's options."""
        return self.name.lstrip("-").replace("-", "_")

    @property
    def field(self) -> str:
        """Its name in Options."""
        return f"{self.key}_{self.unit}" if self.unit else self.key


FLAGS: Final = (
    Flag(
        "--uri",
        URI_VARIABLE,
        DEFAULT_URI,
        "address to listen at: tcp://HOST:PORT, unix://PATH or stdio://",
        ListenAddress.parse,
    ),
    Flag(
        "--api-key",
        "FISH_API_KEY",
        None,
        "Fish Audio API key; other users of this machine can see flags, but not the variable",
    ),
    Flag("--api-key-file", "FISH_API_KEY_FILE", None, "file that holds the API key", path),
    Flag(
        "--base-url",
        "FISH_BASE_URL",
        FISH_URL,
        "address of the Fish Audio API, or of a self-hosted server",
        base_url,
    ),
    Flag(
        "--backend",
        "FISH_BACKEND",
        Backend.S2_1_PRO,
        f"speech model: {', '.join(Backend)}",
        one_of(*Backend),
    ),
    Flag(
        "--voice",
        "FISH_VOICE",
        None,
        "voice ID, or the address of the voice's page; several, separated by commas, are the "
        "speakers of a dialog; without it, Fish Audio's default voice",
        voice,
    ),
    Flag(
        "--latency",
        "FISH_LATENCY",
        Latency.BALANCED,
        f"latency mode of Fish Audio: {', '.join(Latency)}",
        one_of(*Latency),
    ),
    Flag(
        "--sample-rate",
        "FISH_SAMPLE_RATE",
        "44100",
        f"sample rate of the audio in hertz: {', '.join(map(str, SAMPLE_RATES))}",
        one_of(*SAMPLE_RATES),
    ),
    Flag("--speed", "FISH_SPEED", "1.0", "speed of the speech, 0.5 to 2", number(*SPEEDS)),
    Flag("--volume", "FISH_VOLUME", "0", "volume in decibels, -20 to 20", number(*VOLUMES)),
    Flag(
        "--sentence-pause",
        "FISH_SENTENCE_PAUSE",
        "0",
        "seconds of silence to add between two sentences, 0 to 5",
        number(*SENTENCE_PAUSES_S),
        unit="s",
    ),
    Flag(
        "--max-pause",
        "FISH_MAX_PAUSE",
        None,
        "longest silence in the speech in seconds, 0.3 to 10; 0: no limit; drama backends: 0.7",
        longest_pause,
        unit="s",
    ),
    Flag(
        "--text-mode",
        "FISH_TEXT_MODE",
        "clean",
        "processing of the text; clean: Markdown, emoji, links and thoughts are removed, and SSML "
        "is followed; raw: the text is sent unchanged",
        one_of("clean", "raw"),
    ),
    Flag(
        "--cues",
        "FISH_CUES",
        "known",
        "cues in brackets; known: only words like Fish Audio's own; free: any phrase",
        one_of("known", "free"),
    ),
    Flag(
        "--emoji",
        "FISH_EMOJI",
        "drop",
        "processing of emoji; drop: removed; name: replaced by their English names, unless the "
        "text is in another language",
        one_of("drop", "name"),
    ),
    Flag(
        "--urls",
        "FISH_URLS",
        "host",
        "processing of bare web addresses; host: only the host is spoken; drop: removed",
        one_of("host", "drop"),
    ),
    Flag(
        "--code-replacement",
        "FISH_CODE_REPLACEMENT",
        "",
        "text to speak in place of a block of code; without it, nothing",
    ),
    Flag(
        "--style",
        "FISH_STYLE",
        "",
        "style of all speech, such as calm or whispering",
    ),
    Flag(
        "--pronunciations",
        "FISH_PRONUNCIATIONS",
        None,
        'file of pronunciations, with lines such as "word: spoken as" and "word: /N IY1 S/"',
        path,
    ),
    Flag(
        "--allow-control-tokens",
        "FISH_ALLOW_CONTROL_TOKENS",
        "0",
        "keep Fish Audio's control tokens in the text, such as <|speaker:1|> and <|phoneme_start|>",
        switch,
    ),
    Flag(
        "--concurrency",
        "FISH_CONCURRENCY",
        None,
        "maximum number of sessions with Fish Audio at the same time; without it, the limit of the "
        "account",
        count(1),
    ),
    Flag(
        "--ready-connections",
        "FISH_READY_CONNECTIONS",
        "1",
        "number of connections to Fish Audio that are kept open for the next replies; 0: none",
        count(0),
    ),
    Flag(
        "--pool-idle-timeout",
        "FISH_POOL_IDLE_TIMEOUT",
        "600",
        "seconds without a reply after which the ready connections are closed",
        seconds(0),
        unit="s",
    ),
    Flag(
        "--keepalive-interval",
        "FISH_KEEPALIVE_INTERVAL",
        "2.5",
        "seconds without audio in a streamed reply after which a short silence is sent; 0: never",
        seconds(0),
        unit="s",
    ),
    Flag(
        "--resume",
        "FISH_RESUME",
        "0",
        "resume a reply that breaks off between two sentences, with Fish Audio's timestamps",
        switch,
    ),
    Flag(
        "--ignore-unknown-voices",
        "WYOMING_FISH_IGNORE_UNKNOWN_VOICES",
        "0",
        "use --voice if a client requests a voice that is not listed, such as one of Piper's",
        switch,
    ),
    Flag(
        "--fallback-uri",
        "WYOMING_FISH_FALLBACK_URI",
        None,
        "address of another Wyoming voice, for when Fish Audio fails: tcp://HOST:PORT or "
        "unix://PATH",
        remote,
    ),
    Flag(
        "--cache-dir",
        "WYOMING_FISH_CACHE_DIR",
        None,
        "folder for the audio of announcements; without it, no audio is kept",
        folder,
    ),
    Flag(
        "--cache-size",
        "WYOMING_FISH_CACHE_SIZE",
        "200",
        "maximum size of the cache in megabytes; the least recently used audio is deleted first",
        count(1),
        unit="mb",
    ),
    Flag(
        "--http",
        "WYOMING_FISH_HTTP",
        None,
        "address of the status page, /readyz and /metrics: HOST:PORT, or PORT for this machine "
        "only",
        http_address,
    ),
    Flag(
        "--zeroconf",
        "WYOMING_FISH_ZEROCONF",
        None,
        "name to announce on the local network (mDNS); without a value, a name with this machine's",
        instance_name,
        const="",
    ),
    Flag(
        "--max-connections",
        "WYOMING_FISH_MAX_CONNECTIONS",
        "200",
        "maximum number of connected clients",
        count(1),
    ),
    Flag(
        "--max-connections-per-address",
        "WYOMING_FISH_MAX_CONNECTIONS_PER_ADDRESS",
        "100",
        "maximum number of connected clients of one address",
        count(1),
    ),
    Flag(
        "--max-characters-per-hour",
        "WYOMING_FISH_MAX_CHARACTERS_PER_HOUR",
        "200000",
        "maximum number of characters that are sent to Fish Audio in an hour; 0: no limit",
        count(0),
    ),
    Flag(
        "--max-characters-per-hour-per-address",
        "WYOMING_FISH_MAX_CHARACTERS_PER_HOUR_PER_ADDRESS",
        "100000",
        "maximum number of characters that are sent to Fish Audio in an hour for one client "
        "address; 0: no limit",
        count(0),
    ),
    Flag(
        "--client-idle-timeout",
        "WYOMING_FISH_CLIENT_IDLE_TIMEOUT",
        "300",
        "seconds without a request after which a client is disconnected; 0: never",
        seconds(0),
        unit="s",
    ),
    Flag(
        "--write-timeout",
        "WYOMING_FISH_WRITE_TIMEOUT",
        "30",
        "seconds in which a client must read some of what it is sent",
        seconds(0.1),
        unit="s",
    ),
    Flag(
        "--max-pending-characters",
        "WYOMING_FISH_MAX_PENDING_CHARACTERS",
        "200000",
        "maximum number of characters that one client may have waiting to be spoken",
        count(1),
    ),
    Flag(
        "--log-format",
        "WYOMING_FISH_LOG_FORMAT",
        "%(asctime)s %(levelname)s %(name)s: %(message)s",
        "format of the log, as Python's logging defines it",
        log_format,
    ),
    Flag(
        "--demo",
        "WYOMING_FISH_DEMO",
        "0",
        "use a built-in emulator of Fish Audio: no key, no network; FISH_API_KEY, FISH_BASE_URL "
        "and FISH_VOICE are ignored",
        switch,
    ),
    Flag(
        "--debug",
        "WYOMING_FISH_DEBUG",
        "0",
        "log more, including the text that is spoken",
        switch,
    ),
)
