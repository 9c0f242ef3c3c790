"""Diagnostics: the checks in their order, and what their results mean."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final, NamedTuple

from ...fish import LOW_CREDIT, Credit, FishClient, SlowLine, clock
from ...fish.errors import (
    FishConnectionError,
    FishError,
    NoCreditError,
    NoWebsocketError,
    UnsupportedError,
)
from ...fish.settings import Backend, Endpoint, Latency, SpeechSettings
from .network import NetworkCheck

__all__ = ["CheckResult", "CheckStatus", "Diagnostics"]

SENTENCE: Final = "The fish can speak."
"""What is spoken, twice; it costs less than a thousandth of a dollar."""

# Seconds to the first audio on a warm socket beyond which something can be gained: Fish's users
# measured about half a second.
SLOW_S: Final = 1.5

# If one of these fails, the check ends, because the later steps need it.
_FATAL_STEPS: Final = ("dns", "tcp", "tls", "speech-cold")
# After one of these, the check continues even if an earlier step failed.
_INDEPENDENT_STEPS: Final = ("credit", "backend")


class CheckStatus(StrEnum):
    """The outcome of a check."""

    OK = "ok"
    WARNING = "warning"
    """It works, but could be better, or will not for long."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check."""

    name: str
    state: CheckStatus
    text: str
    """For a person; if something is wrong, also what to do."""
    seconds: float | None = None
    """Its duration, if that matters."""
    code: str | None = None
    """The code of the FishError, if it is wrong."""


class _StepResult(NamedTuple):
    """The result of a step that did not fail."""

    text: str
    seconds: float | None = None
    state: CheckStatus = CheckStatus.OK


