"""Servers that repeat the key in an answer: no part of it is in the error."""

import asyncio
import contextlib
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.fish.replies import SETTINGS, pool_of
from wyoming_fish.fish import Backend, Endpoint, FishClient
from wyoming_fish.fish.api.live_connection import open_live_connection
from wyoming_fish.fish.error_mapping import MAX_MESSAGE_CHARS
from wyoming_fish.fish.errors import MAX_HAPPENED_CHARS, FishError
from wyoming_fish.fish.untrusted import hide

KEY = "sk-0123456789ABCDEF9876543210FEDCBA"

# Characters of the key that a text may have by chance.
MIN_PART_CHARS = 6

UPGRADE = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: {}\r\n\r\n"
)
PAGE = "HTTP/1.1 200 OK\r\nContent-Type: text/{}\r\nContent-Length: 0\r\n\r\n"


EVENTS = (
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    'data: {{"error": {{"message": "{}"}}}}\n\n'
)

MALFORMED = "HTTP/1.1 {} X\r\n\r\n"

OTHER = "HTTP/1.1 {}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

# The speech of both APIs, and what tells that a server has OpenAI's.
ANSWERED = (b"GET /v1/tts", b"POST /v1/tts", b"POST /v1/audio/speech")
HAS_SPEECH = b"GET /v1/audio/speech"


@contextlib.asynccontextmanager
async def _server(answer: str) -> AsyncIterator[Endpoint]:
    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        is_speech = "text/event-stream" in answer and request.startswith(HAS_SPEECH)
        other = OTHER.format("405 Method Not Allowed" if is_speech else "404 Not Found")
        writer.write((answer if request.startswith(ANSWERED) else other).encode())
        writer.close()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    try:
        yield Endpoint(KEY, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    finally:
        server.close()


async def _by_websocket(endpoint: Endpoint) -> None:
    await open_live_connection(endpoint, Backend.S2_1_PRO)


async def _by_rest(endpoint: Endpoint) -> None:
    async with FishClient(endpoint) as client, pool_of(client).acquire_rest() as rest:
        await anext(rest.speak("Hello.", SETTINGS))


@pytest.mark.parametrize(
    "before",
    [
        0,
        *range(MAX_MESSAGE_CHARS - 30, MAX_MESSAGE_CHARS, 10),
        *range(MAX_HAPPENED_CHARS - 140, MAX_HAPPENED_CHARS, 14),
    ],
)
@pytest.mark.parametrize(
    ("ask", "answer"),
    [(_by_websocket, UPGRADE), (_by_rest, PAGE), (_by_rest, EVENTS), (_by_rest, MALFORMED)],
)
async def test_the_key_in_an_answer(
    before: int, ask: Callable[[Endpoint], Awaitable[None]], answer: str
) -> None:
    """Also if the error is cut within the key, and if aiohttp gives it in lowercase."""
    async with _server(answer.format("x" * before + KEY)) as endpoint:
        with pytest.raises(FishError) as caught:
            await ask(endpoint)
    # With its causes: Home Assistant logs them when it is asked for details.
    error = "".join(traceback.format_exception(caught.value)).lower()
    assert any(
        said in error for said in ("sec-websocket-accept", "with text/", "rejected", "answer")
    )
    parts = (KEY[at : at + MIN_PART_CHARS] for at in range(len(KEY) - MIN_PART_CHARS))
    assert not [part for part in parts if part.lower() in error]


def test_the_key_in_another_case() -> None:
    """As it is, and in escapes."""
    escaped = "".join(f"\\u{ord(c):04x}" for c in KEY.lower())
    for text in (KEY.lower(), KEY.upper(), escaped, escaped.upper().replace("U", "u")):
        assert hide(f"({text})", KEY) == f"({'*' * len(text)})"
