"""What the page asks the server to speak."""

import asyncio
import contextlib
import io
import json
import socket
import wave
from decimal import Decimal

import aiohttp
import pytest

from wyoming_fish.emulator import EmulatorSettings, Fault, decode_code_voice

from ..support.server import Served, Serving
from ..support.visiting import HEADER, HTTP, TEXT, connect, posted, read_to_end, visitor, wanted


async def test_spoken_while_it_is_made(serving: Serving) -> None:
    """The page's text comes back as a WAV that begins before the speech is made, and is whole."""
    settings = EmulatorSettings(voice="code", first_audio=0.05, pace=0.1, frame=0.1)
    flags = (HTTP, "--sample-rate=24000")
    async with serving(settings, *flags) as served, visitor(served) as session:
        async with session.post("/api/speak", json=wanted(TEXT)) as response:
            assert response.status == 200
            assert response.content_type == "audio/wav"
            wav = await response.content.readexactly(HEADER + 2)
            assert served.emulator.sessions[0].outcome is None
            wav += await response.read()
        assert decode_code_voice(wav[HEADER:]) == TEXT
        with wave.open(io.BytesIO(wav)) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24000, 1, 2)


async def test_by_a_voice_of_the_accounts(serving: Serving) -> None:
    """The page lists the account's voices, and speaks by the one that is chosen."""
    async with serving(EmulatorSettings(), HTTP) as served, visitor(served) as session:
        voices: list[dict[str, str]] = []
        while not voices:
            async with session.get("/api/voices") as response:
                voices = await response.json()
        (kelp,) = [voice for voice in voices if voice["title"] == "Captain Kelp"]
        assert kelp["sample_url"] == f"{served.emulator.url}/sample/{kelp['id']}.wav"
        async with session.post("/api/speak", json=wanted("Ahoy!", kelp["id"])) as response:
            assert len(await response.read()) > HEADER
        assert served.emulator.sessions[0].request["reference_id"] == kelp["id"]


@pytest.mark.parametrize(
    ("settings", "voice", "said"),
    [
        (EmulatorSettings(credit=Decimal(0)), None, "Add API credit"),
        (EmulatorSettings(key="another"), None, "Check the API key"),
        (EmulatorSettings(), "nobody", "no voice named"),
    ],
)
async def test_errors_before_the_first_sound(
    serving: Serving, settings: EmulatorSettings, voice: str | None, said: str
) -> None:
    """A reply that Fish refuses is told to the page in words."""
    async with (
        serving(settings, HTTP) as served,
        visitor(served) as session,
        session.post("/api/speak", json=wanted(TEXT, voice)) as response,
    ):
        assert response.status == 502
        assert said in (await response.json())["error"]


async def test_an_error_during_the_speech(serving: Serving) -> None:
    """What has been cut does not look whole."""
    settings = EmulatorSettings(voice="code", frame=0.05, faults=[Fault("audio", "drop", at=3)])
    async with serving(settings, HTTP) as served, visitor(served) as session:
        async with session.post("/api/speak", json=wanted(TEXT)) as response:
            assert response.status == 200
            with pytest.raises(aiohttp.ClientError):
                await response.read()
        async with session.get("/api/state") as response:
            (told,) = (await response.json())["replies"]
        assert told["outcome"] == "broken-stream"


async def test_leaving_before_the_first_sound(serving: Serving) -> None:
    """Who does not wait for it frees the session too, though there is nothing to be sent."""
    settings = EmulatorSettings(voice="code", first_audio=60)
    async with serving(settings, HTTP) as served, visitor(served) as session:
        asking = asyncio.create_task(session.post("/api/speak", json=wanted(TEXT)))
        await served.emulator.wait_for(lambda e: e.sessions_open == 1)
        asking.cancel()
        await served.emulator.wait_for(lambda e: e.sessions_open == 0)


async def test_leaving_frees_the_session(serving: Serving) -> None:
    """Who closes the page is not spoken to any more."""
    settings = EmulatorSettings(voice="code", pace=5, frame=0.05)
    async with serving(settings, HTTP) as served, visitor(served) as session:
        async with session.post("/api/speak", json=wanted(TEXT)) as response:
            await response.content.readexactly(HEADER + 2)
            response.close()
        await served.emulator.wait_for(lambda e: e.sessions_open == 0)
        assert served.emulator.sessions[0].outcome == "left"


async def test_who_does_not_read_is_left(serving: Serving) -> None:
    """A visitor that stops reading does not hold a session of the account's."""
    flags = (HTTP, "--write-timeout=0.1")
    async with (
        serving(EmulatorSettings(voice="tone"), *flags) as served,
        visitor(served) as session,
    ):
        assert served.url is not None
        host, _, port = served.url.removeprefix("http://").strip("/").partition(":")
        body = json.dumps(wanted(f"{TEXT} " * 30)).encode()
        head = f"POST /api/speak HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n"
        with socket.socket() as stalled:
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stalled.connect((host, int(port)))
            stalled.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + body)
            replies: list[dict[str, object]] = []
            while not replies:
                async with session.get("/api/state") as response:
                    replies = (await response.json())["replies"]
        assert replies[0]["outcome"] == "client-disconnected"
        await served.emulator.wait_for(lambda e: e.sessions_open == 0)


