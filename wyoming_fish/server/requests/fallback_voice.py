"""Fallback voice: speaks for all clients in turn when Fish Audio cannot."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncGenerator, Iterator
from typing import Final

from ...fish.connections.limiter import ConcurrencyLimiter, SlotRequest
from ...fish.cpu_turns import cpu_turn
from ...fish.errors import LimitError
from ...fish.owner import Owner
from ...fish.reply_metrics import ReplyMetrics
from ...fish.synthesis.keepalive import KeepAlive
from ...fish.synthesis.read_ahead import ReadAhead, ReadAheads, read_ahead
from ...fish.text import TextSettings
from ...fish.text.characters import has_words
from ...fish.text.prepared_text import plain
from ...fish.text.sentences import Sentences
from ...fish.text.text_buffer import TextBuffer
from .fallback import WyomingFallbackError, synthesize_by_wyoming

__all__ = ["WyomingFallback"]

# Requests at the same time. Piper makes one at a time, and the next one should not have to wait for
# a connection.
MAX_REQUESTS: Final = 2

# Characters of one request: some 20 s of speech, and less than MAX_IN_HAND_S in the slowest voice.
# So no listener, however slow, keeps the voice from others after its piece is made.
MAX_PIECE_CHARACTERS: Final = 300


class WyomingFallback:
    """The Wyoming server at ``uri``, as s16le mono PCM of ``rate`` hertz.

    Texts are cleaned by ``text_settings``, without cues, which another voice would read out. Each
    is spoken in pieces. When several replies wait, their owners take turns, piece by piece.
    """

    def __init__(
        self, uri: str, text_settings: TextSettings, rate: int, read_aheads: ReadAheads
    ) -> None:
        self.uri = uri
        self.server_id = secrets.token_hex(8)
        """Names this server to the voice, which may be this server by another address."""
        self._text_settings = text_settings
        self._rate = rate
        self._read_aheads = read_aheads
        self._limiter = ConcurrencyLimiter(MAX_REQUESTS)

    def speak(
        self,
        text: TextBuffer,
        owner: Owner,
        metrics: ReplyMetrics,
        keepalive: KeepAlive | None = None,
    ) -> AsyncGenerator[bytes]:
        """Speak ``text`` for ``owner`` when it is complete.

        Audio is made ahead of the listener, as far as ReadAheads allow. Raises FishError and
        WyomingFallbackError.
        """

        async def write(audio: ReadAhead) -> None:
            request = SlotRequest(owner)
            for piece in _pieces(await plain(text, self._text_settings)):
                await cpu_turn()
                # A voice says nothing for marks, which would be an error.
                if not has_words(piece):
                    continue
                try:
                    async with self._limiter.acquire(request):
                        await self._speak(audio, piece, metrics)
                except LimitError as error:
                    raise WyomingFallbackError("it is busy with other replies") from error
                request.renew()
                await audio.runs_low()

        return read_ahead(self._read_aheads, owner, self._rate, lambda: True, write, keepalive)

    async def _speak(self, audio: ReadAhead, piece: str, metrics: ReplyMetrics) -> None:
        speech = synthesize_by_wyoming(self.uri, piece, self._rate, self.server_id)
        async with contextlib.aclosing(speech):
            async for pcm in speech:
                metrics.hear(len(pcm) / 2 / self._rate)
                await audio.write(pcm, is_ending=True)


def _pieces(text: str) -> Iterator[str]:
    """``text`` in pieces of MAX_PIECE_CHARACTERS at most that end with a sentence, if possible."""
    sentences = Sentences()
    sentences.write(text)
    while sentences.text:
        end = len(sentences.text)
        if end > MAX_PIECE_CHARACTERS:
            cuts = [cut for cut in sentences.cuts if cut.at <= MAX_PIECE_CHARACTERS]
            best = max(cuts, key=lambda cut: (cut.kind, cut.at), default=None)
            end = best.at if best else MAX_PIECE_CHARACTERS
        yield sentences.take(end)
