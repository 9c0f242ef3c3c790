"""The socket that tells when each word is heard."""

import aiohttp
import pytest
from websockets.exceptions import InvalidStatus

from tests.emulator.client import Event, Live, emulated, live
from wyoming_fish.emulator import Fault, decode_code_voice

PATH = "/v1/tts/live/with-timestamp"
RATE = 24000


async def session(socket: Live, *texts: str) -> list[Event]:
    """The audio events of a session in which each text is flushed."""
    await socket.start(sample_rate=RATE)
    for text in texts:
        await socket.text(text)
        await socket.flush()
    await socket.stop()
    events = []
    while (event := await socket.receive())["event"] == "audio":
        events.append(event)
    assert event["reason"] == "stop"
    return events


def final(events: list[Event]) -> dict[int, Event]:
    """The last snapshot of each chunk."""
    return {event["chunk_seq"]: event for event in events if event["alignment"] is not None}


async def test_words_are_where_they_are_heard() -> None:
    """Cut at the times that are told, the audio of the voice `code` is word by word the text."""
    texts = ("Good night. ", "The doors — all of them — are «locked». ", "約三分。 Now")
    async with emulated(frame=0.05) as emulator, live(emulator, path=PATH) as socket:
        events = await session(socket, *texts)
    pcm = b"".join(event["audio"] for event in events)
    assert decode_code_voice(pcm) == "".join(texts)
    heard = []
    for event in final(events).values():
        offset = event["chunk_audio_offset_sec"]
        for segment in event["alignment"]["segments"]:
            begin, end = (round((offset + segment[at]) * RATE) * 2 for at in ("start", "end"))
            heard.append((segment["text"], decode_code_voice(pcm[begin:end])))
    told = "Good night The doors all of them are locked 約三分 Now".split()
    assert [text for text, _ in heard] == told
    assert all(said.strip(" «».。") == text for text, said in heard)


async def test_snapshots_grow_and_are_corrected() -> None:
    """A chunk begins without a snapshot; each one has more, the last is whole and has no audio."""
    async with emulated(frame=0.05) as emulator, live(emulator, path=PATH) as socket:
        for _ in range(2):
            events = await session(socket, "One two three four five. ", "Six seven. ")
            assert [event["chunk_seq"] for event in events] == sorted(
                event["chunk_seq"] for event in events
            )
            offset = 0.0
            for sequence, content in enumerate(("One two three four five. ", "Six seven. ")):
                chunk = [event for event in events if event["chunk_seq"] == sequence]
                assert {event["chunk_audio_offset_sec"] for event in chunk} == {offset}
                assert chunk[0]["alignment"] is None
                assert [bool(event["audio"]) for event in chunk] == [True] * (len(chunk) - 1) + [
                    False
                ]
                lengths = [event["alignment"]["audio_duration"] for event in chunk[1:]]
                assert lengths == sorted(lengths)
                words = [s["text"] for s in chunk[-1]["alignment"]["segments"]]
                assert words == content.replace(".", "").split()
                assert chunk[-1]["content"] == content
                offset += len(content) * 120 / RATE


async def test_half_a_word_is_told_as_a_word() -> None:
    """In a snapshot that is not the last, the word under way ends with the audio so far."""
    async with emulated(frame=0.02) as emulator, live(emulator, path=PATH) as socket:
        events = await session(socket, "Incomprehensibilities. ")
    (first, *_), last = (e["alignment"] for e in events if e["alignment"]), events[-1]["alignment"]
    assert first["segments"][-1]["end"] == first["audio_duration"] == 0.02
    assert last["segments"][-1]["end"] == last["audio_duration"] > 0.1


async def test_it_may_read_as_a_model_does() -> None:
    """Normalised, words are told in lower case, without marks, and numbers digit by digit."""
    async with (
        emulated(reading="normalised") as emulator,
        live(emulator, path=PATH) as socket,
    ):
        (*_, event) = await session(socket, "It’s 19.5 degrees — «Really». ")
    assert event["content"] == "its one nine five degrees really"
    words = [segment["text"] for segment in event["alignment"]["segments"]]
    assert words == ["its", "one nine five", "degrees", "really"]


@pytest.mark.parametrize("voice", ["tone", "espeak"])
async def test_every_voice_tells_its_words(voice: str) -> None:
    """Tones are told where they are; espeak's words in their order, from its first sample on."""
    async with emulated(voice=voice) as emulator, live(emulator, path=PATH) as socket:
        events = await session(socket, "One two, three. ")
    pcm = b"".join(event["audio"] for event in events)
    alignment = events[-1]["alignment"]
    assert [s["text"] for s in alignment["segments"]] == ["One", "two", "three"]
    times = [time for s in alignment["segments"] for time in (s["start"], s["end"])]
    assert times == sorted(times)
    assert alignment["audio_duration"] == len(pcm) / 2 / RATE
    if voice == "tone":
        for segment in alignment["segments"]:
            begin, end = (round(segment[at] * RATE) * 2 for at in ("start", "end"))
            assert any(pcm[begin:end])
            # Its pause comes after it.
            assert not any(pcm[end : end + 100])


