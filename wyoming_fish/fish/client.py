"""Fish Audio client: text in, as it is written; speech out, as it is spoken."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from .api.account import Account, Credit, Voice, VoiceOrder
from .api.http import HttpClient
from .api.live_connection import open_live_connection
from .api.self_hosted.speech_server import ServerKind
from .api.tts import TtsClient
from .connections.limiter import ConcurrencyLimiter
from .connections.measurements import Measurements
from .connections.opener import ConnectionOpener
from .connections.pool import IDLE_TIMEOUT_S, ConnectionPool
from .errors import SettingsError
from .owner import NO_OWNER, Owner
from .reply_metrics import ReplyMetrics
from .settings import Backend, Endpoint, SpeechSettings, VoiceIds
from .synthesis.keepalive import KeepAlive
from .synthesis.read_ahead import ReadAhead, ReadAheads, read_ahead
from .synthesis.synthesizer import Synthesizer
from .synthesis.text_chunks import without_limit
from .text.prepared_text import plain_pieces
from .text.settings import TextSettings
from .text.text_buffer import TextBuffer, buffered

if TYPE_CHECKING:
    import aiohttp

__all__ = [
    "FALLBACK_AFTER_S",
    "KEEPALIVE_INTERVAL_S",
    "ClientStatus",
    "FishClient",
    "SpokenReply",
    "WebsocketCheck",
]

SPEECH: Final = SpeechSettings()
CLEAN: Final = TextSettings()

# Seconds without audio after which a little silence is given in its place: satellites give up
# after 5 s without a byte.
KEEPALIVE_INTERVAL_S: Final = 2.5

# Seconds to Fish Audio's first audio after which another voice speaks, if there is one. It needs
# some of the 5 s, too. Fish Audio needs half a second, in its slowest mode 2.5 s, so a retry fits.
FALLBACK_AFTER_S: Final = 4.0


class ClientStatus(NamedTuple):
    """What a client is doing, and what it has done so far."""

    is_ready: bool
    """Whether a reply will find a way to Fish, as far as is known."""
    uses_rest: bool
    """Whether the next reply goes by REST, since the websocket cannot be had."""
    sessions: int
    """Sessions in use."""
    limit: int
    """Sessions that the account may have at the same time."""
    waiting: int
    """Replies that wait for a session."""
    waited_s: float
    """Seconds that replies have waited for one, in total."""
    idle: int
    """Connections that are open and wait for a reply."""
    opened: int
    """Connections that have been opened."""
    acquired: int
    """Sessions that got a connection."""
    acquired_ready: int
    """Those of them that got one that was open already."""


class WebsocketCheck(NamedTuple):
    """What opening a websocket has shown."""

    upgrade_s: float
    """Seconds that the upgrade took, once the connection, TLS included, was there."""
    limit: int | None
    """Sessions that the account may have at the same time, if Fish told."""


class SpokenReply:
    """One reply, to be iterated: s16le mono PCM of its sample rate in whole samples, as it comes.

    What happens is in ``metrics``. Raises FishError if not all of the text was spoken, and whatever
    the text raises.
    """

    def __init__(self, audio: AsyncGenerator[bytes], metrics: ReplyMetrics) -> None:
        self.metrics = metrics
        self._audio = audio

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._audio


class FishClient:
    """One Fish Audio account, or one self-hosted server. Every method raises FishError.

    ``concurrency`` is the most sessions to hold at the same time; without it, what Fish says that
    the account may have. ``warm`` is the number of connections of each backend that are kept open,
    those in use included; ``idle_timeout_s`` the seconds without use after which they are closed.
    ``ssl_context`` is used for wss and https; the default is the system's trust store. With
    ``timestamps`` the audio tells its words, so that a reply that breaks off can be resumed, if the
    server has such a websocket; None leaves it to the backend. ``session`` is used for REST, and
    left open. Nothing is opened before it is needed.
    """

    def __init__(  # noqa: PLR0913 - by name
        self,
        endpoint: Endpoint,
        *,
        concurrency: int | None = None,
        warm: int = 1,
        idle_timeout_s: float = IDLE_TIMEOUT_S,
        ssl_context: ssl.SSLContext | None = None,
        timestamps: bool | None = None,
        session: aiohttp.ClientSession | None = None,
    ) -> None:
        if concurrency is not None and concurrency < 1:
            raise SettingsError(f"The concurrency must be at least 1 (got {concurrency}).")
        self.endpoint = endpoint
        self.read_aheads = ReadAheads()
        """What all replies read ahead: another voice for the same listeners shares its bounds."""
        self._ssl_context = ssl_context
        self._http = HttpClient(endpoint, session, ssl_context, idle_timeout_s)
        self._account = Account(self._http)
        limiter = ConcurrencyLimiter(concurrency)
        opener = ConnectionOpener(endpoint, ssl_context, timestamps)
        self._rest = rest = TtsClient(self._http, limiter.set_limit)
        self._pool = ConnectionPool(
            endpoint, limiter, opener, rest, warm=warm, idle_timeout_s=idle_timeout_s
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close what is idle, and refuse what is new. A reply by websocket is spoken to its end."""
        await self._http.close()
        await self._pool.close()

    @property
    def status(self) -> ClientStatus:
        """What it is doing at this moment."""
        pool, limiter = self._pool, self._pool.limiter
        return ClientStatus(
            is_ready=pool.is_ready,
            uses_rest=pool.breaker.use_rest,
            sessions=limiter.in_use,
            limit=limiter.limit,
            waiting=limiter.waiting,
            waited_s=limiter.waited_s,
            idle=pool.idle,
            opened=pool.opened,
            acquired=pool.acquired,
            acquired_ready=pool.acquired_ready,
        )

    @property
    def measurements(self) -> Measurements:
        """What the last replies have shown about the server."""
        return self._pool.measurements

    def prewarm(self, backend: Backend) -> None:
        """Have a connection ready, since a reply is to be expected. Returns immediately."""
        self._pool.prewarm(backend)

    @contextlib.asynccontextmanager
    async def speak(  # noqa: PLR0913 - by name
        self,
        text: str | AsyncIterable[str] | TextBuffer,
        settings: SpeechSettings = SPEECH,
        text_settings: TextSettings = CLEAN,
        *,
        voice: VoiceIds = None,
        ssml: bool = False,
        resolve_voice: Callable[[str], VoiceIds] = str,
        keepalive_s: float | None = None,
        first_audio_timeout_s: float | None = None,
        spend: Callable[[int], None] = without_limit,
        metrics: ReplyMetrics | None = None,
        owner: Owner = NO_OWNER,
    ) -> AsyncIterator[SpokenReply]:
        """Speak ``text``, a string or pieces of text cut anywhere, while it is being written.

        It is cleaned by ``text_settings`` and spoken by ``settings``, in ``voice`` if that is set.
        SSML (``ssml``, or a text that begins with `<speak`, unless it is to be raw) is read to its
        end first, and has a session for each voice, speed and volume in it. ``resolve_voice`` gives
        the ID of a voice that it names, or raises VoiceNotFoundError: then that of ``settings``
        speaks. Any other reply is one session, unless the text pauses for long. Text without a
        letter or a number gives nothing and costs nothing.

        A dropped connection, a limit or an overload is tried again while nothing has been heard,
        and later if it is certain what has been (SpokenTextTracker), which needs a websocket with
        timestamps. Without a websocket, speech goes by REST, a sentence at a time.

        ``keepalive_s`` is the seconds without audio after which a little silence is given: see
        KeepAlive. ``first_audio_timeout_s`` is for a caller that has another voice: the seconds
        from the first words sent, and as many for a session, after which silence is an error. A
        self-hosted server is given the time that it needs.

        No more than about half a minute of speech is sent for before the listener has taken the
        audio. ``spend`` is told the characters of each piece before it is sent, and 0 before a
        session; less than 0 if Fish refused what was sent. It raises a FishError if there may be no
        more: what was sent is spoken, and then the error is raised.

        ``metrics`` is filled in, a new one for each reply. ``owner`` is the party that the reply is
        for, by default one for all. While replies wait for a session, owners have equal shares: a
        session may then end early, and the text goes on in a later one.

        Leaving closes all that the reply has opened. Fish has no other way to be interrupted.
        """
        if voice is not None:
            settings = replace(settings, voice=voice)
        metrics = metrics or ReplyMetrics()
        synthesizer = Synthesizer(
            self._pool, self.read_aheads, settings, first_audio_timeout_s, metrics, spend, owner
        )
        async with (
            buffered(text) as source,
            contextlib.aclosing(
                synthesizer.audio(
                    source, text_settings, resolve_voice, ssml=ssml, keepalive_s=keepalive_s
                )
            ) as audio,
        ):
            yield SpokenReply(audio, metrics)

    def speak_by(
        self,
        voice: Callable[[AsyncGenerator[str]], AsyncGenerator[bytes]],
        text: AsyncIterable[str],
        text_settings: TextSettings,
        sample_rate: int,
        metrics: ReplyMetrics,
    ) -> AsyncGenerator[bytes]:
        """Speak ``text`` by another voice than Fish Audio's, with silence in its pauses.

        ``voice`` is given the text as it is written, cleaned, without cues and phonemes. It gives
        s16le mono PCM of ``sample_rate`` hertz. ``metrics`` are those of the reply that Fish Audio
        could not speak: the time that it took counts, too.
        """

        async def write(audio: ReadAhead) -> None:
            async with contextlib.aclosing(voice(plain_pieces(text, text_settings))) as speech:
                async for pcm in speech:
                    await audio.write(pcm, is_ending=True)

        keepalive = KeepAlive(
            KEEPALIVE_INTERVAL_S, sample_rate, lambda: True, metrics, metrics.text_began
        )
        return read_ahead(self.read_aheads, NO_OWNER, sample_rate, lambda: False, write, keepalive)

    async def voices(self) -> list[Voice]:
        """The account's own voices, all of them, ready to speak."""
        return await self._account.voices()

    async def search(
        self,
        title: str = "",
        *,
        language: str = "",
        own: bool = False,
        sort_by: VoiceOrder = "task_count",
        limit: int = 50,
    ) -> list[Voice]:
        """Up to ``limit`` voices, of everyone's or only the account's own."""
        return await self._account.search(
            title, language=language, own=own, sort_by=sort_by, limit=limit
        )

    async def voice(self, voice_id: str) -> Voice:
        """One voice. Raises VoiceNotFoundError if it does not exist, or is private to another."""
        return await self._account.voice(voice_id)

    async def credit(self) -> Credit:
        """The API credit and whose it is; the cheapest way to see whether a key is good.

        Raises UnsupportedError, with the status 404, for a self-hosted server without wallets.
        """
        return await self._account.credit()

    async def server_kind(self) -> ServerKind:
        """The API that the server speaks with. One that says nothing is taken for Fish Audio's."""
        return await self._rest.detect()

    async def check_websocket(self, backend: Backend) -> WebsocketCheck:
        """Open a websocket and close it. Raises NoWebsocketError if there is none."""
        connection = await open_live_connection(
            self.endpoint, backend, ssl_context=self._ssl_context
        )
        await connection.close()
        return WebsocketCheck(connection.upgrade_time, connection.limit)
