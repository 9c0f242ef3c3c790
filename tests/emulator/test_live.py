import asyncio

import ormsgpack
import pytest
import websockets

from tests.emulator.client import emulated, live
from wyoming_fish.emulator import VOICES, Emulator, EmulatorSettings, decode_code_voice


async def test_a_session_speaks_its_text() -> None:
    """All text of a session is spoken, in order, and finish follows the last of it."""
    async with emulated() as emulator, live(emulator) as socket:
        heard = await socket.say("Guten ", "Tag. ", "日本 ", "🐟")
        assert decode_code_voice(heard) == "Guten Tag. 日本 🐟"
        (record,) = emulator.sessions
        assert record.events == ["start", "text", "text", "text", "text", "stop"]
        assert record.texts == ["Guten ", "Tag. ", "日本 ", "🐟"]
        assert record.spoken == ["Guten Tag. 日本 🐟"]
        assert (record.outcome, record.stopped, record.flushes) == ("finish", True, 0)
        assert (record.backend, record.request["format"]) == ("s2.1-pro", "pcm")
        assert (emulator.sessions_open, emulator.errors) == (0, [])


async def test_the_key_is_not_kept() -> None:
    """A record holds the headers of the upgrade, names in lower case, without the key."""
    async with emulated() as emulator, live(emulator, key="secret") as socket:
        await socket.say("Hello.")
        (record,) = emulator.sessions
        assert record.headers["model"] == "s2.1-pro"
        assert "secret" not in str(record)


async def test_events_that_clients_are_to_ignore() -> None:
    """If it is asked for, a `log` event follows each finish, between two sessions."""
    async with emulated(log_events=True) as emulator, live(emulator) as socket:
        assert decode_code_voice(await socket.say("Hello.")) == "Hello."
        assert (await socket.receive())["event"] == "log"
        assert decode_code_voice(await socket.say("Bye.")) == "Bye."


async def test_text_of_the_start_is_spoken_first() -> None:
    """Text in the request leads the session's text."""
    async with emulated() as emulator, live(emulator) as socket:
        assert decode_code_voice(await socket.say("second.", text="First, ")) == "First, second."


async def test_an_empty_session_ends_well() -> None:
    """Start and stop without text finish without audio; so does blank text, flushed or not."""
    async with emulated() as emulator, live(emulator) as socket:
        assert await socket.say() == b""
        assert await socket.say(" ", "\n") == b""
        await socket.start()
        await socket.text("  ")
        await socket.flush()
        await socket.stop()
        heard, finish = await socket.rest()
        assert (heard, finish["reason"]) == ([], "stop")
        assert [record.spoken for record in emulator.sessions] == [[], [], []]


async def test_a_flush_speaks_what_waits() -> None:
    """Text short of a chunk is spoken on a flush, and the session goes on."""
    async with emulated() as emulator, live(emulator) as socket:
        await socket.start()
        await socket.text("One. ")
        await socket.flush()
        assert decode_code_voice(await socket.audio()) == "One. "
        await socket.text("Two.")
        await socket.stop()
        heard, finish = await socket.rest()
        assert decode_code_voice(b"".join(heard)) == "Two."
        assert finish["reason"] == "stop"
        assert emulator.sessions[0].spoken == ["One. ", "Two."]
        assert emulator.sessions[0].flushes == 1


async def test_a_full_chunk_is_spoken_unasked() -> None:
    """chunk_length characters are spoken without a flush, up to their last word's start."""
    words = "word " * 30
    async with emulated() as emulator, live(emulator) as socket:
        await socket.start(chunk_length=100)
        await socket.text(words)
        assert decode_code_voice(await socket.audio()) == "word " * 20
        await emulator.wait_for(lambda e: e.sessions[0].spoken == ["word " * 20])


async def test_sentences_can_be_spoken_unasked() -> None:
    """With split "sentence" a sentence of min_chunk_length is spoken as it ends."""
    async with emulated(split="sentence") as emulator, live(emulator) as socket:
        await socket.start(min_chunk_length=10)
        await socket.text("Oh. A sentence. And")
        assert decode_code_voice(await socket.audio()) == "Oh. A sentence. "


