"""The voice that speaks where Fish does not."""

import asyncio
import contextlib
import logging
import math
import socket
import struct
from collections.abc import AsyncIterator, Callable

import pytest
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, async_read_event, async_write_event
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop

from tests.support.listening import listening
from wyoming_fish.emulator import EmulatorSettings, Fault, decode_code_voice
from wyoming_fish.server.requests.fallback import MAX_SILENT_EVENTS

from ...support.server import Serving, check_envelope, receive, stream

TEXT = "Good night. The doors are locked."


def _tone(rate: int, seconds: float = 0.5) -> bytes:
    samples = (
        round(9000 * math.sin(440 * math.tau * n / rate)) for n in range(int(rate * seconds))
    )
    return b"".join(struct.pack("<h", sample) for sample in samples)


def _spoken(rate: int) -> list[Event]:
    pcm = _tone(rate)
    half = len(pcm) // 4 * 2
    return [
        AudioStart(rate, 2, 1).event(),
        AudioChunk(rate, 2, 1, pcm[:half]).event(),
        AudioChunk(rate, 2, 1, pcm[half:]).event(),
        AudioStop().event(),
    ]


@contextlib.asynccontextmanager
async def _other(answer: Callable[[str], list[Event]]) -> AsyncIterator[tuple[str, list[str]]]:
    """Another Wyoming server that answers a `synthesize` with these events; and what was asked."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        event = await async_read_event(reader)
        assert event is not None
        asked.append(Synthesize.from_event(event).text)
        for answered in answer(asked[-1]):
            await async_write_event(answered, writer)

    async with listening(serve) as port:
        yield f"tcp://127.0.0.1:{port}", asked


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("rate", [22050, 44100])
async def test_the_fallback_voice_speaks(
    serving: Serving, caplog: pytest.LogCaptureFixture, rate: int, streamed: bool
) -> None:
    """Without credit the whole text is spoken by the other voice, in the same envelope and rate."""
    caplog.set_level(logging.WARNING)
    settings = EmulatorSettings(voice="code", faults=[Fault("upgrade", 402, times=None)])
    async with (
        _other(lambda _: _spoken(rate)) as (uri, asked),
        serving(settings, f"--fallback-uri={uri}") as served,
    ):
        for _ in range(3):
            async with served.client() as client:
                if streamed:
                    await stream(client, ["Good night. ", "The doors ", "are locked."])
                    reply = await receive(client, "synthesize-stopped")
                else:
                    await client.write_event(Synthesize(TEXT).event())
                    reply = await receive(client, "audio-stop")
            check_envelope(reply, 44100, streamed=streamed)
            assert len(reply.pcm) / 2 / 44100 == pytest.approx(0.5, abs=0.01)
        assert asked == [TEXT] * 3
    assert "Using the fallback voice" in caplog.text


async def test_the_fallback_voice_is_given_words(serving: Serving) -> None:
    """Neither marks nor cues nor the style are for another voice; raw text is as it came."""
    settings = EmulatorSettings(voice="code", faults=[Fault("upgrade", 402, times=None)])
    text = "**Good** night. [sigh] The <b>doors</b> are locked. 🌙"
    async with _other(lambda _: _spoken(44100)) as (uri, asked):
        for mode in ("clean", "raw"):
            flags = (f"--fallback-uri={uri}", "--style=calm", f"--text-mode={mode}")
            async with serving(settings, *flags) as served, served.client() as client:
                await client.write_event(Synthesize(text).event())
                await receive(client, "audio-stop")
    assert asked == [TEXT, text]


async def test_during_the_audio_it_does_not(serving: Serving) -> None:
    """What Fish has begun is not begun again by another voice: that is an error."""
    settings = EmulatorSettings(
        voice="code", frame=0.05, faults=[Fault("audio", "drop", at=2, times=None)]
    )
    async with (
        _other(lambda _: _spoken(44100)) as (uri, asked),
        serving(settings, f"--fallback-uri={uri}") as served,
        served.client() as client,
    ):
        await client.write_event(Synthesize(TEXT).event())
        reply = await receive(client, "no such event")
        assert reply.error.code == "broken-stream"
        assert asked == []


def _chunk(rate: object, width: object = 2, pcm: bytes = b"ab") -> Event:
    return Event("audio-chunk", {"rate": rate, "width": width, "channels": 1}, pcm)


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([], "it closed the connection"),
        ([_chunk(0)], "its audio"),
        ([_chunk(22050, 2.5)], "its audio"),
        ([_chunk("x")], "its audio"),
        ([Error("out of order").event()], "out of order"),
        ([AudioStart(22050, 2, 1).event()], "it closed the connection"),
        ([AudioStart(22050, 2, 1).event(), AudioStop().event()], "it returned no audio"),
        ([AudioStop().event()], "it returned no audio"),
        ([Event("odd")] * (MAX_SILENT_EVENTS + 2), "too many events with hardly any audio"),
    ],
)
async def test_both_are_down(
    serving: Serving, events: list[Event], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """If neither can speak, the client gets Fish's error, and the log the other one's."""
    settings = EmulatorSettings(faults=[Fault("upgrade", 402, times=None)])
    async with (
        _other(lambda _: events) as (uri, _),
        serving(settings, f"--fallback-uri={uri}") as served,
        served.client() as client,
    ):
        await stream(client, [TEXT])
        reply = await receive(client, "no such event")
        assert reply.types == ["error", "synthesize-stopped"]
        assert reply.error.code == "no-credit"
    failed = f"The fallback voice at {uri} failed: "
    (told,) = [message for message in caplog.messages if message.startswith(failed)]
    assert reason in told
    assert not [record for record in caplog.records if record.exc_info]


async def test_the_fallback_never_ends(serving: Serving, caplog: pytest.LogCaptureFixture) -> None:
    """Audio that is far too long for the text ends the reply, and the log says so."""
    settings = EmulatorSettings(faults=[Fault("upgrade", 402, times=None)])
    async with (
        _other(lambda _: [_chunk(8000, pcm=bytes(1 << 20))] * 9) as (uri, _),
        serving(settings, f"--fallback-uri={uri}") as served,
        served.client() as client,
    ):
        await client.write_event(Synthesize(TEXT).event())
        assert (await receive(client, "no such event")).error.code == "no-credit"
    assert "it sends far too much audio for the text" in caplog.text


@pytest.mark.parametrize("streamed", [False, True])
async def test_the_fallback_resets(serving: Serving, streamed: bool) -> None:
    """If the fallback voice's server dies during the request, the client gets no error."""

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    settings = EmulatorSettings(faults=[Fault("upgrade", 402, times=None)])
    async with await asyncio.start_server(reset, "127.0.0.1", 0) as other:
        uri = f"tcp://127.0.0.1:{other.sockets[0].getsockname()[1]}"
        async with serving(settings, f"--fallback-uri={uri}") as served, served.client() as client:
            if streamed:
                await stream(client, [TEXT])
            else:
                await client.write_event(Synthesize(TEXT).event())
            reply = await receive(client, "no such event")
    assert reply.types == ["error", *(["synthesize-stopped"] if streamed else [])]
    assert reply.error.code == "no-credit"


