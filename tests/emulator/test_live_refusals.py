from decimal import Decimal
from typing import Any

import ormsgpack
import pytest
from websockets.exceptions import InvalidStatus

from tests.emulator.client import emulated, live
from wyoming_fish.emulator import VOICES, decode_code_voice


@pytest.mark.parametrize("key", ["", "another"])
async def test_a_wrong_key_is_refused(key: str) -> None:
    """The upgrade is answered with 401 and Fish's words."""
    async with emulated(key="right") as emulator:
        with pytest.raises(InvalidStatus) as refusal:
            async with live(emulator, key=key):
                pass
        response = refusal.value.response
        assert response.status_code == 401
        assert response.body == b'{"status": 401, "message": "Invalid Token"}'
        assert emulator.sockets_opened == 0


async def test_an_empty_wallet_is_refused() -> None:
    """Without credit the upgrade is answered with 402 and the header that names the cause."""
    async with emulated(credit=Decimal(0)) as emulator:
        with pytest.raises(InvalidStatus) as refusal:
            async with live(emulator):
                pass
        response = refusal.value.response
        assert response.status_code == 402
        assert response.headers["x-fish-error-code"] == "insufficient_balance"
        assert b"Insufficient API credit" in (response.body or b"")


async def test_the_free_backend_needs_no_credit() -> None:
    """s2.1-pro-free speaks with an empty wallet; a typo of it does not."""
    async with emulated(credit=Decimal(0)) as emulator:
        async with live(emulator, model="s2.1-pro-free") as socket:
            await socket.start(text="Hello.")
            await socket.flush()
            assert decode_code_voice(await socket.audio()) == "Hello."
        with pytest.raises(InvalidStatus, match="402"):
            async with live(emulator, model="s2.1-pro-fre"):
                pass


@pytest.mark.parametrize(
    ("model", "backend"),
    [
        ("s1", "s1"),
        ("s2-pro", "s2-pro"),
        ("drama-3", "drama-3"),
        ("speech-1.5", "s2.1-pro"),
        (None, "s2.1-pro"),
    ],
)
async def test_an_unknown_backend_is_the_paid_default(model: str | None, backend: str) -> None:
    """A missing or unknown model header silently means s2.1-pro."""
    async with emulated() as emulator, live(emulator, model=model) as socket:
        await socket.start()
        await emulator.wait_for(lambda e: len(e.sessions) == 1)
        assert emulator.sessions[0].backend == backend


async def test_answers_tell_the_limits() -> None:
    """The upgrade carries the account's concurrency and a trace id."""
    async with emulated(concurrency=3) as emulator, live(emulator) as first:
        await first.start()
        await emulator.wait_for(lambda e: e.sessions_open == 1)
        async with live(emulator) as second:
            assert second.websocket.response is not None
            headers = second.websocket.response.headers
            assert headers["ratelimit-limit-concurrency"] == "3"
            assert headers["ratelimit-current-concurrency"] == "1"
            assert headers["x-fish-trace-id"]


BAD_REQUESTS: list[tuple[dict[str, Any], str]] = [
    ({"format": "flac"}, "unknown variant `flac`, expected one of `wav`, `pcm`, `mp3`, `opus`"),
    ({"latency": "fast"}, "unknown variant `fast`, expected one of `low`, `balanced`, `normal`"),
    ({"sample_rate": 22050}, "Invalid sample rate 22050 for format pcm. Supported"),
    ({"sample_rate": 48000}, "Invalid sample rate 48000 for format pcm. Supported"),
    ({"format": "mp3", "sample_rate": 24000}, "Invalid sample rate 24000 for format mp3"),
    ({"format": "opus", "sample_rate": 44100}, "Invalid sample rate 44100 for format opus"),
    ({"opus_bitrate": 100}, "unknown variant `100`, expected one of `-1000`"),
    ({"mp3_bitrate": 100}, "unknown variant `100`"),
    ({"prosody": {"speed": 2.5}}, "speed must be in [0.5, 2.0]"),
    ({"prosody": {"speed": float("nan")}}, "speed must be in"),
    ({"prosody": {"volume": -21}}, "volume must be in [-20.0, 20.0]"),
    ({"prosody": "fast"}, "prosody: invalid type"),
    ({"chunk_length": 99}, "chunk_length must be in [100, 300]"),
    ({"chunk_length": 301}, "chunk_length must be in [100, 300]"),
    ({"chunk_length": 200.0}, "chunk_length: invalid type"),
    ({"min_chunk_length": 101}, "min_chunk_length must be in [0, 100]"),
    ({"temperature": "hot"}, "temperature: invalid type"),
    ({"normalize": 1}, "normalize: invalid type"),
    ({"references": "none"}, "references: invalid type"),
    ({"reference_id": "0" * 32}, "Reference not found"),
    ({"reference_id": ""}, "Reference not found"),
    ({"reference_id": [VOICES[0].id, "0" * 32]}, "Reference not found"),
    ({"reference_id": []}, "untagged enum MultiSpeakerReference"),
    ({"reference_id": 7}, "untagged enum MultiSpeakerReference"),
    ({"text": None}, "missing field `text`"),
    ({"text": b"bytes"}, "text: invalid type"),
]


