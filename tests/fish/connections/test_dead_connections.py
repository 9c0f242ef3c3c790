"""Connections that have died unseen, servers that hang up, and answers that are late."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.fish.replies import RAW, SETTINGS, speak
from tests.support.idle_clock import pass_time, run
from wyoming_fish.emulator import Emulator, EmulatorSettings, Fault
from wyoming_fish.fish import Backend, Endpoint, FishClient, FishError
from wyoming_fish.fish.errors import BrokenStreamError
from wyoming_fish.fish.synthesis.live_attempt import PONG_TIMEOUT_S

TEXT: Final = "Good night. The doors are locked."

# Seconds of the emulated model.
MODEL: Final = 0.3

# The first byte of a websocket's pong; the second is the length of what follows.
PONG: Final = b"\x8a"


class Router:
    """Stands between the two and can forget every connection so far, as a router does."""

    def __init__(self, port: int) -> None:
        self.url = ""
        self.forgotten = 0
        self.drops_pongs = False
        self._port = port

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["Router"]:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield self

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        age = self.forgotten
        back, forth = await asyncio.open_connection("127.0.0.1", self._port)

        async def pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError):
                while data := await source.read(65536):
                    while self.drops_pongs and data[:1] == PONG:
                        data = data[2 + data[1] :]
                    if age == self.forgotten:
                        sink.write(data)
            sink.close()

        await asyncio.gather(pass_on(reader, forth), pass_on(back, writer))


@contextlib.asynccontextmanager
async def _behind_a_router(**more: Any) -> AsyncIterator[tuple[Emulator, Router, FishClient]]:
    settings = EmulatorSettings(voice="code", first_audio=MODEL, **more)
    async with contextlib.AsyncExitStack() as stack:
        emulator = await stack.enter_async_context(Emulator(settings))
        router = Router(int(emulator.url.rpartition(":")[2]))
        await stack.enter_async_context(router.listening())
        client = FishClient(Endpoint("key", router.url))
        stack.push_async_callback(client.close)
        yield emulator, router, client


async def _text() -> AsyncIterator[str]:
    yield TEXT


async def _first_audio(client: FishClient, first_audio_timeout_s: float | None = None) -> float:
    """Seconds to the first audio of a reply that is heard whole."""
    loop = asyncio.get_running_loop()
    began, first, size = loop.time(), 0.0, 0
    async for pcm in speak(
        client, _text(), SETTINGS, RAW, first_audio_timeout_s=first_audio_timeout_s
    ):
        first = first or loop.time() - began
        size += len(pcm)
    assert size == 240 * len(TEXT)
    return first


@pytest.mark.parametrize("burst", [1, 5])
@pytest.mark.parametrize("first_audio_timeout_s", [None, 4.0])
def test_a_connection_that_died_unseen_costs_a_second(
    burst: int, first_audio_timeout_s: float | None
) -> None:
    """A reply is heard soon after, and the next ones as ever, however many had died."""

    async def cost() -> list[float]:
        async with _behind_a_router() as (_, router, client):
            await asyncio.gather(*(_first_audio(client) for _ in range(burst)))
            assert client.status.idle
            router.forgotten += 1
            late = await asyncio.gather(
                *(_first_audio(client, first_audio_timeout_s) for _ in range(burst))
            )
            assert await _first_audio(client) == pytest.approx(MODEL, abs=0.01)
            return late

    # Not a moment more: nothing waits until the dead one is closed.
    assert max(run(cost())) - MODEL <= PONG_TIMEOUT_S + 0.1


def test_a_slow_answer_is_not_a_dead_connection() -> None:
    """A connection that answers pings is not doubted while the model thinks."""

    async def sessions() -> int:
        async with _behind_a_router() as (emulator, _, client):
            await _first_audio(client)
            emulator.settings.first_audio = 2.5
            await _first_audio(client)
            return len(emulator.sessions)

    assert run(sessions()) == 2


def test_a_server_that_answers_no_pings_is_not_doubted() -> None:
    """Where pings were never answered, a missing answer does not make an answer late."""

    async def sessions() -> int:
        async with _behind_a_router() as (emulator, router, client):
            router.drops_pongs = True
            await _first_audio(client)
            emulator.settings.first_audio = 2.5
            await _first_audio(client)
            return len(emulator.sessions)

    assert run(sessions()) == 2


def test_a_connection_that_speaks_is_not_dead() -> None:
    """Where audio comes and no pong, the idle connections are not given up."""

    async def idle() -> int:
        async with _behind_a_router(pace=5.0, frame=0.02) as (_, router, client):
            await asyncio.gather(*(_first_audio(client) for _ in range(2)))
            router.drops_pongs = True
            await _first_audio(client)
            return client.status.idle

    assert run(idle()) == 2


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_stall_before_the_first_audio(times: int) -> None:
    """What is not answered is tried again beside it in time for satellites, who wait for 5 s."""

    async def cost() -> float:
        async with _behind_a_router(faults=[Fault("start", "stall", times=times)]) as (
            emulator,
            _,
            client,
        ):
            first = await _first_audio(client)
            await emulator.wait_for(lambda e: e.sessions_open == 0)
            return first - MODEL

    cost_of = run(cost())
    assert times > 1 or cost_of <= 3.5
    # Two attempts at a time: the first is given up after 8 s.
    assert cost_of <= 3.5 + 11.0 * (times // 2)


def test_a_late_answer_is_heard_once() -> None:
    """If the first attempt answers after all, it is heard, and the second is dropped."""

    async def sessions() -> list[str | None]:
        async with _behind_a_router() as (emulator, _, client):
            emulator.settings.first_audio = 3.2
            await _first_audio(client)
            await emulator.wait_for(lambda e: e.sessions_open == 0)
            return [session.outcome for session in emulator.sessions]

    outcomes = run(sessions())
    assert len(outcomes) == 2
    assert outcomes.count("finish") == 1


def test_the_second_attempt_answers_after_the_first_has_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It speaks the reply, and nothing is reported."""

    async def first_audio() -> float:
        async with _behind_a_router(faults=[Fault("audio", "close")]) as (emulator, _, client):
            emulator.settings.first_audio = 3.2
            return await _first_audio(client)

    assert 6.2 <= run(first_audio()) < 6.5
    assert not caplog.records


