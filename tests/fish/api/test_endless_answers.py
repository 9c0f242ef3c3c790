"""No answer is waited for without end, however slowly or long a server goes on."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

import ormsgpack
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.fish.replies import SETTINGS, speak
from tests.support.hostile_servers import HostileFish, Send, fish
from tests.support.idle_clock import pass_time, run
from wyoming_fish.fish import Endpoint, FishClient, FishError
from wyoming_fish.fish.api.http import HttpClient
from wyoming_fish.fish.api.tts import TtsClient
from wyoming_fish.fish.connections.limiter import ConcurrencyLimiter
from wyoming_fish.fish.errors import TooMuchAudioError
from wyoming_fish.fish.reply_metrics import ReplyMetrics

TEXT = "Good night. The doors are locked."


async def _text() -> AsyncIterator[str]:
    yield TEXT


@contextlib.asynccontextmanager
async def _scripted(
    answer: Callable[[ServerConnection], Awaitable[None]],
) -> AsyncIterator[FishClient]:
    async def handle(connection: ServerConnection) -> None:
        async for frame in connection:
            assert isinstance(frame, bytes)
            if ormsgpack.unpackb(frame)["event"] == "stop":
                await answer(connection)

    async with serve(handle, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        client = FishClient(Endpoint("key", f"http://127.0.0.1:{port}"))
        try:
            yield client
        finally:
            await client.close()


async def _heard(audio: AsyncGenerator[bytes]) -> bytes:
    """All of the audio."""
    async with contextlib.aclosing(audio):
        return b"".join([pcm async for pcm in audio])


async def _hear(client: FishClient) -> float:
    """Seconds until the reply has failed."""
    began = asyncio.get_running_loop().time()
    with pytest.raises(FishError):
        await _heard(speak(client, _text(), SETTINGS))
    return asyncio.get_running_loop().time() - began


DRIPS = {
    "unknown events": {"event": "log"},
    "audio of a sample": {"event": "audio", "audio": bytes(2)},
    "timing": {
        "event": "audio",
        "audio": b"",
        "chunk_seq": 0,
        "chunk_audio_offset_sec": 0.0,
        "alignment": {"segments": [], "audio_duration": 0.3},
    },
}


@pytest.mark.parametrize("name", DRIPS)
@pytest.mark.usefixtures("impatient")
def test_a_server_that_drips(name: str) -> None:
    """A session in which hardly anything is said does not last for ever."""

    async def drip(connection: ServerConnection) -> None:
        await connection.send(ormsgpack.packb({"event": "audio", "audio": bytes(20_000)}))
        while True:
            await connection.send(ormsgpack.packb(DRIPS[name]))
            await pass_time(3)

    async def check() -> None:
        async with _scripted(drip) as client:
            assert await _hear(client) < 30

    run(check())


@pytest.mark.usefixtures("impatient")
def test_a_slow_listener_is_not_a_silent_server() -> None:
    """The time that a listener takes is not the server's."""

    async def answer(connection: ServerConnection) -> None:
        for _ in range(8):
            await connection.send(ormsgpack.packb({"event": "audio", "audio": bytes(4000)}))
            await pass_time(1)
        await connection.send(ormsgpack.packb({"event": "finish", "reason": "stop"}))

    async def check() -> None:
        async with _scripted(answer) as client:
            size = 0
            async for pcm in speak(client, _text(), SETTINGS):
                size += len(pcm)
                if size < 16_000:
                    await pass_time(60)
            assert size == 32_000

    run(check())


async def test_an_idle_connection_that_talks_without_end() -> None:
    """A connection that is not in use and is never silent is given up."""
    given_up: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def talk(connection: ServerConnection) -> None:
        await connection.send(ormsgpack.packb({"event": "audio", "audio": bytes(4000)}))
        await connection.send(ormsgpack.packb({"event": "finish", "reason": "stop"}))
        try:
            for _ in range(20_000):
                await connection.send(ormsgpack.packb({"event": "log"}))
                await asyncio.sleep(0)
        except ConnectionClosed:
            given_up.set_result(True)
        else:
            given_up.set_result(False)

    async with _scripted(talk) as client:
        async for _ in speak(client, _text(), SETTINGS):
            pass
        async with asyncio.timeout(30):
            assert await given_up


def _dripping(begin: bytes, part: bytes) -> Callable[[Send], Awaitable[None]]:
    async def answer(send: Send) -> None:
        await send(begin)
        while True:
            await send(part)
            await pass_time(3)

    return answer


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: audio/pcm\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("begin", "part"),
    [
        (HEAD + bytes(8000), b"xx"),
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"),
    ],
    ids=["audio", "interim answers", "headers"],
)
def test_an_answer_that_drips(begin: bytes, part: bytes) -> None:
    """An answer to a request for speech has to come faster than a byte now and then."""

    async def check() -> None:
        async with fish(HostileFish(answer=_dripping(begin, part))) as hostile:
            http = HttpClient(Endpoint("key", hostile.url))
            rest = TtsClient(http, on_limit=ConcurrencyLimiter().set_limit)
            began = asyncio.get_running_loop().time()
            async with asyncio.timeout(300):
                with pytest.raises(FishError, match="in time"):
                    await _heard(rest.speak(TEXT, SETTINGS))
            assert asyncio.get_running_loop().time() - began < 60
            await http.close()

    run(check())


def test_an_answer_about_the_account_that_drips() -> None:
    """An answer that is read whole has to be there whole in time."""

    async def check() -> None:
        async with (
            fish(HostileFish(answer=_dripping(HEAD, b"x"))) as hostile,
            FishClient(Endpoint("key", hostile.url)) as account,
        ):
            began = asyncio.get_running_loop().time()
            with pytest.raises(FishError, match="in time"):
                await account.credit()
            assert asyncio.get_running_loop().time() - began < 20

    run(check())


async def test_more_audio_than_the_text_can_become() -> None:
    """A server that never stops speaking is stopped, and the reply is not tried again."""
    sessions = 0

    async def speak_on(connection: ServerConnection) -> None:
        nonlocal sessions
        sessions += 1
        while True:
            await connection.send(ormsgpack.packb({"event": "audio", "audio": bytes(44_100)}))

    metrics = ReplyMetrics()
    async with _scripted(speak_on) as client:
        with pytest.raises(TooMuchAudioError, match="far too much for the text"):
            await _heard(speak(client, _text(), SETTINGS, metrics=metrics))
    assert 60 < metrics.audio < 200
    assert sessions == 1
