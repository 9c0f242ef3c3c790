"""Sessions of the live socket as the probe sees them: each frame with its time and its size."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, cast
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed, InvalidStatus

from ...fish import clock, proxy_for
from ...fish.api.live_connection import LiveConnection, open_live_connection
from ...fish.bounded_json import unpack
from ...fish.errors import FishConnectionError, FishError, NoAudioError, ProxyError
from ...fish.settings import Backend, Endpoint, SpeechSettings
from ...fish.untrusted import hide, one_line

__all__ = [
    "Answer",
    "Fact",
    "Frame",
    "ProbeClient",
    "ProbeWaits",
    "Recording",
    "WireSession",
    "anonymous",
    "close_code_of",
    "harmless",
    "headers_of",
    "milliseconds",
]

Fact: TypeAlias = str | int | float | bool | list[str] | list[int] | None

# Bytes of the header of a WAV file, which Fish may send before PCM.
RIFF_BYTES: Final = 44

# Headers whose values tell nothing about the account but its limit. Of others only the names are
# reported: values can be IDs of traces, cookies, or addresses.
_REPORTED_HEADERS: Final = (
    "ratelimit-current-concurrency",
    "ratelimit-limit-concurrency",
    "retry-after",
    "sec-websocket-extensions",
    "server",
    "x-fish-error-code",
    "x-fish-error-source",
)
# Headers of any server, which tell nothing.
_ORDINARY_HEADERS: Final = (
    "connection",
    "content-length",
    "content-type",
    "date",
    "sec-websocket-accept",
    "upgrade",
)
# Characters of a header's value, or of a server's message.
MAX_VALUE_CHARS: Final = 120

# IDs of accounts, voices, traces and requests, and e-mail addresses.
_ID: Final = re.compile(r"[0-9a-fA-F-]{16,}|(?<![^\s@])[^\s@]+@\S+")


@dataclass(frozen=True)
class ProbeWaits:
    """How long the probe waits for what may never come, in seconds."""

    idle_s: float = 30.0
    """How long a socket is left idle."""
    quiet_s: float = 4.0
    """After this time no more audio is expected without a flush or stop. Users measured up to
    2.5 s to the first audio."""
    answer_s: float = 30.0
    """For a whole session: the texts are spoken in a few seconds."""
    close_s: float = 1.0
    """For the server to close a socket after a session."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the probe found out about one question."""

    reading: str
    """The answer in one word, the same in every version."""
    means: str
    """What it means."""
    advice: str = "Nothing to set."
    """What to set."""
    facts: dict[str, Fact] = field(default_factory=dict)
    """The measured values. No key, no account, no text."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One audio event."""

    at_s: float
    """When it came, by the loop's clock."""
    audio: bytes
    message: dict[str, Any]
    """The event without its audio."""


@dataclass(slots=True)
class Recording:
    """What a session sent back."""

    sample_rate: int
    started_at_s: float = 0.0
    frames: list[Frame] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    """The names of all events."""
    last_event: dict[str, Any] = field(default_factory=dict)
    """The last event that was not audio."""

    @property
    def spoken(self) -> list[Frame]:
        """The frames with audio."""
        return [frame for frame in self.frames if frame.audio]

    @property
    def has_header(self) -> bool:
        """Whether the first frame begins with a RIFF header."""
        return self.data[:4] == b"RIFF"

    @property
    def data(self) -> bytes:
        """All audio as it came."""
        return b"".join(frame.audio for frame in self.frames)

    @property
    def pcm(self) -> bytes:
        """All audio without a header, in whole samples."""
        pcm = self.data[RIFF_BYTES:] if self.has_header else self.data
        return pcm[: len(pcm) & ~1]

    @property
    def audio_s(self) -> float:
        """Seconds of audio."""
        return self.seconds(len(self.pcm))

    @property
    def first_audio_s(self) -> float:
        """Seconds from `start` to the first audio. Raises NoAudioError."""
        if not self.spoken:
            raise NoAudioError("The session ended without audio.")
        return self.spoken[0].at_s - self.started_at_s

    def seconds(self, size: int) -> float:
        """Seconds of so many bytes of audio."""
        return size / 2 / self.sample_rate