def test_a_handshake_that_is_not_answered() -> None:
    """A connection that does not come about is late, too: another one is opened beside it."""

    async def cost() -> float:
        async with _behind_a_router(faults=[Fault("upgrade", "stall")]) as (_, _, client):
            return await _first_audio(client) - MODEL

    assert run(cost()) <= 3.5


@contextlib.asynccontextmanager
async def _scripted(handler: Any) -> AsyncIterator[str]:
    async with serve(handler, "127.0.0.1", 0, compression=None) as server:
        yield f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


def _in_virtual_time(work: Coroutine[Any, Any, None]) -> None:
    run(work)


def test_a_server_that_hangs_up_is_left_alone() -> None:
    """One that accepts and hangs up gets a few handshakes, and fewer each time."""

    async def hang_up(connection: ServerConnection) -> None:
        handshakes.append(connection)
        await connection.close(1013, "try again later")

    async def watch() -> None:
        async with _scripted(hang_up) as url:
            client = FishClient(Endpoint("key", url))
            client.prewarm(Backend.S2_1_PRO)
            await pass_time(60.0)
            assert not client.status.is_ready
            await client.close()

    handshakes: list[ServerConnection] = []
    _in_virtual_time(watch())
    assert 3 <= len(handshakes) <= 8


def test_replies_do_not_storm_a_server_that_hangs_up() -> None:
    """Whatever asks for connections, it gets at most a few a second."""

    async def hang_up(connection: ServerConnection) -> None:
        at.append(asyncio.get_running_loop().time())
        await connection.close(1013, "try again later")

    async def ask() -> None:
        async with _scripted(hang_up) as url:
            client = FishClient(Endpoint("key", url))
            for _ in range(5):
                with contextlib.suppress(FishError):
                    await asyncio.gather(*(_first_audio(client) for _ in range(5)))
            await client.close()

    at: list[float] = []
    _in_virtual_time(ask())
    assert len(at) > 10
    windows = [sum(begin <= time < begin + 1.0 for time in at) for begin in at]
    # The first few are free; a connection more may be on its way for each reply.
    assert max(windows[10:]) <= 5
    assert max(windows) <= 15


def test_it_is_ready_again_when_the_server_is() -> None:
    """After a while without a reply, a good connection is found by the client itself."""

    async def answer(connection: ServerConnection) -> None:
        if asyncio.get_running_loop().time() < 10.0:
            await connection.close(1013, "try again later")
        else:
            await connection.wait_closed()

    async def watch() -> None:
        async with _scripted(answer) as url:
            client = FishClient(Endpoint("key", url))
            client.prewarm(Backend.S2_1_PRO)
            await pass_time(9.0)
            seen = [client.status.is_ready]
            await pass_time(21.0)
            seen.append(client.status.is_ready)
            assert seen == [False, True]
            assert client.status.idle == 1
            await client.close()

    _in_virtual_time(watch())


def test_a_slow_listener_keeps_a_healthy_connection() -> None:
    """While nobody takes the audio, pongs wait behind it: the connection stays open."""

    async def text() -> AsyncIterator[str]:
        yield " ".join(["This sentence is long, and there are many of them."] * 120)

    async def listen() -> int:
        async with Emulator(EmulatorSettings(voice="tone")) as emulator:
            client = FishClient(Endpoint("key", emulator.url))
            size = 0
            async for pcm in speak(client, text(), SETTINGS):
                if not size:
                    await pass_time(200.0)
                size += len(pcm)
                await pass_time(len(pcm) / 2 / SETTINGS.sample_rate)
            await client.close()
            return size // 2 // SETTINGS.sample_rate

    assert run(listen()) > 200


def test_an_error_after_a_break_names_it() -> None:
    """A connection that dies within the audio is an error that says so, and comes in time."""

    async def listen(router: Router, client: FishClient) -> None:
        async for _ in speak(client, _text(), SETTINGS):
            router.forgotten += 1

    async def end() -> float:
        async with _behind_a_router(pace=0.5) as (_, router, client):
            with pytest.raises(BrokenStreamError):
                await listen(router, client)
            return asyncio.get_running_loop().time()

    assert run(end()) <= 12.0
