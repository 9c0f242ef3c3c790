"""The ways in which the soak's servers speak: each a server in a process of its own, and its Fish.

The emulators fail at random. Their voice encodes the text in its samples.
"""

import asyncio
import contextlib
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from time import monotonic
from typing import Protocol

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import async_read_event, async_write_event
from wyoming.tts import Synthesize

from tests.support.listening import listening
from tests.support.processes import READY, Program, server
from tests.support.relay import Relay
from wyoming_fish.emulator import Emulator, EmulatorSettings, Fault, FishSpeechEmulator
from wyoming_fish.emulator.settings import FaultKind, FaultPoint
from wyoming_fish.emulator.voices.code import encode_code_voice

__all__ = ["CODE_SAMPLES", "WAYS", "Way", "way"]

CODE_SAMPLES = 20
RATE = 44100
# Seconds after which a server that is left alone has closed what it had open.
SETTLING = 3.0
# The same for its sessions, some of which may have to be found dead at first.
SESSIONS_SETTLING_S = 60.0

# The clients share a process with each other and with all emulators: on a busy machine, all of them
# may read nothing for a second or two.
FLAGS = (
    *("--uri=tcp://127.0.0.1:0", "--api-key=key", "--text-mode=raw"),
    *("--keepalive-interval=0.5", "--pool-idle-timeout=1", "--write-timeout=5"),
    *("--max-characters-per-hour=0", "--max-characters-per-hour-per-address=0"),
)

# What fails all the time. Without REST, a reply goes by websocket however often that has failed:
# else most would go by REST, for five minutes each time.
NO_REST = Fault("rest", 503, times=None)
ALWAYS = {
    "live": [NO_REST],
    "resume": [NO_REST],
    "rest": [Fault("upgrade", 404, times=None)],
}

Points = list[tuple[FaultPoint, FaultKind | int]]

BEFORE: Points = [
    *(("upgrade", kind) for kind in (429, 500, 503, "drop")),
    *((point, kind) for point in ("start", "text") for kind in ("drop", "close", "finish-error")),
    ("audio", "drop"),
]
IN_AUDIO: Points = [
    *(("audio", kind) for kind in ("drop", "close", "error", "finish-error")),
    *(("finish", kind) for kind in ("drop", "close", "error", "finish-error")),
]
BEFORE_REST: Points = [*(("rest", kind) for kind in (429, 500, 503, "drop")), ("audio", "drop")]
IN_AUDIO_REST: Points = [("audio", "drop"), ("finish", "drop")]
# What another voice speaks for; a socket that is never answered is given up after seconds.
LASTING: Points = [*BEFORE, *(("upgrade", kind) for kind in (401, 402)), ("start", "stall")]


class Failing(Protocol):
    """What fails at random."""

    struck: int
    """Failures so far."""
    in_audio: int
    """Failures during the audio, which may become errors."""

    async def fail(self, chance: random.Random) -> None:
        """Fail now and then, until cancelled."""

    async def settle(self) -> None:
        """Return when nothing is open any more."""


class _FishFailing:
    """An emulated Fish Audio that fails at these points."""

    def __init__(self, emulator: Emulator, before: Points, in_audio: Points) -> None:
        self.struck = self.in_audio = 0
        self._emulator = emulator
        self._before = before
        self._in_audio = in_audio
        self._always = tuple(emulator.settings.faults)

    async def fail(self, chance: random.Random) -> None:
        faults, struck = self._emulator.settings.faults, self._emulator.struck
        while True:
            in_audio = bool(self._in_audio) and chance.random() < 0.3
            point, kind = chance.choice(self._in_audio if in_audio else self._before)
            at = chance.randint(1, 4) if in_audio and point == "audio" else 0
            fault = Fault(point, kind, at=at, times=chance.choice((1, 1, 3)))
            faults[:] = [fault, *self._always]
            struck.clear()
            await asyncio.sleep(chance.uniform(0, 0.1))
            count = struck.count(fault)
            self.struck += count
            self.in_audio += count if in_audio else 0

    async def settle(self) -> None:
        await self._emulator.wait_for(lambda e: e.sockets_open == 0 and e.sessions_open == 0)


class _OwnFailing:
    """An emulated fish-speech whose model fails."""

    def __init__(self, emulator: FishSpeechEmulator) -> None:
        self.struck = self.in_audio = 0
        self._emulator = emulator

    async def fail(self, chance: random.Random) -> None:
        emulator = self._emulator
        while True:
            emulator.breaks_after = chance.choice((None, 0, 1))
            emulator.broken = 0
            await asyncio.sleep(chance.uniform(0, 0.05))
            self.struck += emulator.broken
            self.in_audio += emulator.broken if emulator.breaks_after else 0
            emulator.breaks_after = None
            await asyncio.sleep(chance.uniform(0, 0.05))

    async def settle(self) -> None:
        """It keeps no sessions."""


