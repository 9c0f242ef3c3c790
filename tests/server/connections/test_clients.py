"""Clients that mean no good, or do none: others are served as if alone."""

import asyncio
import contextlib
import gc
import json
import logging
import socket
import weakref

import pytest
from wyoming.error import Error
from wyoming.event import Event, async_read_event
from wyoming.info import Describe
from wyoming.ping import Ping, Pong
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeVoice,
)

from tests.support import idle_clock
from wyoming_fish.emulator import EmulatorSettings, decode_code_voice
from wyoming_fish.server.connection import EVENTS_PER_TURN, TEXT_TIMEOUT_S
from wyoming_fish.server.events import WIDTH
from wyoming_fish.server.listener import MAX_ACCEPTS_PER_TURN
from wyoming_fish.server.requests.queue import MAX_WAITING_REQUESTS
from wyoming_fish.server.requests.request import SynthesisRequest

from ...support.server import Served, Serving, crowd, receive, stream
from ...support.visiting import visitor

TEXT = "Good night. The doors are locked."


async def _is_served(served: Served) -> bool:
    async with served.client() as client:
        await stream(client, [TEXT])
        reply = await receive(client, "synthesize-stopped")
        return decode_code_voice(reply.pcm) == TEXT


async def test_a_thousand_that_say_nothing(serving: Serving) -> None:
    """The silent make room for each other, and for whoever has something to say."""
    async with (
        serving(EmulatorSettings(voice="code"), "--max-connections=20") as served,
        served.client() as early,
    ):
        await early.write_event(Ping().event())
        assert await early.read_event()
        async with crowd(served.port, 1000) as readers:
            assert await _is_served(served)
            # A client that has sent an event is not closed for them.
            await early.write_event(Synthesize(TEXT).event())
            assert decode_code_voice((await receive(early, "audio-stop")).pcm) == TEXT
            # The first of them are gone, and know why.
            assert b"too-many-connections" in await readers[0].read()


@pytest.mark.parametrize("flag", ["--max-connections=3", "--max-connections-per-address=3"])
async def test_too_many_that_are_served(serving: Serving, flag: str) -> None:
    """Where all who are there have asked for something, one more is refused, in words."""
    async with contextlib.AsyncExitStack() as stack:
        served = await stack.enter_async_context(serving(EmulatorSettings(voice="code"), flag))
        for _ in range(3):
            client = await stack.enter_async_context(served.client())
            await client.write_event(Describe().event())
            assert await client.read_event()
        async with served.client() as client:
            reply = await receive(client, "no such event")
            assert reply.error.code == "too-many-connections"