class Diagnostics:
    """Examines one Fish Audio server as ``wyoming-fish`` would use it.

    ``keyless`` is the error of an ``endpoint`` without a usable key: then only the network is
    checked. ``ssl_context`` is for wss and https, ``timestamps`` is what FishClient takes.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        speech: SpeechSettings,
        ssl_context: ssl.SSLContext,
        keyless: FishError | None = None,
        timestamps: bool | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._speech = speech
        self._ssl = ssl_context
        self._keyless = keyless
        self._network = NetworkCheck(endpoint)
        self._fish = FishClient(endpoint, ssl_context=ssl_context, timestamps=timestamps)
        self._credit: Credit | None = None
        self._own = False
        """Whether it is a self-hosted server, which has no credit."""

    async def examine(self) -> AsyncGenerator[CheckResult]:
        """Run the checks in their order. An error ends those that depend on it."""
        steps: dict[str, Callable[[], Awaitable[_StepResult | None]]] = {
            "dns": self._look_up,
            "tcp": self._connect,
            "tls": self._encrypt,
        }
        if self._keyless is not None:
            yield _wrong("key", self._keyless)
        else:
            steps |= {
                "server": self._look_at_server,
                "key": self._ask,
                "credit": self._look_at_credit,
                "backend": self._look_at_backend,
                "voice": self._look_at_voice,
                "websocket": self._open,
                "speech-cold": self._speak,
                "speech-warm": partial(self._speak, warm=True),
            }
        hopeless = False
        try:
            for name, step in steps.items():
                try:
                    said = await step()
                except FishError as error:
                    yield _wrong(name, error)
                    # What passes for the account may be no hindrance to speech.
                    hopeless = hopeless or not error.retryable or name in _FATAL_STEPS
                else:
                    if said is not None:
                        yield CheckResult(name, said.state, said.text, said.seconds)
                if hopeless and name not in _INDEPENDENT_STEPS:
                    return
        finally:
            await self._fish.close()

    async def _look_up(self) -> _StepResult:
        began = clock.now()
        addresses = await self._network.look_up()
        return _StepResult(
            f"{self._network.name} is at {', '.join(addresses)}.", clock.now() - began
        )

    async def _connect(self) -> _StepResult:
        tried = await self._network.connect()
        times = {address: time for address, time in tried.items() if isinstance(time, float)}
        answering = f"{', '.join(times)} answers."
        silent = [
            f"{address} does not answer. Connections then start a little later."
            for address, error in tried.items()
            if isinstance(error, FishConnectionError) and isinstance(error.__cause__, TimeoutError)
        ]
        if silent:
            text = " ".join((answering, *silent, FishConnectionError.default_advice))
            return _StepResult(text, state=CheckStatus.WARNING)
        return _StepResult(answering, min(times.values()))

    async def _encrypt(self) -> _StepResult | None:
        # Within a proxy's tunnel it is spoken when the websocket is opened.
        if self._network.proxied or not self._network.secure:
            return None
        version, seconds = await self._network.encrypt(self._ssl)
        return _StepResult(f"{version}, with a certificate that is trusted here.", seconds)

    async def _look_at_server(self) -> _StepResult | None:
        if self._endpoint.is_cloud:
            return None
        kind = await self._fish.server_kind()
        return _StepResult(f"The server has {kind}." if "API" in kind else f"It is {kind}.")

    async def _ask(self) -> _StepResult:
        began = clock.now()
        try:
            self._credit = await self._fish.credit()
        except UnsupportedError:
            self._own = True
            # A server without wallets asks for its key here, if it has one.
            await self._fish.voices()
        if not self._endpoint.api_key:
            said = "No API key is set, and this server does not need one."
        else:
            # Not every server of one's own asks for its key here.
            said = "It is not refused." if self._own else "It is accepted."
        return _StepResult(said, clock.now() - began)

    async def _look_at_credit(self) -> _StepResult | None:
        if self._credit is None:
            return None
        amount = self._credit.amount
        text = f"{amount:.2f} US dollars of API credit are left."
        if amount >= LOW_CREDIT or self._speech.backend is Backend.S2_1_PRO_FREE:
            return _StepResult(text)
        error = NoCreditError(text)
        error.is_cloud = self._endpoint.is_cloud
        if amount <= 0:
            raise error
        return _StepResult(str(error), state=CheckStatus.WARNING)

    async def _look_at_backend(self) -> _StepResult | None:
        backend = self._speech.backend
        if self._own:
            return None
        if backend is Backend.S1:
            return _StepResult(
                "Fish Audio retires s1 at the end of 2026, and then uses s2.1-pro instead. Select "
                "another backend.",
                state=CheckStatus.WARNING,
            )
        if backend is Backend.S2_1_PRO_FREE:
            return _StepResult(f"{backend} costs nothing.")
        return _StepResult(f"{backend} is paid for with API credit.")

    async def _look_at_voice(self) -> _StepResult:
        chosen = self._speech.voice
        if chosen is None:
            return _StepResult("No voice is selected: the server's default voice speaks.")
        ids = (chosen,) if isinstance(chosen, str) else chosen
        titles = [f'"{(await self._fish.voice(voice)).title}"' for voice in ids]
        if self._own:
            return _StepResult(f"The server is asked for {', '.join(titles)}.")
        return _StepResult(f"{', '.join(titles)} exists and can speak.")

    async def _open(self) -> _StepResult:
        try:
            opened = await self._fish.check_websocket(self._speech.backend)
        except NoWebsocketError as error:
            if self._own:
                return _StepResult(f"{error.reason} Each sentence is one HTTP request.")
            return _StepResult(
                f"{error} Until then, each sentence is one HTTP request.",
                state=CheckStatus.WARNING,
            )
        limit = f" The account may have {opened.limit} sessions." if opened.limit else ""
        return _StepResult(f"It opens.{limit}", opened.upgrade_s)

    async def _speak(self, *, warm: bool = False) -> _StepResult:
        began = clock.now()
        first_audio = 0.0
        size = 0
        async with self._fish.speak(SENTENCE, self._speech) as reply:
            async for pcm in reply:
                first_audio = first_audio or clock.now() - began
                size += len(pcm)
        took = clock.now() - began
        seconds = size / 2 / self._speech.sample_rate
        text = f"First audio. All {seconds:.1f} s of the speech arrived after {took:.1f} s."
        if self._fish.status.uses_rest:
            text = f"By HTTP. {text}"
        # A server of one's own gives nothing until all of a sentence is made.
        if took - (0 if self._own else first_audio) > seconds:
            problem = (
                "The speech is slower than real time, so there are gaps. A faster machine helps."
            )
            if not self._own:
                problem = str(SlowLine(seconds / (took - first_audio), self._speech.sample_rate))
            text = f"{text} {problem}"
            return _StepResult(text, first_audio, CheckStatus.WARNING)
        if warm and first_audio > SLOW_S and self._speech.latency is Latency.NORMAL:
            text = f"{text} Set --latency balanced or low for an earlier start."
            return _StepResult(text, first_audio, CheckStatus.WARNING)
        return _StepResult(text, first_audio)


def _wrong(name: str, error: FishError) -> CheckResult:
    return CheckResult(name, CheckStatus.FAILED, str(error), code=error.code)
