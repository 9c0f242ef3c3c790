"""Speech server: which API a server speaks with, found out by asking it."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Final

from ... import clock
from ...errors import FishConnectionError, ProxyError
from ..http import HttpClient, read_body
from . import fish_speech, openai_speech

__all__ = ["ServerKind", "SpeechServer"]

# Seconds for the rest of an answer about the server's health, which is a line.
HEALTH_TIMEOUT_S: Final = 2.0

# Seconds until a server that did not say what it is is asked again: it may have been starting, or
# a proxy in front of it may have answered.
DETECT_INTERVAL_S: Final = 5.0


class ServerKind(StrEnum):
    """The kinds of servers, by what a person calls them."""

    FISH_AUDIO = "Fish Audio's API"
    FISH_SPEECH = "fish-speech"
    OPENAI_SPEECH = "OpenAI's speech API"


class SpeechServer:
    """One server. Only what it has said of itself is remembered.

    Fish Audio's service is not asked. A server that says nothing is spoken to like it.
    """

    def __init__(self, http: HttpClient) -> None:
        self.kind = ServerKind.FISH_AUDIO
        """As far as is known."""
        self._http = http
        self._is_known = http.endpoint.is_cloud
        self._ask_at = float("-inf")

    async def detect(self, read_timeout_s: float) -> ServerKind:
        """Ask the server, unless that is known or was asked just now. Raises FishError."""
        if not self._is_known and clock.now() >= self._ask_at:
            try:
                async with asyncio.timeout(read_timeout_s):
                    self.kind = await self._ask(read_timeout_s)
                self._is_known = self.kind is not ServerKind.FISH_AUDIO
            except TimeoutError as error:
                # Some answer nothing while they speak: it is taken for what it was.
                if self.kind is ServerKind.FISH_AUDIO:
                    raise FishConnectionError(
                        f"{self._http.endpoint.name} did not answer in time."
                    ) from error
            self._ask_at = clock.now() + DETECT_INTERVAL_S
        return self.kind

    def forget(self) -> None:
        """Another server may have taken its place: ask again, unless it was asked just now."""
        self._is_known = self._http.endpoint.is_cloud

    async def _ask(self, read_timeout_s: float) -> ServerKind:
        if await self._is_fish_speech(read_timeout_s):
            return ServerKind.FISH_SPEECH
        if await openai_speech.is_served(self._http, read_timeout_s):
            return ServerKind.OPENAI_SPEECH
        return ServerKind.FISH_AUDIO

    async def _is_fish_speech(self, read_timeout_s: float) -> bool:
        health = self._http.request("GET", fish_speech.HEALTH, read_timeout_s=read_timeout_s)
        async with health as response:
            if response.status in (403, 407) or response.status >= 500:
                error = await self._http.refusal(response)
                # A proxy would answer every question so.
                if isinstance(error, ProxyError) or response.status >= 500:
                    raise error
            body = await read_body(response, fish_speech.MAX_HEALTH_BYTES, HEALTH_TIMEOUT_S)
            return response.status == 200 and fish_speech.is_healthy(body)