async def test_silence_has_an_end(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that sends nothing, or very slowly, gets an error and is disconnected."""
    monkeypatch.setattr("wyoming_fish.server.connection.FIRST_EVENT_TIMEOUT_S", 0.05)
    async with serving(EmulatorSettings()) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b'{"type":')
        event = await async_read_event(reader)
        assert event is not None
        assert Error.from_event(event).code == "idle-timeout"
        assert await reader.read() == b""
        writer.close()


async def test_idleness_has_an_end(serving: Serving) -> None:
    """An idle client is disconnected, but not during a reply."""
    settings = EmulatorSettings(voice="code", first_audio=0.1)
    async with serving(settings, "--client-idle-timeout=0.05") as served, served.client() as client:
        await client.write_event(Synthesize(TEXT).event())
        assert decode_code_voice((await receive(client, "audio-stop")).pcm) == TEXT
        reply = await receive(client, "no such event")
        assert reply.types == ["error"]
        assert reply.error.code == "idle-timeout"


async def test_a_text_that_never_goes_on(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that begins a text and never ends it is told, and does not keep its session."""
    monkeypatch.setattr("wyoming_fish.server.connection.TEXT_TIMEOUT_S", 0.05)
    async with serving(EmulatorSettings(voice="code")) as served, served.client() as client:
        await client.write_event(SynthesizeStart().event())
        await client.write_event(SynthesizeChunk("Once upon a time. And").event())
        reply = await receive(client, "no such event")
        assert reply.types[-3:] == ["audio-stop", "synthesize-stopped", "error"]
        assert reply.error.code == "idle-timeout"
        await served.emulator.wait_for(lambda e: e.sessions_open == 0)


def test_a_text_that_is_written_slowly(serving: Serving) -> None:
    """Each piece gives the next one its time: no text is too long for being slow."""

    async def listen() -> str:
        settings = EmulatorSettings(voice="code")
        async with serving(settings, "--keepalive-interval=0") as served, served.client() as client:
            await client.write_event(SynthesizeStart().event())
            for _ in range(4):
                await client.write_event(SynthesizeChunk("Good night. ").event())
                await idle_clock.pass_time(TEXT_TIMEOUT_S / 3.5)
            await client.write_event(SynthesizeStop().event())
            reply = await receive(client, "synthesize-stopped")
            return decode_code_voice(reply.pcm)

    assert idle_clock.run(listen()).split() == ["Good", "night."] * 4


def test_a_player_that_pings(serving: Serving) -> None:
    """A client that plays as it reads, and pings all the time, hears all of a long reply."""
    text, samples = TEXT * 300, 255

    async def listen() -> list[Event]:
        settings = EmulatorSettings(voice="code", frame=1, code_samples=samples)
        async with serving(settings) as served, served.client() as client:
            await client.write_event(Synthesize(text).event())
            events: list[Event] = []
            while not events or events[-1].type != "audio-stop":
                event = await client.read_event()
                assert event is not None
                events.append(event)
                if event.payload:
                    await client.write_event(Ping("there?").event())
                    await idle_clock.pass_time(len(event.payload) / WIDTH / 44100)
            return events

    events = idle_clock.run(listen())
    assert decode_code_voice(b"".join(e.payload or b"" for e in events), samples) == text.strip()
    assert Pong("there?").event() in events


async def test_a_client_that_reads_nothing(serving: Serving) -> None:
    """Who takes nothing is let go in the end, his session with him, and others are served."""
    settings = EmulatorSettings(voice="code", code_samples=255)
    async with serving(settings, "--write-timeout=0.1") as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1024)
        writer.write(json.dumps({"type": "synthesize", "data": {"text": "x" * 50_000}}).encode())
        writer.write(b"\n")
        await served.emulator.wait_for(lambda e: e.sessions_open == 1)
        await served.emulator.wait_for(lambda e: e.sockets_open == 0)
        served.emulator.settings.code_samples = 120
        assert await _is_served(served)
        writer.close()
        await reader.read()


async def test_a_text_without_end(serving: Serving) -> None:
    """A reply may have only so many characters."""
    async with serving(EmulatorSettings(voice="code"), "--max-pending-characters=100") as served:
        async with served.client() as client:
            await client.write_event(SynthesizeStart().event())
            for _ in range(11):
                await client.write_event(SynthesizeChunk("ten more, ").event())
            reply = await receive(client, "no such event")
            assert reply.error.code == "invalid-event"
            assert "100 characters" in reply.error.text
        assert await _is_served(served)


async def test_pieces_of_nothing() -> None:
    """Empty pieces, which no bound on characters would end, are not kept."""
    reply = SynthesisRequest(SynthesizeVoice(), streamed=True)
    for piece in ("", "Hi", "", ""):
        reply.add(piece)
    reply.end()
    assert reply.text.since(0) == ["Hi"]


async def test_texts_without_end(serving: Serving) -> None:
    """Nor may all that a client has asked for, and has not heard yet, be longer."""
    settings = EmulatorSettings(voice="code", first_audio=0.05)
    async with serving(settings, "--max-pending-characters=100") as served:
        async with served.client() as client:
            for _ in range(3):
                for _ in range(3):
                    await client.write_event(Synthesize("thirty letters or a few more.").event())
                for _ in range(3):
                    assert (await receive(client, "audio-stop")).pcm
            for _ in range(4):
                await client.write_event(Synthesize("thirty letters or a few more.").event())
            assert (await receive(client, "error")).error.code == "invalid-event"
        assert await _is_served(served)


async def test_requests_without_end(serving: Serving) -> None:
    """Nor may a client have more than so many replies waiting, however short they are."""
    async with serving(EmulatorSettings(voice="code", first_audio=30)) as served:
        async with served.client() as client:
            for _ in range(MAX_WAITING_REQUESTS + 2):
                await client.write_event(Synthesize("").event())
                await client.write_event(Synthesize("Hi.").event())
            reply = await receive(client, "error")
            assert reply.error.code == "invalid-event"
            assert f"{MAX_WAITING_REQUESTS} requests" in reply.error.text
        served.emulator.settings.first_audio = 0.0
        assert await _is_served(served)


