"""A reply is spoken: by Fish Audio, and where that fails, by the fallback voice."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator
from dataclasses import replace

from .catalog import Catalog
from .fallback import FallbackError, speak_by
from .fish.errors import FishError
from .fish.sockets import Sockets
from .fish.speech import speak
from .options import Options
from .reply import Reply
from .seldom import Seldom

__all__ = ["Speaker"]

_LOGGER = logging.getLogger(__name__)


class Speaker:
    """Speaks the replies of all clients."""

    def __init__(self, sockets: Sockets, catalog: Catalog, options: Options) -> None:
        self._sockets = sockets
        self._catalog = catalog
        self._options = options
        self._warnings = Seldom(_LOGGER)

    def warm(self) -> None:
        """A reply is to be expected."""
        self._sockets.warm(self._options.speech.backend)

    async def speak(self, reply: Reply) -> AsyncGenerator[bytes]:
        """Give s16le mono PCM of the options' sample rate, as it comes. Raises FishError.

        Where Fish fails before it is heard, the fallback voice speaks; where that fails too, Fish's
        error is the one that is told.
        """
        heard = False
        try:
            async with contextlib.aclosing(self._speak_by_fish(reply)) as audio:
                async for pcm in audio:
                    heard = True
                    yield pcm
            return
        except FishError as error:
            if heard or not self._options.fallback_uri:
                raise
            failure = error
        self._warnings.warning("The fallback voice speaks, since Fish does not: %s", failure)
        reply.spoken_by = f"fallback voice at {self._options.fallback_uri}"
        rate = self._options.speech.sample_rate
        speech = speak_by(self._options.fallback_uri, reply.text(), rate)
        try:
            async with contextlib.aclosing(speech) as audio:
                async for pcm in audio:
                    heard = True
                    yield pcm
        except FallbackError as error:
            _LOGGER.error("The fallback voice at %s failed: %s", self._options.fallback_uri, error)
            raise failure from error

    def _speak_by_fish(self, reply: Reply) -> AsyncGenerator[bytes]:
        voice = self._catalog.resolve(reply.voice.name)
        settings = replace(self._options.speech, voice=voice)
        reply.spoken_by = f"voice {voice or 'default'}, backend {settings.backend}"
        # A plain reply is there whole: it has no pauses, and is kept and played again.
        bridge = self._options.bridge if reply.streamed else None
        return speak(self._sockets, reply.text(), settings, bridge=bridge)
