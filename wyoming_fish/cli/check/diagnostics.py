"""What is looked at, in which order, and what is made of it."""

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
    """How well it is."""

    OK = "ok"
    WARNING = "warning"
    """It works, but could be better, or will not for long."""
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What was found out about one thing."""

    name: str
    state: CheckStatus
    text: str
    """For a person; where something is wrong, with what to do about it."""
    seconds: float | None = None
    """How long it took, where that matters."""
    code: str | None = None
    """What kind of FishError it is, where it is wrong."""


class _StepResult(NamedTuple):
    """What one step has to say where it did not fail."""

    text: str
    seconds: float | None = None
    state: CheckStatus = CheckStatus.OK


class Diagnostics:
    """Examines one Fish Audio server as ``wyoming-fish`` would use it.

    ``keyless`` says why ``endpoint`` has no key that could be used: then only the way to the server
    is looked at. ``ssl_context`` is for wss and https, ``timestamps`` is what FishClient takes.
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
        """Whether it is a server of one's own, without wallets."""

    async def examine(self) -> AsyncGenerator[CheckResult]:
        """Look at one thing after the other, as long as the next may still be well."""
        steps: dict[str, Callable[[], Awaitable[_StepResult | None]]] = {
            "dns": self._look_up,
            "tcp": self._connect,
            "tls": self._encrypt,
        }
        if self._keyless is not None:
            yield _wrong("key", self._keyless)
        else:
            steps |= {
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
            f"{address} does not, and the others have to be tried beside it."
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

    async def _ask(self) -> _StepResult:
        began = clock.now()
        try:
            self._credit = await self._fish.credit()
        except UnsupportedError:
            self._own = True
            # A server without wallets asks for its key here, if it has one.
            await self._fish.voices()
        if not self._endpoint.api_key:
            said = "None is set, and none is needed."
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
                "Fish Audio retires s1 at the end of 2026 and speaks by s2.1-pro in its place: "
                "choose another backend.",
                state=CheckStatus.WARNING,
            )
        if backend is Backend.S2_1_PRO_FREE:
            return _StepResult(f"{backend} costs nothing.")
        return _StepResult(f"{backend} is paid for with API credit.")

    async def _look_at_voice(self) -> _StepResult:
        chosen = self._speech.voice
        if chosen is None:
            return _StepResult("None is chosen: the server's default voice speaks.")
        ids = (chosen,) if isinstance(chosen, str) else chosen
        titles = [f'"{(await self._fish.voice(voice)).title}"' for voice in ids]
        return _StepResult(f"{', '.join(titles)} is there and can speak.")

    async def _open(self) -> _StepResult:
        try:
            opened = await self._fish.check_websocket(self._speech.backend)
        except NoWebsocketError as error:
            if self._own:
                return _StepResult(f"{error.reason} A fish-speech has none: it speaks by REST.")
            return _StepResult(
                f"{error} Until then, it speaks by REST, one sentence at a time.",
                state=CheckStatus.WARNING,
            )
        limit = f" The account may have {opened.limit} sessions at once." if opened.limit else ""
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
        text = f"First audio; all {seconds:.1f} s of it are there after {took:.1f} s."
        if self._fish.status.uses_rest:
            text = f"By REST. {text}"
        # A server of one's own gives nothing until all of a sentence is made.
        if took - (0 if self._own else first_audio) > seconds:
            problem = "It is made slower than it is heard. A faster machine helps."
            if not self._own:
                rate = seconds / (took - first_audio)
                problem = str(SlowLine(rate, self._speech.sample_rate))
            text = f"{text} {problem}"
            return _StepResult(text, first_audio, CheckStatus.WARNING)
        if warm and first_audio > SLOW_S and self._speech.latency is Latency.NORMAL:
            text = f"{text} It would be sooner with the latency balanced or low."
            return _StepResult(text, first_audio, CheckStatus.WARNING)
        return _StepResult(text, first_audio)


def _wrong(name: str, error: FishError) -> CheckResult:
    return CheckResult(name, CheckStatus.WRONG, str(error), code=error.code)