async def test_text_is_received_while_audio_is_sent() -> None:
    """A session reads on while its model works, and speaks what it read in order."""
    async with emulated(first_audio=0.05) as emulator, live(emulator) as socket:
        await socket.start()
        for word in ("One. ", "Two. ", "Three. "):
            await socket.text(word)
            await socket.flush()
        await emulator.wait_for(lambda e: e.sessions[0].flushes == 3)
        assert emulator.sessions[0].audio_events == 0
        await socket.stop()
        heard, _ = await socket.rest()
        assert [decode_code_voice(audio) for audio in heard] == ["One. ", "Two. ", "Three. "]


async def test_another_session_may_follow() -> None:
    """After finish the same socket takes another start, at once."""
    async with emulated(concurrency=1) as emulator, live(emulator) as socket:
        for text in ("One.", "Two.", "Three."):
            assert decode_code_voice(await socket.say(text)) == text
        assert [record.socket for record in emulator.sessions] == [0, 0, 0]
        assert (emulator.sockets_opened, emulator.sockets_open) == (1, 1)
    assert emulator.sockets_open == 0


async def test_a_socket_may_close_after_finish() -> None:
    """With after_finish "close" the server says goodbye with 1000."""
    async with emulated(after_finish="close") as emulator, live(emulator) as socket:
        await socket.say("Hello.")
        assert await socket.until_closed() == ([], 1000)
        await emulator.wait_for(lambda e: e.sockets_open == 0)


async def test_a_socket_may_drop_after_finish() -> None:
    """With after_finish "drop" the connection ends without a close frame."""
    async with emulated(after_finish="drop") as emulator, live(emulator) as socket:
        assert decode_code_voice(await socket.say("Hello.")) == "Hello."
        assert await socket.until_closed() == ([], 1006)
        await emulator.wait_for(lambda e: e.sockets_open == 0)


async def test_an_idle_socket_is_closed() -> None:
    """A socket without an open session closes after idle_timeout."""
    async with emulated(idle_timeout=0.02) as emulator, live(emulator) as socket:
        assert await socket.until_closed() == ([], 1000)
        await emulator.wait_for(lambda e: e.sockets_open == 0)


async def test_an_open_session_is_not_idle() -> None:
    """The idle time runs only while no session is open, and starts again after each one."""
    async with (
        emulated(idle_timeout=0.25, first_audio=0.3) as emulator,
        live(emulator) as socket,
    ):
        assert decode_code_voice(await socket.say("Hello.")) == "Hello."
        assert await socket.until_closed() == ([], 1000)


async def test_a_client_that_leaves_frees_its_session() -> None:
    """A session ends with its socket, also while the model works and nothing is sent."""
    async with emulated(first_audio=60.0) as emulator:
        async with live(emulator) as socket:
            await socket.start()
            await socket.text("Hello.")
            await socket.flush()
            await emulator.wait_for(lambda e: e.sessions[0].spoken != [])
            assert emulator.sessions_open == 1
        await emulator.wait_for(lambda e: e.sessions_open == 0 and e.sockets_open == 0)
        assert emulator.sessions[0].outcome == "left"


async def test_a_client_that_vanishes_frees_its_session() -> None:
    """A connection that ends without a close frame ends the session as well."""
    async with emulated(first_audio=60.0) as emulator:
        async with live(emulator) as socket:
            await socket.start(text="Hello.")
            await emulator.wait_for(lambda e: e.sessions_open == 1)
            socket.websocket.transport.abort()
            await emulator.wait_for(lambda e: e.sessions_open == 0 and e.sockets_open == 0)
        assert emulator.sessions[0].outcome == "left"


async def test_a_client_that_does_not_read_blocks_nobody() -> None:
    """Audio that one client leaves unread holds up no other, and leaving frees that session."""
    # More than the system's own buffers hold.
    async with (
        emulated(code_samples=255) as emulator,
        live(emulator) as deaf,
        live(emulator) as other,
    ):
        deaf.websocket.transport.pause_reading()
        await deaf.start()
        for _ in range(120):
            await deaf.text("much to say " * 25)
        await deaf.stop()
        await emulator.wait_for(lambda e: e.sessions[0].stopped)
        assert decode_code_voice(await other.say("Hello."), 255) == "Hello."
        assert emulator.sessions[0].outcome is None
        deaf.websocket.transport.abort()
        await emulator.wait_for(lambda e: e.sessions_open == 0)


