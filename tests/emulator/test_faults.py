import asyncio

import aiohttp
import pytest
from websockets.exceptions import InvalidMessage, InvalidStatus

from tests.emulator.client import Live, emulated, live
from wyoming_fish.emulator import Emulator, Fault, decode_code_voice
from wyoming_fish.emulator.settings import FaultKind, FaultPoint

SENTENCES = ("One. ", "Two. ", "Three. ")
IN_SESSION: tuple[FaultPoint, ...] = ("start", "text", "audio", "finish")


async def speak_sentences(socket: Live) -> None:
    """Start a session, flush each sentence, stop."""
    await socket.start()
    for sentence in SENTENCES:
        await socket.text(sentence)
        await socket.flush()
    await socket.stop()


async def connect(emulator: Emulator) -> None:
    """Open a socket and leave."""
    async with live(emulator):
        pass


def heard(events: list[dict[str, object]]) -> str:
    """The text of the audio among the events."""
    audio = [event["audio"] for event in events if event["event"] == "audio"]
    return decode_code_voice(b"".join(piece for piece in audio if isinstance(piece, bytes)))


async def assert_well(socket: Live) -> None:
    """All that is said on the socket is heard."""
    await speak_sentences(socket)
    audio, finish = await socket.rest()
    assert decode_code_voice(b"".join(audio)) == "".join(SENTENCES)
    assert finish["reason"] == "stop"


@pytest.mark.parametrize("status", [401, 402, 404, 426, 429, 500, 503, 599])
async def test_an_upgrade_is_refused_with_a_status(status: int) -> None:
    """A status at the upgrade strikes as often as told, then the emulator is well again."""
    fault = Fault("upgrade", status, times=2)
    async with emulated(fault) as emulator:
        for _ in range(2):
            with pytest.raises(InvalidStatus, match=str(status)):
                async with live(emulator):
                    pass
        async with live(emulator) as socket:
            await assert_well(socket)
        assert emulator.struck == [fault, fault]
        assert emulator.sockets_opened == 1


async def test_an_upgrade_is_dropped() -> None:
    """A drop at the upgrade ends the connection without an answer."""
    async with emulated(Fault("upgrade", "drop")) as emulator:
        with pytest.raises((InvalidMessage, ConnectionError)):
            async with live(emulator):
                pass
        async with live(emulator) as socket:
            await assert_well(socket)


async def test_an_upgrade_is_never_answered() -> None:
    """A stall at the upgrade lasts until the client gives up, and holds up no other."""
    async with emulated(Fault("upgrade", "stall")) as emulator:
        waiting = asyncio.create_task(connect(emulator))
        await emulator.wait_for(lambda e: len(e.struck) == 1)
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        async with live(emulator) as socket:
            await assert_well(socket)


@pytest.mark.parametrize("times", [1, 3, None])
async def test_a_fault_strikes_as_often_as_told(times: int | None) -> None:
    """A fault strikes the first `times` sessions, or every one, and each strike is counted."""
    fault = Fault("start", "error", times=times)
    async with emulated(fault) as emulator:
        for number in range(4):
            async with live(emulator) as socket:
                if times is None or number < times:
                    await socket.start()
                    events, _ = await socket.until_closed()
                    assert [event["event"] for event in events] == ["error"]
                else:
                    await assert_well(socket)
        assert emulator.struck == [fault] * (4 if times is None else times)


@pytest.mark.parametrize(
    ("kind", "event", "code"),
    [("drop", None, 1006), ("close", None, 1011), ("error", "error", 1000)],
)
@pytest.mark.parametrize(
    ("point", "at", "spoken"),
    [
        ("start", 0, ""),
        ("text", 0, ""),
        ("audio", 0, ""),
        ("audio", 1, "One. "),
        ("audio", 2, "One. Two. "),
        ("finish", 0, "One. Two. Three. "),
    ],
)
async def test_a_socket_breaks(
    point: FaultPoint, at: int, spoken: str, kind: FaultKind, event: str | None, code: int
) -> None:
    """At each point a socket can break off: with an error event, a close frame, or nothing."""
    async with emulated(Fault(point, kind, at=at)) as emulator:
        async with live(emulator) as socket:
            await speak_sentences(socket)
            events, closed = await socket.until_closed()
            assert closed == code
            assert heard(events) == spoken
            rest = [each["event"] for each in events if each["event"] != "audio"]
            assert rest == ([event] if event else [])
        await emulator.wait_for(lambda e: e.sockets_open == 0)
        assert emulator.sessions_open == 0
        assert [record.outcome for record in emulator.sessions] == [kind]
        async with live(emulator) as socket:
            await assert_well(socket)


@pytest.mark.parametrize("point", IN_SESSION)
async def test_finish_tells_of_an_error(point: FaultPoint) -> None:
    """finish-error is a finish with the reason error and a message; the slot is free again."""
    async with emulated(Fault(point, "finish-error"), concurrency=1) as emulator:
        async with live(emulator) as socket, live(emulator) as other:
            await socket.start(text="Hello. ")
            await socket.text("More.")
            if point in ("audio", "finish"):
                await socket.stop()
            _, finish = await socket.rest()
            assert (finish["event"], finish["reason"]) == ("finish", "error")
            assert finish["message"]
            await assert_well(other)
        assert [record.outcome for record in emulator.sessions] == ["finish-error", "finish"]