@pytest.mark.parametrize(("fields", "message"), BAD_REQUESTS)
async def test_a_bad_start_is_refused(fields: dict[str, Any], message: str) -> None:
    """A start that Fish would not take is answered with an error event, then the socket closes."""
    async with emulated() as emulator, live(emulator) as socket:
        await socket.start(**fields)
        (error,), code = await socket.until_closed()
        assert error["event"] == "error"
        assert message in error["error"]
        assert code == 1000
        assert emulator.errors == [error["error"]]
        assert emulator.sessions[0].outcome == "refused"
        assert emulator.sessions_open == 0


@pytest.mark.parametrize(
    "fields",
    [
        dict.fromkeys(("format", "latency", "sample_rate", "prosody", "reference_id")),
        {"reference_id": [VOICES[0].id, VOICES[1].id]},
        {"reference_id": None, "prosody": {"speed": None, "volume": 3}},
        {"references": [], "opus_bitrate": 32, "temperature": 2, "seed": 7, "model": "s1"},
        {"latency": "low", "chunk_length": 100, "min_chunk_length": 0, "sample_rate": 8000},
    ],
)
async def test_what_fish_accepts_is_accepted(fields: dict[str, Any]) -> None:
    """Null is as good as nothing, fields unknown to Fish and the SDKs' old ones are passed over."""
    async with emulated() as emulator, live(emulator) as socket:
        await socket.start(**{"text": "Hello. ", **fields})
        await socket.stop()
        heard, finish = await socket.rest()
        assert heard
        assert finish["reason"] == "stop"


async def test_several_speakers_are_not_for_s1() -> None:
    """A list of references is refused on s1."""
    async with emulated() as emulator, live(emulator, model="s1") as socket:
        await socket.start(reference_id=[VOICES[0].id, VOICES[1].id])
        (error,), _ = await socket.until_closed()
        assert "MultiSpeakerReference" in error["error"]


@pytest.mark.parametrize("event", ["text", "flush", "stop"])
async def test_nothing_goes_before_start(event: str) -> None:
    """Text, flush and stop without a session are answered with an error event and a close."""
    async with emulated() as emulator, live(emulator) as socket:
        await socket.send(event, text="Hello.")
        (error,), code = await socket.until_closed()
        assert (error["event"], code) == ("error", 1000)
        assert "no session is open" in error["error"]
        assert emulator.sessions == []


async def test_one_session_at_a_time() -> None:
    """A second start ends the session that is open, with an error event and a close."""
    async with emulated(first_audio=60.0) as emulator, live(emulator) as socket:
        await socket.start(text="Hello.")
        await socket.start()
        (error,), _ = await socket.until_closed()
        assert "a session is open" in error["error"]
        assert [record.outcome for record in emulator.sessions] == ["error"]
        assert emulator.sessions_open == 0


@pytest.mark.parametrize("event", ["text", "flush", "stop"])
async def test_nothing_follows_stop(event: str) -> None:
    """Text, flush and stop between stop and finish are refused."""
    async with emulated(first_audio=60.0) as emulator, live(emulator) as socket:
        await socket.start(text="Hello.")
        await socket.stop()
        await socket.send(event, text="More.")
        (error,), _ = await socket.until_closed()
        assert "the session was stopped" in error["error"]


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"\xc1",
        b"\xa1\xff",
        b"\x91" * 5000,
        ormsgpack.packb(["start"]),
        ormsgpack.packb({"event": "begin"}),
        ormsgpack.packb({"event": None}),
        ormsgpack.packb({}),
        ormsgpack.packb({"event": "start"}),
        ormsgpack.packb({"event": "start", "request": []}),
    ],
)
async def test_what_is_no_event_is_refused(message: bytes) -> None:
    """A binary frame that is not a MessagePack map or not a known event closes the socket."""
    async with emulated() as emulator, live(emulator) as socket:
        await socket.websocket.send(message)
        (error,), code = await socket.until_closed()
        assert (error["event"], code) == ("error", 1000)


@pytest.mark.parametrize("text", [None, 5, b"bytes"])
async def test_text_is_a_string(text: object) -> None:
    """A text event whose text is not a string ends the session with an error."""
    async with emulated() as emulator, live(emulator) as socket:
        await socket.start()
        await socket.send("text", text=text)
        (error,), _ = await socket.until_closed()
        assert "expected a string" in error["error"]
        assert emulator.sessions[0].outcome == "error"


async def test_more_sessions_than_the_limit_are_refused() -> None:
    """One session too many is told the limit and closed; those that run are not disturbed."""
    async with emulated(concurrency=2) as emulator, live(emulator) as one, live(emulator) as two:
        await one.start()
        await two.start()
        await emulator.wait_for(lambda e: e.sessions_open == 2)
        async with live(emulator) as three:
            await three.start()
            (error,), _ = await three.until_closed()
            assert error == {
                "event": "error",
                "error": "Concurrency limit exceeded",
                "max_concurrency": 2,
            }
        await one.text("Hello.")
        await one.stop()
        heard, _ = await one.rest()
        assert decode_code_voice(b"".join(heard)) == "Hello."
        async with live(emulator) as four:
            await four.start(text="Free.")
            await four.stop()
            heard, _ = await four.rest()
            assert decode_code_voice(b"".join(heard)) == "Free."
        assert [record.outcome for record in emulator.sessions].count("refused") == 1


async def test_an_idle_socket_takes_no_slot() -> None:
    """Open sockets without a session do not count against the limit."""
    async with emulated(concurrency=1) as emulator, live(emulator), live(emulator) as socket:
        await socket.start(text="Hello.")
        await socket.stop()
        heard, _ = await socket.rest()
        assert decode_code_voice(b"".join(heard)) == "Hello."
