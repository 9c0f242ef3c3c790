"""What the probe asks about sockets, limits and refusals. Hardly any text is spoken."""

from __future__ import annotations

import asyncio
import contextlib
import math
from dataclasses import replace
from typing import Final

from ...fish.api.live_connection import LiveConnection
from ...fish.bounded_json import concurrency_limit
from ...fish.errors import FishConnectionError, FishError, LimitError, NoAudioError
from ...fish.settings import Backend
from .probe_wire import (
    Answer,
    Fact,
    ProbeClient,
    anonymous,
    close_code_of,
    harmless,
    headers_of,
)

__all__ = ["MAX_LIMIT", "SHORT_TEXT", "WORD", "ConnectionQuestions"]

WORD: Final = "Hi."
SHORT_TEXT: Final = "The fish can speak. "

# A voice's ID and a backend that cannot exist.
UNKNOWN_VOICE: Final = "0" * 32
UNKNOWN_BACKEND: Final = "no-such-backend"

# Sessions that an account with the smallest limit may have, where the server does not tell.
SMALLEST_LIMIT: Final = 5
# The largest limit that is tried: one socket more is opened.
MAX_LIMIT: Final = 15

# An idle time that is safe, as a share of the one after which the server closed a socket.
SAFE_SHARE: Final = 0.8