async def test_the_fallback_takes_nothing(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fallback voice that does not read a long text is not waited for without end."""
    monkeypatch.setattr("wyoming_fish.server.requests.fallback.SILENCE_TIMEOUT_S", 0.1)
    done = asyncio.Event()

    async def take_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.transport.abort()

    settings = EmulatorSettings(faults=[Fault("upgrade", 402, times=None)])
    listening = await asyncio.start_server(take_nothing, "127.0.0.1", 0, limit=1024)
    async with listening as other:
        uri = f"tcp://127.0.0.1:{other.sockets[0].getsockname()[1]}"
        flags = (f"--fallback-uri={uri}", "--text-mode=raw", "--max-pending-characters=10000000")
        async with serving(settings, *flags) as served, served.client() as client:
            await client.write_event(SynthesizeStart().event())
            for _ in range(80):
                await client.write_event(SynthesizeChunk("x" * 100_000).event())
            await client.write_event(SynthesizeStop().event())
            async with asyncio.timeout(10):
                assert (await receive(client, "error")).error.code == "no-credit"
        done.set()


async def test_the_fallback_says_nothing(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fallback voice that takes the text and never answers is not waited for without end."""
    monkeypatch.setattr("wyoming_fish.server.requests.fallback.SILENCE_TIMEOUT_S", 0.1)

    async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    settings = EmulatorSettings(faults=[Fault("upgrade", 402, times=None)])
    async with (
        listening(say_nothing) as port,
        serving(settings, f"--fallback-uri=tcp://127.0.0.1:{port}") as served,
        served.client() as client,
    ):
        await client.write_event(Synthesize(TEXT).event())
        async with asyncio.timeout(5):
            assert (await receive(client, "error")).error.code == "no-credit"


async def test_a_bug_in_the_engine(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The fallback voice speaks whatever it is that Fish's speech fails with."""

    async def bug(*_: object, **__: object) -> AsyncIterator[bytes]:
        for piece in list[bytes]():
            yield piece
        raise RuntimeError("a bug")

    monkeypatch.setattr("wyoming_fish.fish.synthesis.synthesizer.Synthesizer.audio", bug)
    async with (
        _other(lambda _: _spoken(44100)) as (uri, asked),
        serving(EmulatorSettings(), f"--fallback-uri={uri}") as served,
        served.client() as client,
    ):
        await stream(client, [TEXT])
        check_envelope(await receive(client, "synthesize-stopped"), 44100, streamed=True)
        assert asked == [TEXT]
    (traceback,) = [record for record in caplog.records if record.exc_info]
    assert "Report this error" in traceback.message


async def test_the_fallback_is_not_there(serving: Serving) -> None:
    """A fallback voice that nobody has started changes nothing but the log."""
    settings = EmulatorSettings(faults=[Fault("upgrade", 402, times=None)])
    async with (
        serving(settings, "--fallback-uri=tcp://127.0.0.1:1") as served,
        served.client() as client,
    ):
        await client.write_event(Synthesize(TEXT).event())
        assert (await receive(client, "error")).error.code == "no-credit"


async def test_fish_is_asked_first(serving: Serving) -> None:
    """As long as Fish speaks, the other voice is left alone."""
    async with (
        _other(lambda _: _spoken(44100)) as (uri, asked),
        serving(EmulatorSettings(voice="code"), f"--fallback-uri={uri}") as served,
        served.client() as client,
    ):
        await client.write_event(Synthesize(TEXT).event())
        assert decode_code_voice((await receive(client, "audio-stop")).pcm) == TEXT
        assert asked == []


# Of a Fish that does not answer, or fails again and again.
HANGING = [
    Fault("upgrade", "stall", times=None),
    Fault("start", "stall", times=None),
    Fault("start", "drop", times=None),
    Fault("upgrade", 429, times=None),
]


@pytest.mark.parametrize("fault", HANGING)
async def test_nobody_waits_long_for_it(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    """Where another voice can speak, a Fish that says nothing is soon given up."""
    monkeypatch.setattr("wyoming_fish.server.requests.synthesis.FALLBACK_AFTER_S", 0.1)
    monkeypatch.setattr("wyoming_fish.fish.synthesis.live_attempt.WATCHDOG_INTERVAL_S", 0.01)
    async with (
        _other(lambda _: _spoken(44100)) as (uri, asked),
        serving(EmulatorSettings(faults=[fault]), f"--fallback-uri={uri}") as served,
        served.client() as client,
    ):
        async with asyncio.timeout(3):
            await stream(client, [TEXT])
            check_envelope(await receive(client, "synthesize-stopped"), 44100, streamed=True)
        assert asked == [TEXT]


async def test_nobody_waits_long_in_line(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the account has no session to spare, the other voice speaks before long."""
    monkeypatch.setattr("wyoming_fish.server.requests.synthesis.FALLBACK_AFTER_S", 0.1)
    settings = EmulatorSettings(voice="code")
    async with (
        _other(lambda _: _spoken(44100)) as (uri, asked),
        serving(settings, f"--fallback-uri={uri}", "--concurrency=1") as served,
        served.client() as first,
        served.client() as second,
    ):
        await first.write_event(SynthesizeStart().event())
        await first.write_event(SynthesizeChunk("Once upon a time. ").event())
        await receive(first, "audio-chunk")
        await second.write_event(Synthesize(TEXT).event())
        assert (await receive(second, "audio-stop")).pcm
        assert asked == [TEXT]


async def test_a_text_that_pauses_is_not_given_up(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only Fish's own time counts, not that of a text which is not there yet."""
    monkeypatch.setattr("wyoming_fish.server.requests.synthesis.FALLBACK_AFTER_S", 0.2)
    monkeypatch.setattr("wyoming_fish.fish.synthesis.live_attempt.WATCHDOG_INTERVAL_S", 0.01)
    async with (
        _other(lambda _: _spoken(44100)) as (uri, asked),
        serving(EmulatorSettings(voice="code"), f"--fallback-uri={uri}") as served,
        served.client() as client,
    ):
        await client.write_event(SynthesizeStart().event())
        await client.write_event(SynthesizeChunk("The doors").event())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await client.read_event()
        await client.write_event(SynthesizeChunk(" are locked.").event())
        await client.write_event(SynthesizeStop().event())
        reply = await receive(client, "synthesize-stopped")
        assert decode_code_voice(reply.pcm, allow_silence=True) == "The doors are locked."
        assert asked == []
