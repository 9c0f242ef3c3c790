"""No text holds up other clients: a real server is sent texts that are made to be expensive."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import cycle, islice

import pytest
import pytest_asyncio
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import async_read_event, async_write_event

from tests.support.listening import listening
from tests.support.pings import longest_ping_s
from tests.support.processes import READY, Program, server
from wyoming_fish.emulator import Emulator, EmulatorSettings

# Seconds that another client may wait for the answer to its ping.
ONE_CLIENT_S = 0.1
SIXTY_CLIENTS_S = 0.5

# Bytes of a text, as many as one event may have; and seconds in which the server works on it.
LENGTH = 200_000
WATCHED_S = 1.0

# A slow moment of the machine is not the server's: the least of so many counts.
ATTEMPTS = 3

NUMBERED = " ".join(f"a{number}=''" for number in range(LENGTH // 11))


def _filled(begin: str, repeated: str, end: str = "") -> str:
    """``begin`` and as much of ``repeated`` as there is room for, and ``end``."""
    room = LENGTH - _size(begin + end)
    return begin + repeated * (room // _size(repeated)) + end


def _size(text: str) -> int:
    """Bytes of ``text`` in an event."""
    return len(json.dumps(text, ensure_ascii=False).encode()) - 2


TEXTS = {
    "document types": "<speak>" + "<!DOCTYPE[" * 9990 + "]" + " " * 99_900,
    "one document type": _filled("<!DOCTYPE a [", "<!ENTITY b 'c'>", "]><speak>&b;</speak>"),
    "tags": _filled("<speak>", "<p>a</p>"),
    "open tags": _filled("<speak>", "<p"),
    "an endless tag": _filled('<speak><p a="', "a"),
    "attributes": f"<speak {NUMBERED}>a</speak>",
    "an alias": _filled('<speak><sub alias="', "a.", '">a</sub></speak>'),
    "comments": _filled("<speak>", "<!--", ">"),
    "references": _filled("<speak>", "&a;"),
    "ampersands": _filled("<speak>", "&a"),
    "a number": _filled("<speak><b>&#", "9"),
    "spelled": _filled('<speak><say-as interpret-as="characters">', "a", "</say-as></speak>"),
    "voices": _filled("<speak>", '<voice name="a">a</voice>'),
    "prefix": _filled("<speak", " "),
    "one word": _filled("", "a"),
    "words": _filled("", "a "),
    "abbreviations": _filled("", "z. "),
    "quotation marks": _filled("", "a'"),
    "marks": _filled("", "•*"),
    "wide marks": _filled("", "中【"),
    "emoji": _filled("", "🇩x=«~~"),
    "tabs": _filled("a", "\t"),
    "ligatures": _filled("", "ﷺ"),
    "brackets": _filled("", "["),
    "phonemes": _filled("", "<|phoneme_start|>"),
    "addresses": _filled("", "https://a."),
    "formulas": _filled("", "$x^"),
    "thoughts": _filled("<think>", "</think"),
}


def _event(event_type: str, **data: object) -> bytes:
    encoded = json.dumps(data, ensure_ascii=False).encode()
    return b'{"type": "%b", "data_length": %d}\n' % (event_type.encode(), len(encoded)) + encoded


def _whole(text: str) -> bytes:
    return _event("synthesize", text=text)


def _in_chunks(text: str, size: int, **start: object) -> bytes:
    chunks = (text[at : at + size] for at in range(0, len(text), size))
    return b"".join(
        (
            _event("synthesize-start", **start),
            *(_event("synthesize-chunk", text=chunk) for chunk in chunks),
            _event("synthesize-stop"),
        )
    )


@dataclass
class _Running:
    """A server in a process of its own."""

    program: Program
    port: int

    async def attacked_s(self, attacks: list[bytes]) -> float:
        """The longest wait for a ping while clients send ``attacks``, one each."""
        async with contextlib.AsyncExitStack() as stack:
            tasks = [
                await stack.enter_async_context(_client(self.port, number, attack))
                for number, attack in enumerate(attacks)
            ]
            longest = await longest_ping_s(self.program, self.port, WATCHED_S)
            assert tasks
        return longest

    async def least_s(self, attacks: list[bytes], limit: float) -> float:
        """The least of ATTEMPTS, or the first that is within ``limit``."""
        least = float("inf")
        for _ in range(ATTEMPTS):
            least = min(least, await self.attacked_s(attacks))
            if least < limit:
                break
        return least


@contextlib.asynccontextmanager
async def _client(port: int, number: int, attack: bytes) -> AsyncIterator[asyncio.Task[None]]:
    """A client that sends ``attack`` and reads what comes. So many share an address."""
    address = (f"127.0.0.{2 + number // 10}", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=address)

    async def send() -> None:
        with contextlib.suppress(OSError):
            writer.write(attack)
            while await reader.read(2**16):
                pass

    task = asyncio.create_task(send())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
        writer.transport.abort()


async def _speak_for_fish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer as Piper does: a fallback voice of half a second for each text."""
    while (await async_read_event(reader)) is not None:
        for answer in (AudioStart(8000, 2, 1), AudioChunk(8000, 2, 1, bytes(8000)), AudioStop()):
            await async_write_event(answer.event(), writer)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[_Running]:
    """One server for all of the attacks."""
    async with (
        Emulator(EmulatorSettings(voice="code")) as emulator,
        listening(_speak_for_fish) as fallback,
    ):
        with server(
            "--uri=tcp://127.0.0.1:0",
            f"--base-url={emulator.url}",
            "--api-key=key",
            "--ready-connections=0",
            f"--fallback-uri=tcp://127.0.0.1:{fallback}",
        ) as program:
            ready = await asyncio.to_thread(program.wait_for, READY)
            started = _Running(program, int(ready[1].rpartition(":")[2]))
            # The first reply of a server loads what it needs.
            await started.attacked_s([_whole("Good night.")])
            yield started


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("name", TEXTS)
async def test_one_client(running: _Running, name: str) -> None:
    """Whatever one client sends in one piece, another is answered within ONE_CLIENT_S."""
    assert await running.least_s([_whole(TEXTS[name])], ONE_CLIENT_S) < ONE_CLIENT_S


async def test_marks_for_the_fallback_voice(running: _Running) -> None:
    """The same holds for a text whose voice is unknown, so that the fallback voice speaks it."""
    attack = _in_chunks("a " + "、，" * 99_000, 20_000, voice={"name": "no such voice"})
    assert await running.least_s([attack], ONE_CLIENT_S) < ONE_CLIENT_S


@pytest.mark.parametrize("size", [1, 100])
async def test_one_client_in_chunks(running: _Running, size: int) -> None:
    """The same holds for a text that comes in pieces, however small."""
    attack = _in_chunks(TEXTS["emoji"], size)
    assert await running.least_s([attack], ONE_CLIENT_S) < ONE_CLIENT_S


@pytest.mark.parametrize("in_chunks", [False, True])
async def test_sixty_clients(running: _Running, in_chunks: bool) -> None:
    """With sixty such clients at the same time, another is answered within SIXTY_CLIENTS_S."""
    encode = (lambda text: _in_chunks(text, 50)) if in_chunks else _whole
    attacks = [encode(text) for text in islice(cycle(TEXTS.values()), 60)]
    assert await running.least_s(attacks, SIXTY_CLIENTS_S) < SIXTY_CLIENTS_S