class ConnectionQuestions:
    """Each method asks one question. It raises FishError or TimeoutError if there is no answer."""

    def __init__(self, client: ProbeClient) -> None:
        self._client = client

    async def upgrade(self) -> Answer:
        """What the answer to an upgrade says."""
        async with self._client.socket() as connection:
            facts = headers_of(connection.upgrade_headers, self._client.endpoint) | {"status": 101}
            if connection.limit is None:
                return Answer(
                    "no-limit-reported",
                    "The server does not say how many sessions the account may have.",
                    "Set --concurrency to the limit of your account.",
                    facts,
                )
        return Answer(
            "limit-reported", "The server says how many sessions the account may have.", facts=facts
        )

    async def reuse(self) -> Answer:
        """Whether a socket carries another session after `finish`."""
        closed = "Each reply needs a new socket."
        advice = "Keep --ready-connections at 1 or more: the next socket is then open in time."
        async with self._client.socket() as connection:
            await self._client.say(connection, [SHORT_TEXT])
            if (error := await _closes(connection, self._client.waits.close_s)) is not None:
                code = close_code_of(error)
                return Answer(
                    "dropped" if code is None else "closes", closed, advice, {"close_code": code}
                )
            try:
                second = await self._client.say(connection, [SHORT_TEXT])
            except FishError as refusal:
                told = harmless(refusal, self._client.endpoint)
                return Answer("refuses", closed, advice, told)
        return Answer(
            "stays-open" if second.spoken else "silent",
            "A socket carries one reply after another.",
            facts={"sessions": 2},
        )

    async def idle(self) -> Answer:
        """How long a socket stays open without a session, fresh and used, with our pings."""
        fresh, used = await asyncio.gather(self._idle(), self._idle(is_used=True))
        facts: dict[str, Fact] = {"idle_s": self._client.waits.idle_s}
        closed_after_s = []
        for name, end in (("fresh", fresh), ("used", used)):
            facts[name] = end if isinstance(end, str) else f"closed after {end:.1f} s"
            closed_after_s += [end] if isinstance(end, float) else []
        if closed_after_s:
            safe_s = math.floor(SAFE_SHARE * min(closed_after_s))
            advice = (
                f"Set --pool-idle-timeout {safe_s}." if safe_s else "Set --ready-connections 0."
            )
            return Answer("closes", "The server closes sockets that are not used.", advice, facts)
        if "dead" in (fresh, used):
            return Answer(
                "dead", "An idle socket no longer answers.", "Set --ready-connections 0.", facts
            )
        if "alive" not in (fresh, used):
            return Answer("not-measured", "No socket was open long enough.", facts=facts)
        means = f"An idle socket still works after {self._client.waits.idle_s:g} s."
        return Answer("stays-open", means, facts=facts)

    async def idle_sockets(self) -> Answer:
        """Whether sockets without a session count against the account's limit."""
        counts = Answer(
            "counts",
            "Each open socket takes one of the account's sessions, even if it is idle.",
            "Set --ready-connections to as few as you need; 0 if others use the account.",
        )
        facts: dict[str, Fact] = {}
        try:
            async with self._client.socket() as connection:
                limit, facts = _limit_of(connection)
                await self._client.say(connection)
        except LimitError as error:
            # Without idle sockets, too, a session is refused. A refusal with them has no meaning.
            facts |= harmless(error, self._client.endpoint)
            return Answer(
                "not-measured", "Other programs use the account.", "Stop them. Try again.", facts
            )
        if limit > MAX_LIMIT:
            return _too_large(facts)
        async with contextlib.AsyncExitStack() as stack:
            try:
                for _ in range(limit):
                    await stack.enter_async_context(self._client.socket())
                last = await stack.enter_async_context(self._client.socket())
                in_use = facts["in_use_with_idle_sockets"] = _in_use(last)
                await self._client.say(last)
            except LimitError as error:
                return replace(counts, facts=facts | harmless(error, self._client.endpoint))
        if in_use is not None and in_use >= limit:
            return replace(counts, facts=facts)
        if facts["limit"] is None and in_use is None:
            return Answer(
                "not-measured", "The server does not tell the account's limit.", facts=facts
            )
        return Answer("free", "Only sessions count against the limit.", facts=facts)

    async def limit(self) -> Answer:
        """How one session too many is refused."""
        facts: dict[str, Fact] = {}
        last = None
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with self._client.socket() as connection:
                    limit, facts = _limit_of(connection)
                if limit > MAX_LIMIT:
                    return _too_large(facts)
                for _ in range(limit):
                    connection = await stack.enter_async_context(self._client.socket())
                    await self._client.session(connection)
                last = await stack.enter_async_context(self._client.socket())
                await self._client.say(last)
            except LimitError as error:
                facts |= harmless(error, self._client.endpoint)
                facts["at"] = "upgrade" if last is None else "start"
                return Answer(
                    f"refused-at-{facts['at']}",
                    "One session too many is refused.",
                    "Set --concurrency below the account's limit if other programs use it.",
                    facts,
                )
        return Answer("not-refused", "Sessions without text are not limited.", facts=facts)

    async def unknown_voice(self) -> Answer:
        """What a session with an unknown voice becomes."""
        async with self._client.socket() as connection:
            session = await self._client.session(connection, reference_id=UNKNOWN_VOICE)
            recording = session.recording
            try:
                await session.finish([WORD])
            except FishError as error:
                event = recording.last_event
                endpoint = self._client.endpoint
                facts = harmless(error, endpoint)
                facts["event"] = anonymous(str(event.get("event")), endpoint)
                facts["fields"] = sorted(anonymous(str(name), endpoint) for name in event)
                reading = "finish-error" if event.get("event") == "finish" else "error-event"
                return Answer(reading, "An unknown voice is refused.", facts=facts)
        if not recording.spoken:
            return Answer(
                "silent",
                "An unknown voice is silent, without an error.",
                "Check --voice if there is no sound.",
            )
        return Answer(
            "default-voice",
            "Another voice speaks in place of an unknown one.",
            "Check --voice if you hear another voice.",
        )

    async def unknown_backend(self) -> Answer:
        """Whether an unknown backend is refused."""
        refusal = await self._refusal(UNKNOWN_BACKEND)
        if refusal is not None:
            return Answer("refused", "The server refuses an unknown backend.", facts=refusal)
        return Answer(
            "accepted",
            "The server accepts an unknown backend, so another one speaks and may cost money.",
            "Check the spelling of --backend in programs that do not check it.",
        )

    async def no_credit(self) -> Answer:
        """How a backend that costs money is refused to an account without API credit."""
        refusal = await self._refusal(Backend.S2_1_PRO)
        if refusal is None:
            return Answer("has-credit", "The account has API credit, so nothing was refused.")
        return Answer(
            "refused-at-start" if "status" not in refusal else "refused-at-upgrade",
            "A backend that costs money is refused.",
            f"Add API credit, or set --backend {Backend.S2_1_PRO_FREE}.",
            refusal,
        )

    async def free_model(self) -> Answer:
        """Whether the free backend speaks."""
        try:
            async with self._client.socket(backend=Backend.S2_1_PRO_FREE) as connection:
                recording = await self._client.say(connection, [WORD])
                if not recording.spoken:
                    raise NoAudioError("The session ended without audio.")
        except FishError as error:
            return Answer(
                "refused",
                f"{Backend.S2_1_PRO_FREE} does not speak.",
                f"Set --backend {Backend.S2_1_PRO}.",
                harmless(error, self._client.endpoint),
            )
        return Answer(
            "speaks",
            f"{Backend.S2_1_PRO_FREE} speaks. Your API credit shows a minute later if it is free.",
        )

    async def _refusal(self, backend: str) -> dict[str, Fact] | None:
        """Why a session without text is refused to a backend; None if it is not. It is free."""
        try:
            async with self._client.socket(backend=backend) as connection:
                await self._client.say(connection)
        except FishError as error:
            return harmless(error, self._client.endpoint)
        return None

    async def _idle(self, *, is_used: bool = False) -> float | str:
        """Seconds until an idle socket closed, or what became of it."""
        try:
            async with self._client.socket() as connection:
                if is_used:
                    await self._client.say(connection)
                    if await _closes(connection, self._client.waits.close_s) is not None:
                        return "closed after finish"
                loop = asyncio.get_running_loop()
                began_s = loop.time()
                if await _closes(connection, self._client.waits.idle_s) is not None:
                    return loop.time() - began_s
                try:
                    await self._client.say(connection)
                except (FishError, TimeoutError):
                    return "dead"
        except FishError as error:
            return f"not measured ({error.code})"
        return "alive"


async def _closes(connection: LiveConnection, timeout_s: float) -> FishError | None:
    """Why the server closed an idle socket; None if it did not within ``timeout_s``."""
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                # Unknown events are ignored, as Fish asks its clients to do.
                await connection.receive()
    except TimeoutError:
        return None
    except FishConnectionError as error:
        return error


def _limit_of(connection: LiveConnection) -> tuple[int, dict[str, Fact]]:
    """The account's limit, and the facts of it before the probe opens sessions."""
    facts: dict[str, Fact] = {"limit": connection.limit, "in_use_before": _in_use(connection)}
    return connection.limit or SMALLEST_LIMIT, facts


def _in_use(connection: LiveConnection) -> int | None:
    """How many sessions the account has open, by the headers of an upgrade."""
    told = dict(connection.upgrade_headers).get("ratelimit-current-concurrency", "")
    return 0 if told == "0" else concurrency_limit(told)


def _too_large(facts: dict[str, Fact]) -> Answer:
    means = f"The limit is more than {MAX_LIMIT} sessions. The probe does not open so many."
    return Answer("not-asked", means, facts=facts)