class _LineFailing:
    """The line to Fish, on which connections die unseen, or are accepted and hung up for a while.

    A connection that dies during a reply is detected after 30 s. These are rare, so that the other
    replies find a session. A fish-speech server is at home, where nothing forgets connections.
    """

    def __init__(self, relay: Relay, emulator: Emulator | None, *, by_rest: bool) -> None:
        self._relay = relay
        self._emulator = emulator
        self._by_rest = by_rest
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self.swallowed = 0
        """Connections that died unseen."""
        self.swallowed_in_reply = 0
        """Maximum number of those that died during a reply."""
        self.hung_up = 0
        """Times that everything was accepted and hung up for a while."""

    async def fail(self, chance: random.Random) -> None:
        """Fail now and then, until cancelled."""
        while True:
            await asyncio.sleep(chance.uniform(2, 18))
            if self._emulator is not None and chance.random() < 0.5:
                open_sessions = self._emulator.sessions_open
                swallowed = self._relay.swallow()
                self.swallowed += swallowed
                self.swallowed_in_reply += min(swallowed, open_sessions)
            else:
                self.hung_up += 1
                with self._hanging_up():
                    await asyncio.sleep(chance.uniform(0.2, 2))

    @contextlib.contextmanager
    def _hanging_up(self) -> Iterator[None]:
        if self._emulator is not None and not self._by_rest:
            # After the upgrade, so that it is not the websocket as such that cannot be had.
            self._emulator.settings.idle_timeout = 0.0
        else:
            self._relay.hangs_up = True
        try:
            yield
        finally:
            self._relay.hangs_up = False
            if self._emulator is not None:
                self._emulator.settings.idle_timeout = None


class Way:
    """One server, what it speaks by, and what has come of it."""

    def __init__(self, name: str, program: Program, failing: Failing, line: _LineFailing) -> None:
        self.name = name
        self.program = program
        self.failing = failing
        self.line = line
        self.port = 0
        self.outcomes: Counter[str] = Counter()
        self.left_open = False
        """Whether sessions or websockets have stayed open in the end."""
        self._memory = 0.0
        self._files = 0

    async def listen(self) -> None:
        """Wait until it listens."""
        ready = await asyncio.to_thread(self.program.wait_for, READY)
        self.port = int(ready[1].rpartition(":")[2])

    async def remember(self) -> None:
        """Forget the past, and remember what the server has now."""
        await self._settle()
        self.outcomes.clear()
        self.failing.struck = self.failing.in_audio = 0
        self.line.reset()
        self._memory, self._files = self._memory_now(), await self._files_now()

    async def grown(self) -> tuple[float, int]:
        """Megabytes and open files that the server has more than then."""
        await self._settle()
        files = await self._files_now(self._files)
        return self._memory_now() - self._memory, files - self._files

    async def _settle(self) -> None:
        try:
            async with asyncio.timeout(SESSIONS_SETTLING_S):
                await self.failing.settle()
        except TimeoutError:
            self.left_open = True

    def _memory_now(self) -> float:
        pages = int(Path(f"/proc/{self.program.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    async def _files_now(self, at_most: int = 0) -> int:
        """How many there are when there are no more than that, or after a while."""
        until = monotonic() + SETTLING
        folder = Path(f"/proc/{self.program.pid}/fd")
        while (count := sum(1 for _ in folder.iterdir())) > at_most:  # noqa: ASYNC240 - no disk
            if monotonic() > until:
                break
            await asyncio.sleep(0.05)
        return count


WAYS = ("live", "resume", "rest", "own", "fallback")


@contextlib.asynccontextmanager
async def way(name: str, chance: random.Random) -> AsyncIterator[Way]:
    """The way of one of WAYS.

    That is by the plain socket, the one with timestamps, REST, a server of one's own, or the plain
    socket with a fallback voice.
    """
    async with contextlib.AsyncExitStack() as stack:
        flags: list[str] = []
        failing: Failing
        fish: Emulator | None = None
        if name == "own":
            own = await stack.enter_async_context(FishSpeechEmulator())
            own.settings.code_samples = CODE_SAMPLES
            url, failing = own.url, _OwnFailing(own)
        else:
            settings = EmulatorSettings(
                voice="code",
                code_samples=CODE_SAMPLES,
                frame=0.05,
                odd_frames=True,
                pace=0.02,
                reading=chance.choice(("written", "normalised")),
                faults=list(ALWAYS.get(name, ())),
            )
            fish = await stack.enter_async_context(Emulator(settings))
            before, in_audio = {
                "rest": (BEFORE_REST, IN_AUDIO_REST),
                "fallback": (LASTING, IN_AUDIO),
            }.get(name, (BEFORE, IN_AUDIO))
            url, failing = fish.url, _FishFailing(fish, before, in_audio)
        relay = Relay(int(url.rpartition(":")[2]))
        await stack.enter_async_context(relay.listening())
        if name == "resume":
            flags.append("--resume")
        if name == "fallback":
            flags.append(f"--fallback-uri={await stack.enter_async_context(_other_voice())}")
        program = server(*FLAGS, f"--base-url={relay.url}", *flags)
        stack.push_async_callback(asyncio.to_thread, program.end)
        way = Way(name, program, failing, _LineFailing(relay, fish, by_rest=name == "rest"))
        await way.listen()
        yield way


@contextlib.asynccontextmanager
async def _other_voice() -> AsyncIterator[str]:
    """The address of another Wyoming voice, which encodes the text too."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (event := await async_read_event(reader)) is not None:
            pcm = encode_code_voice(Synthesize.from_event(event).text, CODE_SAMPLES)
            await async_write_event(AudioStart(RATE, 2, 1).event(), writer)
            for at in range(0, len(pcm), 4096):
                chunk = AudioChunk(RATE, 2, 1, pcm[at : at + 4096])
                await async_write_event(chunk.event(), writer)
            await async_write_event(AudioStop().event(), writer)

    async with listening(serve) as port:
        yield f"tcp://127.0.0.1:{port}"