async def test_a_socket_whose_session_failed_takes_no_other() -> None:
    """After finish with an error the socket stays open, but refuses another start."""
    async with emulated(Fault("start", "finish-error")) as emulator, live(emulator) as socket:
        await socket.start()
        assert (await socket.receive())["reason"] == "error"
        await socket.start()
        (error,), _ = await socket.until_closed()
        assert "connect again" in error["error"]


@pytest.mark.parametrize(
    ("point", "at", "spoken"), [("text", 1, None), ("audio", 1, "One. "), ("start", 0, "")]
)
async def test_finish_comes_too_early(point: FaultPoint, at: int, spoken: str | None) -> None:
    """finish-early is a finish that sounds well although text was left unspoken."""
    async with emulated(Fault(point, "finish-early", at=at)) as emulator, live(emulator) as socket:
        await socket.start()
        await socket.text("One. ")
        await socket.flush()
        await socket.text("Two. ")
        await socket.flush()
        audio, finish = await socket.rest()
        assert finish["reason"] == "stop"
        if spoken is not None:
            assert decode_code_voice(b"".join(audio)) == spoken
        assert emulator.sessions[0].outcome == "finish-early"
        assert emulator.sessions_open == 0


@pytest.mark.parametrize(
    ("point", "at", "spoken"),
    [("start", 0, ""), ("text", 0, ""), ("audio", 0, ""), ("audio", 1, "One. ")],
)
async def test_a_session_falls_silent(point: FaultPoint, at: int, spoken: str) -> None:
    """A silent session sends no audio from there on and finishes as if all were well."""
    async with emulated(Fault(point, "silent", at=at)) as emulator, live(emulator) as socket:
        await speak_sentences(socket)
        audio, finish = await socket.rest()
        assert decode_code_voice(b"".join(audio)) == spoken
        assert finish["reason"] == "stop"
        assert len(emulator.struck) == 1
        await assert_well(socket)


@pytest.mark.parametrize("point", IN_SESSION)
async def test_a_session_stalls(point: FaultPoint) -> None:
    """A stalled session sends nothing more, hears on, and is open until its client leaves."""
    async with emulated(Fault(point, "stall")) as emulator:
        async with live(emulator) as socket:
            await speak_sentences(socket)
            await emulator.wait_for(lambda e: e.sessions[0].stopped and len(e.struck) == 1)
            await (await socket.websocket.ping())
            assert emulator.sessions_open == 1
            if point == "finish":
                audio = [await socket.audio() for _ in SENTENCES]
                assert decode_code_voice(b"".join(audio)) == "".join(SENTENCES)
            emulator_is_quiet = emulator.sessions[0].audio_events
        await emulator.wait_for(lambda e: e.sessions_open == 0)
        assert emulator.sessions[0].audio_events == emulator_is_quiet
        assert emulator.sessions[0].outcome == "left"


async def test_the_first_fault_that_fits_strikes() -> None:
    """Faults strike in the order of the list, each its own number of times."""
    first, second = Fault("start", "error"), Fault("start", "close")
    async with emulated(first, second) as emulator:
        for code in (1000, 1011):
            async with live(emulator) as socket:
                await socket.start()
                assert (await socket.until_closed())[1] == code
        assert emulator.struck == [first, second]


async def test_faults_may_be_added_meanwhile() -> None:
    """A fault put into the settings strikes the next session."""
    async with emulated() as emulator, live(emulator) as socket:
        await assert_well(socket)
        emulator.settings.faults.append(Fault("start", "close"))
        await socket.start()
        assert (await socket.until_closed())[1] == 1011


async def test_rest_is_refused_with_a_status() -> None:
    """A status at "rest" answers the next request, whatever it is."""
    async with (
        emulated(Fault("rest", 503), Fault("rest", 429)) as emulator,
        aiohttp.ClientSession(headers={"Authorization": "Bearer key"}) as http,
    ):
        async with http.get(emulator.url + "/model") as response:
            assert response.status == 503
            assert await response.json() == {"status": 503, "message": "Service Unavailable"}
        async with http.post(emulator.url + "/v1/tts", json={"text": "Hi."}) as response:
            assert response.status == 429
        async with http.get(emulator.url + "/model") as response:
            assert response.status == 200


async def test_rest_is_dropped() -> None:
    """A drop at "rest" ends the connection without an answer."""
    async with (
        emulated(Fault("rest", "drop", times=None)) as emulator,
        aiohttp.ClientSession(headers={"Authorization": "Bearer key"}) as http,
    ):
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await http.post(emulator.url + "/v1/tts", json={"text": "Hi."})


@pytest.mark.parametrize(
    ("point", "kind", "at"),
    [
        ("start", 503, 0),
        ("upgrade", "error", 0),
        ("rest", "silent", 0),
        ("finish", "finish-early", 0),
        ("finish", "silent", 0),
        ("audio", "explode", 0),
        ("elsewhere", "drop", 0),
        ("start", "drop", 1),
    ],
)
def test_a_fault_that_cannot_be_is_refused(point: str, kind: str | int, at: int) -> None:
    """A fault that would never strike is a mistake in the test that made it."""
    with pytest.raises(ValueError, match=r"cannot|no such point"):
        Fault(point, kind, at=at)  # type: ignore[arg-type]