async def test_text_frames_are_passed_over() -> None:
    """A text frame is as good as none."""
    async with emulated() as emulator, live(emulator) as socket:
        await socket.websocket.send('{"event": "start"}')
        assert decode_code_voice(await socket.say("Hello.")) == "Hello."


async def test_pings_are_answered() -> None:
    """A client's ping has its pong."""
    async with emulated() as emulator, live(emulator) as socket:
        await (await socket.websocket.ping())


async def test_no_compression_is_agreed_upon() -> None:
    """An offer of permessage-deflate is passed over."""
    async with emulated() as emulator:
        url = emulator.url.replace("http", "ws") + "/v1/tts/live"
        async with websockets.connect(
            url, additional_headers={"Authorization": "Bearer key"}
        ) as websocket:
            await websocket.send(ormsgpack.packb({"event": "stop"}))
            await websocket.recv()
            assert not websocket.protocol.extensions


async def test_many_sessions_run_at_once() -> None:
    """As many sessions as the limit allows speak side by side, each its own text."""
    async with emulated(concurrency=40, first_audio=0.02) as emulator:

        async def one(number: int) -> str:
            async with live(emulator) as socket:
                return decode_code_voice(await socket.say(f"This is {number}."))

        heard = await asyncio.gather(*(one(number) for number in range(40)))
        assert heard == [f"This is {number}." for number in range(40)]


async def test_ending_cuts_off_those_who_are_connected() -> None:
    """An emulator that ends waits for no client."""
    async with emulated(first_audio=60.0) as emulator:
        context = live(emulator)
        socket = await context.__aenter__()
        await socket.start(text="Hello.")
        await emulator.wait_for(lambda e: e.sessions_open == 1)
    assert (await socket.until_closed())[0] == []
    assert (emulator.sessions_open, emulator.sockets_open) == (0, 0)
    await context.__aexit__(None, None, None)


async def test_waiting_ends_with_the_first_moment_it_is_true() -> None:
    """wait_for asks after each change and misses none, and hands on what the question raises."""
    async with emulated() as emulator, live(emulator) as socket:
        open_once = asyncio.create_task(emulator.wait_for(lambda e: e.sessions_open == 1))
        wrong = asyncio.create_task(emulator.wait_for(lambda e: bool(e.sessions) and 1 / 0 > 1))
        await socket.say("Hello.")
        await open_once
        with pytest.raises(ZeroDivisionError):
            await wrong


async def test_a_taken_port_is_an_error() -> None:
    """A second emulator on the same port does not start."""
    async with emulated() as emulator:
        with pytest.raises(OSError, match="in use"):
            await Emulator(EmulatorSettings(voice="tone"), port=emulator.port).__aenter__()


@pytest.mark.parametrize("voice", VOICES)
async def test_every_voice_can_be_asked_for(voice: object) -> None:
    """Each of the account's voices speaks by its id."""
    assert isinstance(voice, type(VOICES[0]))
    async with emulated() as emulator, live(emulator) as socket:
        assert decode_code_voice(await socket.say("Hi.", reference_id=voice.id)) == "Hi."


async def test_a_client_that_leaves_before_it_is_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """At whatever moment of the upgrade it goes, nothing is left and nothing is said about it."""
    request = (
        "GET /v1/tts/live HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Authorization: Bearer key\r\n\r\n"
    )
    async with emulated() as emulator:
        for turns in range(20):
            _, writer = await asyncio.open_connection("127.0.0.1", emulator.port)
            writer.write(request.encode())
            for _ in range(turns):
                await asyncio.sleep(0)
            writer.close()
            await writer.wait_closed()
        await emulator.wait_for(lambda e: e.sockets_open == 0)
    assert caplog.records == []