async def test_a_client_that_writes_without_pause(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    """After some of its events, others have their turn."""
    caplog.set_level(logging.DEBUG, "wyoming_fish.server.connection")
    most = before = 0

    async def others() -> None:
        nonlocal most, before
        while True:
            passed = sum("Ignoring an event" in message for message in caplog.messages[before:])
            most, before = max(most, passed), len(caplog.messages)
            await asyncio.sleep(0)

    async with serving(EmulatorSettings()) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        waiting = asyncio.create_task(others())
        writer.write(b'{"type": "x"}\n' * 200 * EVENTS_PER_TURN + b'{"type": "ping"}\n')
        assert await async_read_event(reader)
        waiting.cancel()
        writer.close()
    # As many as it can in a turn.
    assert 0 < most <= 100 * EVENTS_PER_TURN


async def test_the_silent_are_let_go_one_by_one(serving: Serving) -> None:
    """One client more takes the place of one that is silent, and of no other."""
    flags = ("--max-connections=2", "--max-connections-per-address=2", "--http=127.0.0.1:0")
    async with serving(EmulatorSettings(), *flags) as served, crowd(served.port, 3) as readers:
        assert b"too-many-connections" in await readers[0].read()
        async with visitor(served) as session, session.get("/metrics") as response:
            assert 'clients_refused_total{reason="displaced-silent"} 1.0' in await response.text()


async def test_stopping_does_not_wait_for_who_does_not_read(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends in its time, whoever has not read what he was sent, and tells who reads."""
    monkeypatch.setattr("wyoming_fish.server.server.STOP_TIMEOUT_S", 2.1)
    long = json.dumps({"type": "synthesize", "data": {"text": "x" * 50_000}}).encode() + b"\n"
    async with contextlib.AsyncExitStack() as stack:
        async with serving(EmulatorSettings(voice="code", code_samples=255)) as served:
            for _ in range(4):
                _, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=1024)
                stack.callback(writer.close)
                writer.write(long)
            await served.emulator.wait_for(lambda e: e.sessions_open == 4)
            client = await stack.enter_async_context(served.client())
            await client.write_event(SynthesizeStart().event())
            await client.write_event(SynthesizeChunk("And then. So").event())
            await served.emulator.wait_for(lambda e: e.sessions_open == 5)
            listening = asyncio.create_task(receive(client, "no such event"))
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < 3
        assert (await listening).error.code == "server-stopping"


async def test_a_burst_of_the_silent(serving: Serving) -> None:
    """However many connect at the same moment, hardly more stay than may, and the rest are told."""
    async with serving(EmulatorSettings(), "--max-connections=5") as served:
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(socket.socket()) for _ in range(100)]
            for client in clients:
                client.connect(("127.0.0.1", served.port))
                client.setblocking(False)
            most, request_log = 0, served.server._request_log  # noqa: SLF001 - no other way
            while request_log.refused["displaced-silent"] < 95 or request_log.clients > 5:
                await asyncio.sleep(0)
                most = max(most, request_log.clients)
            assert most <= 5 + 12 * MAX_ACCEPTS_PER_TURN
            told = 0
            for client in clients:
                with contextlib.suppress(BlockingIOError):
                    told += b"too-many-connections" in client.recv(1024)
            assert told == 95


@pytest.mark.parametrize("sent", [b"", b"rubbish\n", b'{"type": "synthesize-stop"}\n', None])
async def test_no_garbage(
    serving: Serving, sent: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    """What was kept for a client is free when it has left, before garbage is collected."""
    # Each line of the log that is kept for the test keeps an error, and all that led to it.
    caplog.set_level(logging.CRITICAL)
    async with serving(EmulatorSettings(), "--max-connections=1") as served:
        connections = served.server._connections  # noqa: SLF001 - no other way
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        await served.emulator.wait_for(lambda _: len(connections) == 1)
        (task,) = connections
        connection = weakref.ref(connections[task])
        gc.collect()
        gc.disable()
        try:
            if sent is None:
                # Another one takes its place.
                async with served.client():
                    await reader.read()
            elif sent:
                writer.write(sent)
                await async_read_event(reader)
            writer.close()
            await asyncio.wait((task,))
            del task
            await asyncio.sleep(0)
            assert connection() is None
        finally:
            gc.enable()
