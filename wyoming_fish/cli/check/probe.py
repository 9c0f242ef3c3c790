"""`wyoming-fish-check --probe`: measures what Fish Audio does not document, for a report.

The report has no key, account, address or text in it, so it can be made public.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Final

from ... import __version__
from ...fish import clock
from ...fish.errors import (
    CertificateError,
    FishConnectionError,
    FishError,
    KeyMissingError,
    KeyRefusedError,
    NoWebsocketError,
    ProxyError,
)
from ...fish.settings import USD_PER_MILLION_BYTES, Backend, Endpoint, SpeechSettings
from ...printable import printable
from .probe_connection import SHORT_TEXT, WORD, ConnectionQuestions
from .probe_speech import DRAMA_TEXTS, PAST_CHUNK_CHARS, REPLY, SpeechQuestions
from .probe_wire import Answer, ProbeClient, ProbeWaits, harmless

__all__ = ["Probe", "run_probe"]

# An assumed upper bound for Drama 3, whose price Fish Audio does not publish: the highest price of
# a reseller.
ASSUMED_MAX_USD_PER_MILLION_BYTES: Final = 50

# Seconds for the questions that wait for no time of their own, all together, with Fish Audio.
TYPICAL_S: Final = 60.0

# Errors that every other question would have, too.
_UNREACHABLE: Final = tuple(
    kind.code for kind in (FishConnectionError, CertificateError, ProxyError, NoWebsocketError)
)
# The readings of a question without an answer.
_UNANSWERED: Final = ("error", "no-answer")

# Sessions of one first-audio question: three latencies, twice each.
_FIRST_AUDIO_SESSIONS: Final = 6


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to find out."""

    name: str
    ask: Callable[[], Awaitable[Answer]]
    timeout_s: float
    text_bytes: int = 0
    """The most bytes of text that it has spoken."""
    backend: Backend | None = None
    """The backend that speaks it. None: the chosen one."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """A question with its answer, or with the reason why there is none."""

    question: str
    seconds: float
    answer: Answer

    @property
    def is_answered(self) -> bool:
        """Whether the server gave an answer."""
        return self.answer.reading not in _UNANSWERED


class Probe:
    """Asks one question after another. The failure of one does not end the others."""

    def __init__(
        self,
        endpoint: Endpoint,
        speech: SpeechSettings,
        ssl_context: ssl.SSLContext,
        waits: ProbeWaits,
    ) -> None:
        self._endpoint = endpoint
        self._waits = waits
        self.client = ProbeClient(endpoint, speech, ssl_context, waits)
        self.questions = _questions(self.client)

    @property
    def text_bytes(self) -> int:
        """The most bytes of text that are sent."""
        return sum(question.text_bytes for question in self.questions)

    @property
    def estimate(self) -> str:
        """What the probe costs at most, in bytes, US dollars and time."""
        chosen = self.client.speech.backend
        dollars = sum(
            USD_PER_MILLION_BYTES.get(each.backend or chosen, ASSUMED_MAX_USD_PER_MILLION_BYTES)
            * (each.text_bytes / 1e6)
            for each in self.questions
        )
        if chosen is Backend.S2_1_PRO_FREE:
            cost = f"no money, as long as {Backend.S2_1_PRO_FREE} is free"
        else:
            cost = (
                f"{dollars:.3f} US dollars. The price of {Backend.DRAMA_3} is not published: the "
                f"probe assumes at most {ASSUMED_MAX_USD_PER_MILLION_BYTES} US dollars for a "
                "million bytes"
            )
        waits = self._waits
        duration_s = TYPICAL_S + waits.idle_s + 4 * waits.quiet_s
        return (
            f"The probe sends at most {self.text_bytes} bytes of text, which costs at most {cost}. "
            f"It takes about {duration_s:.0f} seconds. For some of them it uses all sessions of "
            "the account."
        )

    async def run(self) -> AsyncGenerator[ProbeResult]:
        """Ask. Ends early if the server cannot be reached or refuses the key."""
        for question in self.questions:
            result = await self.ask(question)
            yield result
            error = result.answer.facts.get("error")
            is_unreachable = question is self.questions[0] and error in _UNREACHABLE
            if is_unreachable or error in (KeyRefusedError.code, KeyMissingError.code):
                return

    async def ask(self, question: Question) -> ProbeResult:
        """Ask one question. It always has a result."""
        began_s = clock.now()
        try:
            async with asyncio.timeout(question.timeout_s):
                answer = await question.ask()
        except TimeoutError:
            answer = Answer("no-answer", "The server did not answer in time.", "Try again later.")
        except FishError as error:
            facts = harmless(error, self._endpoint)
            answer = Answer("error", "There is no answer.", error.advice, facts)
        return ProbeResult(question.name, clock.now() - began_s, answer)


async def run_probe(
    endpoint: Endpoint,
    speech: SpeechSettings,
    show: Callable[[str], None],
    tell: Callable[[str], None],
    waits: ProbeWaits,
    *,
    json_wanted: bool = False,
) -> int:
    """Ask, ``show`` the report and ``tell`` what is not part of it.

    Gives the exit status: 0 if every question has an answer.
    """
    context = await asyncio.to_thread(ssl.create_default_context)
    probe = Probe(endpoint, speech, context, waits)
    tell(probe.estimate)
    if not json_wanted:
        show(_heading(probe))
    results = []
    async with contextlib.aclosing(probe.run()) as answers:
        async for result in answers:
            results.append(result)
            if not json_wanted:
                show(_as_text(result))
    if json_wanted:
        show(json.dumps(_as_json(results, probe), indent=2))
    asked_all = len(results) == len(probe.questions)
    return 0 if asked_all and all(result.is_answered for result in results) else 1


def _heading(probe: Probe) -> str:
    server = "Fish Audio" if probe.client.endpoint.is_cloud else "another server"
    return f"wyoming-fish {__version__}, {server}, {probe.client.speech.backend}"


def _as_json(results: list[ProbeResult], probe: Probe) -> dict[str, Any]:
    """The report as one JSON object."""
    waits, speech = probe.client.waits, probe.client.speech
    return {
        "version": __version__,
        "server": "Fish Audio" if probe.client.endpoint.is_cloud else "another server",
        "backend": str(speech.backend),
        "sample_rate": speech.sample_rate,
        "waits": asdict(waits),
        "text_bytes": probe.client.sent_bytes,
        "answers": [
            {"question": each.question, "seconds": round(each.seconds, 1), **asdict(each.answer)}
            for each in results
        ],
    }


def _as_text(result: ProbeResult) -> str:
    """One answer for the terminal."""
    answer = result.answer
    facts = ", ".join(f"{name}={_shown(value)}" for name, value in answer.facts.items())
    lines = (f"{answer.means} {answer.advice}".strip(), facts)
    head = f"{result.question:23}  {answer.reading:18}  "
    return head + f"\n{'':45}".join(printable(line) for line in lines if line)


def _shown(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _questions(client: ProbeClient) -> tuple[Question, ...]:
    waits = client.waits
    connection, speech = ConnectionQuestions(client), SpeechQuestions(client)
    session_s = waits.answer_s + 10  # and the time to open a socket
    short, reply = _size(SHORT_TEXT), _size(*REPLY)
    unflushed = client.speech.chunk_length + PAST_CHUNK_CHARS
    first_audio_s = _FIRST_AUDIO_SESSIONS * session_s
    asked = [
        Question("upgrade", connection.upgrade, session_s),
        Question("reuse", connection.reuse, 2 * session_s, 2 * short),
        Question("idle", connection.idle, waits.idle_s + 2 * session_s),
        Question("idle-sockets", connection.idle_sockets, 2 * session_s),
        Question("limit", connection.limit, 2 * session_s),
        Question("unknown-voice", connection.unknown_voice, session_s, _size(WORD)),
        Question("unknown-backend", connection.unknown_backend, session_s),
        Question("no-credit", connection.no_credit, session_s),
        Question("free-model", connection.free_model, session_s, _size(WORD)),
        Question("first-audio", speech.first_audio, first_audio_s, _FIRST_AUDIO_SESSIONS * short),
        Question(
            "first-audio-timestamps",
            partial(speech.first_audio, timestamps=True),
            first_audio_s,
            _FIRST_AUDIO_SESSIONS * short,
        ),
        Question("rate", speech.rate, session_s, reply),
        Question("frames", speech.frames, session_s),
        Question("first-frame", speech.first_frame, session_s),
        Question("silence", speech.silence, session_s),
        Question("cut", speech.cut, session_s + 4 * waits.quiet_s, unflushed),
        Question("held-back", speech.held_back, session_s + 4 * waits.quiet_s, short),
        Question("timing", speech.timing, session_s, reply),
    ]
    # Drama always costs money.
    if client.speech.backend is not Backend.S2_1_PRO_FREE:
        size = _size(*DRAMA_TEXTS)
        asked.append(
            Question("drama-silence", speech.drama_silence, session_s, size, Backend.DRAMA_3)
        )
    return tuple(asked)


def _size(*texts: str) -> int:
    return sum(len(text.encode()) for text in texts)