async def test_the_page_does_not_take_all_sessions(serving: Serving) -> None:
    """Two texts at once are the most, since the house speaks by the same account."""
    settings = EmulatorSettings(voice="code", pace=5, frame=0.05)
    async with (
        serving(settings, HTTP) as served,
        visitor(served) as session,
        session.post("/api/speak", json=wanted(TEXT)) as first,
        session.post("/api/speak", json=wanted(TEXT)) as second,
        session.post("/api/speak", json=wanted(TEXT)) as third,
    ):
        assert [first.status, second.status, third.status] == [200, 200, 429]
        said = "The page is already speaking two texts, its maximum. Try again when one has ended."
        assert (await third.json())["error"] == said
        first.close()
        second.close()


HOG, ANOTHER_HOG = "127.0.0.2", "127.0.0.3"


async def _begin(
    served: Served, host: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
    """Have a text spoken, and read the status."""
    reader, writer = await connect(served, host)
    writer.write(posted(TEXT))
    return reader, writer, (await reader.readline())[9:12]


async def test_an_address_with_both_texts_gives_way(serving: Serving) -> None:
    """Another client is spoken to at once; the older text is cut, and the newer one is whole."""
    settings = EmulatorSettings(voice="code", pace=1, frame=0.05)
    async with serving(settings, HTTP) as served, visitor(served) as session, asyncio.timeout(10):
        older, older_writer, _ = await _begin(served, HOG)
        newer, newer_writer, _ = await _begin(served, HOG)
        async with session.post("/api/speak", json=wanted(TEXT)) as response:
            assert response.status == 200
            assert not (await read_to_end(older)).endswith(b"0\r\n\r\n")
            # It is the last of the page's two places, and belongs to somebody else.
            _, writer, status = await _begin(served, HOG)
            assert status == b"429"
            assert decode_code_voice((await response.read())[HEADER:]) == TEXT
        assert (await read_to_end(newer)).endswith(b"0\r\n\r\n")
        for each in (older_writer, newer_writer, writer):
            each.close()


async def test_a_text_that_gives_way_before_it_is_heard(serving: Serving) -> None:
    """Its client is told so in words."""
    settings = EmulatorSettings(voice="code", first_audio=60)
    async with contextlib.AsyncExitStack() as stack:
        served = await stack.enter_async_context(serving(settings, HTTP))
        await stack.enter_async_context(asyncio.timeout(5))
        readers = []
        for host in (HOG, HOG, ANOTHER_HOG):
            reader, writer = await connect(served, host)
            stack.callback(writer.close)
            readers.append(reader)
            writer.write(posted(TEXT))
            await served.emulator.wait_for(lambda e: len(e.sessions) == len(readers))
        assert (await readers[0].readline())[9:12] == b"429"


async def test_texts_of_two_addresses_are_not_cut(serving: Serving) -> None:
    """A third client is told to wait, since neither of them has more than its share."""
    settings = EmulatorSettings(voice="code", pace=1, frame=0.05)
    async with serving(settings, HTTP) as served, visitor(served) as session, asyncio.timeout(10):
        begun = [await _begin(served, host) for host in (HOG, ANOTHER_HOG)]
        async with session.post("/api/speak", json=wanted(TEXT)) as response:
            assert response.status == 429
        for reader, writer, status in begun:
            assert status == b"200"
            assert (await read_to_end(reader)).endswith(b"0\r\n\r\n")
            writer.close()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b"[" * 10_000,
        b"{}",
        b'{"text": 5}',
        b'{"text": "\\ud800"}',
        b'{"text": "Hello", "voice": "Kelp"}',
        b'{"text": "Hello", "voice": {"name": 5}}',
        json.dumps({"text": "a" * 2001}).encode(),
    ],
)
async def test_what_makes_no_sense(serving: Serving, body: bytes) -> None:
    """Anything but a text of bounded length is refused, and costs nothing."""
    headers = {"Content-Type": "application/json"}
    async with (
        serving(EmulatorSettings(), HTTP) as served,
        visitor(served) as session,
        session.post("/api/speak", data=body, headers=headers) as response,
    ):
        assert response.status == 400
        assert (await response.json())["error"]
        assert served.emulator.sessions == []


async def test_what_is_too_large(serving: Serving) -> None:
    """A body that no text of ours has is not read to its end."""
    async with (
        serving(EmulatorSettings(), HTTP) as served,
        visitor(served) as session,
        session.post("/api/speak", json=wanted("a" * 1_000_000)) as response,
    ):
        assert response.status == 413