class WireSession:
    """One session that the probe leads."""

    def __init__(
        self, client: ProbeClient, connection: LiveConnection, request: dict[str, Any]
    ) -> None:
        self.recording = Recording(request["sample_rate"])
        self._client = client
        self._connection = connection
        self._request = request
        self._session = connection.begin()
        self._session.secret = client.endpoint.api_key

    async def start(self) -> None:
        """Open the session."""
        self.recording.started_at_s = clock.now()
        await self._connection.send(self._session.start(self._request))

    async def text(self, text: str, *, flush: bool = False) -> None:
        """Send text, and have it spoken now if ``flush``."""
        self._client.sent_bytes += len(text.encode())
        await self._connection.send(self._session.text(text))
        if flush:
            await self._connection.send(self._session.flush())

    async def stop(self) -> None:
        """End the text."""
        await self._connection.send(self._session.stop())

    async def finish(self, texts: Sequence[str] = ()) -> None:
        """Have these texts spoken, and read to the end. Raises FishError, TimeoutError."""
        # A server that refuses the session has closed the socket. Its reason is still to be read.
        with contextlib.suppress(FishConnectionError):
            for text in texts:
                await self.text(text, flush=True)
            await self.stop()
        if not await self.read(self._client.waits.answer_s):
            raise TimeoutError

    async def read(self, timeout_s: float) -> bool:
        """Read for ``timeout_s``; whether the session finished. Raises FishError."""
        try:
            async with asyncio.timeout(timeout_s):
                while not await self._read_frame():
                    pass
        except TimeoutError:
            return False
        return True

    async def read_until_quiet(self, quiet_s: float) -> None:
        """Read until nothing has come for ``quiet_s``."""
        count = -1
        while count < len(self.recording.frames):
            count = len(self.recording.frames)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(quiet_s):
                    await self._read_frame()

    async def _read_frame(self) -> bool:
        """Read one frame; whether it was `finish`."""
        data = await self._connection.receive()
        if isinstance(data, str):
            return False
        message = unpack(data)
        recording = self.recording
        name = str(message.get("event"))
        recording.events.append(name)
        if name == "audio":
            audio = message.pop("audio", b"")
            audio = audio if isinstance(audio, bytes) else b""
            recording.frames.append(Frame(clock.now(), audio, message))
            self._connection.hear(recording.seconds(len(audio)))
        else:
            recording.last_event = message
        self._session.receive(data)
        return name == "finish"


class ProbeClient:
    """Opens sockets and sessions with the settings that were chosen, and counts what they cost."""

    def __init__(
        self,
        endpoint: Endpoint,
        speech: SpeechSettings,
        ssl_context: ssl.SSLContext,
        waits: ProbeWaits,
    ) -> None:
        self.endpoint = endpoint
        self.speech = speech
        self.waits = waits
        self.sent_bytes = 0
        """UTF-8 bytes of text that were sent to be spoken."""
        self._ssl = ssl_context

    @contextlib.asynccontextmanager
    async def socket(
        self, *, timestamps: bool = False, backend: str | None = None
    ) -> AsyncGenerator[LiveConnection]:
        """A socket that is open. ``backend`` may be unknown. Raises FishError."""
        connection = await open_live_connection(
            self.endpoint,
            # Only its text is used, as the value of a header.
            cast("Backend", backend or self.speech.backend),
            timestamps=timestamps,
            ssl_context=self._ssl,
        )
        try:
            yield connection
        finally:
            await connection.close()

    async def session(self, connection: LiveConnection, **request: Any) -> WireSession:
        """A session that is started. ``request`` overrides fields of Fish's TTSRequest."""
        session = WireSession(self, connection, self.speech.request() | request)
        await session.start()
        return session

    async def say(
        self, connection: LiveConnection, texts: Sequence[str] = (), **request: Any
    ) -> Recording:
        """Run a whole session in which each text is flushed. Raises FishError, TimeoutError."""
        session = await self.session(connection, **request)
        await session.finish(texts)
        return session.recording


def headers_of(headers: Sequence[tuple[str, str]], endpoint: Endpoint) -> dict[str, Fact]:
    """The names of an answer's headers, and the values that tell nothing about a person."""
    names = sorted({name.lower() for name, _ in headers} - set(_ORDINARY_HEADERS))
    facts: dict[str, Fact] = {"headers": [anonymous(name, endpoint) for name in names]}
    for name, value in headers:
        if name.lower() in _REPORTED_HEADERS:
            facts[name.lower()] = anonymous(value, endpoint)
    return facts


def anonymous(text: str, endpoint: Endpoint, max_chars: int = MAX_VALUE_CHARS) -> str:
    """``text`` in one line, without the key, IDs, and the addresses of the server and a proxy."""
    said = hide(text, endpoint.api_key)
    proxy = proxy_for(endpoint.base_url)
    for url in (endpoint.base_url, proxy.url if proxy else ""):
        parts = urlsplit(url)
        if parts.hostname:
            host = re.escape(parts.hostname)
            address = re.compile(rf"(?<![\w.-])\[?{host}\]?(:\d+)?(?![\w-])", re.IGNORECASE)
            said = address.sub("HOST", said)
    return _ID.sub("ID", one_line(said, max_chars))


def harmless(error: FishError, endpoint: Endpoint) -> dict[str, Fact]:
    """What an error says, without the key, IDs, the server's address or a proxy's."""
    facts: dict[str, Fact] = {"error": error.code}
    if error.status is not None:
        facts["status"] = error.status
    if not isinstance(error, ProxyError):
        facts["message"] = anonymous(error.reason, endpoint, 2 * MAX_VALUE_CHARS)
    if isinstance(error.__cause__, InvalidStatus):
        facts |= headers_of(tuple(error.__cause__.response.headers.raw_items()), endpoint)
    return facts


def close_code_of(error: FishError) -> int | None:
    """The code of the close frame because of which a session ended; None: there was no frame."""
    cause = error.__cause__
    return cause.rcvd.code if isinstance(cause, ConnectionClosed) and cause.rcvd else None


def milliseconds(seconds: float) -> int:
    """Whole milliseconds."""
    return round(1000 * seconds)