async def test_what_is_held_back_is_told_when_it_comes() -> None:
    """While the end of a chunk is kept, its last snapshot is too."""
    async with emulated(hold_back=0.01) as emulator, live(emulator, path=PATH) as socket:
        await socket.start(sample_rate=RATE)
        await socket.text("One. ")
        await socket.flush()
        first = await socket.receive()
        await socket.text("Two. ")
        await socket.stop()
        events = [first]
        while (event := await socket.receive())["event"] == "audio":
            events.append(event)
    assert [(event["chunk_seq"], bool(event["audio"])) for event in events] == [
        *((0, True), (0, True), (0, False)),
        *((1, True), (1, False)),
    ]
    assert decode_code_voice(b"".join(event["audio"] for event in events)) == "One. Two. "


async def test_a_fault_counts_corrections_too() -> None:
    """An audio event without audio is one that a fault can strike at."""
    fault = Fault("audio", "close", at=1)
    async with emulated(fault) as emulator, live(emulator, path=PATH) as socket:
        await socket.start()
        await socket.text("One. ")
        await socket.flush()
        events, code = await socket.until_closed()
        assert (len(events), code) == (1, 1011)
        assert emulator.sessions[0].timestamps


async def test_the_path_may_be_missing() -> None:
    """Without timestamps that path is answered 404, and the plain socket is as ever."""
    async with emulated(timestamps=False) as emulator:
        with pytest.raises(InvalidStatus, match="404"):
            async with live(emulator, path=PATH):
                pass
        async with live(emulator) as socket:
            assert decode_code_voice(await socket.say("Hello.")) == "Hello."
        assert not emulator.sessions[0].timestamps


async def test_the_plain_socket_tells_nothing() -> None:
    """Audio events of the plain socket hold audio and time alone."""
    async with emulated() as emulator, live(emulator) as socket:
        (event,) = await session(socket, "Hello.")
    assert event.keys() == {"event", "audio", "time"}


@pytest.mark.parametrize("kind", ["drop", "close", "error", "finish-error"])
@pytest.mark.parametrize(("point", "at"), [("audio", 0), ("audio", 2), ("finish", 0)])
async def test_speech_on_rest_breaks_off(kind: str, point: str, at: int) -> None:
    """A fault at a piece of the body, or before its end, cuts the connection."""
    fault = Fault(point, kind, at=at)  # type: ignore[arg-type]
    async with (
        emulated(fault, frame=0.05) as emulator,
        aiohttp.ClientSession(headers={"Authorization": "Bearer key"}) as http,
    ):
        fields = {"text": "One two three four five six.", "format": "pcm", "sample_rate": RATE}
        async with http.post(emulator.url + "/v1/tts", json=fields) as response:
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        assert emulator.sessions[0].outcome == "drop"
        assert emulator.sessions_open == 0


@pytest.mark.parametrize(("kind", "outcome"), [("silent", "finish"), ("finish-early", None)])
async def test_speech_on_rest_is_cut_short(kind: str, outcome: str | None) -> None:
    """Silent, or finished early, a body ends well with less in it."""
    fault = Fault("audio", kind, at=1)  # type: ignore[arg-type]
    async with (
        emulated(fault, frame=0.05) as emulator,
        aiohttp.ClientSession(headers={"Authorization": "Bearer key"}) as http,
    ):
        fields = {"text": "One two three four five six.", "format": "pcm", "sample_rate": RATE}
        async with http.post(emulator.url + "/v1/tts", json=fields) as response:
            assert len(await response.read()) == 0.05 * RATE * 2
        assert emulator.sessions[0].outcome == (outcome or kind)


async def test_speech_on_rest_stalls() -> None:
    """A stalled body gives nothing more until the client leaves."""
    async with (
        emulated(Fault("audio", "stall", at=1), frame=0.05) as emulator,
        aiohttp.ClientSession(headers={"Authorization": "Bearer key"}) as http,
    ):
        fields = {"text": "One two three four five six.", "format": "pcm", "sample_rate": RATE}
        async with http.post(emulator.url + "/v1/tts", json=fields) as response:
            assert await response.content.readexactly(2400)
            assert emulator.sessions_open == 1
        await emulator.wait_for(lambda e: e.sessions_open == 0)
        assert emulator.sessions[0].outcome == "left"
