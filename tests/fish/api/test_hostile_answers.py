"""Whatever a server answers is an error at most."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Any

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.hostile_servers import HostileFish, Send, audio, fish, http
from wyoming_fish.fish import Backend, Credit, Endpoint, FishClient, FishError, Voice
from wyoming_fish.fish.api.live_connection import open_live_connection
from wyoming_fish.fish.api.live_protocol import Audio, LiveSession
from wyoming_fish.fish.bounded_json import MAX_FRAME_VALUES, concurrency_limit, unpack
from wyoming_fish.fish.error_mapping import error_from_status
from wyoming_fish.fish.errors import LimitError, ProtocolError
from wyoming_fish.fish.synthesis.resume import SpokenTextTracker

TEXT = "Good night. The doors are locked."

# What may stand in a field. Text has control characters and halves of surrogate pairs.
NUMBERS = st.integers() | st.floats() | st.sampled_from((10**400, -(10**4000), 1e308))
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(st.characters()) | st.just("x" * 5000),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
# MessagePack has no larger numbers, and no halves of surrogate pairs.
PACKED = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)

VOICE = {
    "_id": "a" * 32,
    "title": "Anna",
    "type": "tts",
    "state": "trained",
    "languages": ["en"],
    "description": "",
    "author": {"nickname": "me"},
    "task_count": 1,
    "samples": [{"audio": "https://example.org/x.mp3"}],
}
CREDIT = {"user_id": "me", "credit": "1.5"}

SEGMENT = {"text": "Good", "start": 0.0, "end": 0.3}
AUDIO = {
    "event": "audio",
    "audio": bytes(200),
    "chunk_seq": 0,
    "chunk_audio_offset_sec": 0.0,
    "content": "Good night.",
    "alignment": {"segments": [SEGMENT], "audio_duration": 0.3},
}


def _with_any(message: dict[str, Any], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The message with another value in one of its fields; or any value in its place."""
    fields = st.sampled_from(sorted(message))
    return values | st.builds(lambda field, value: message | {field: value}, fields, values)


@contextlib.contextmanager
def _serving(loop: asyncio.AbstractEventLoop) -> Iterator[tuple[HostileFish, FishClient]]:
    async def start() -> tuple[HostileFish, FishClient, contextlib.AsyncExitStack]:
        stack = contextlib.AsyncExitStack()
        hostile = await stack.enter_async_context(fish(HostileFish()))
        account = await stack.enter_async_context(FishClient(Endpoint("key", hostile.url)))
        return hostile, account, stack

    hostile, account, stack = loop.run_until_complete(start())
    try:
        yield hostile, account
    finally:
        loop.run_until_complete(stack.aclose())


def test_any_value_in_an_answer_about_the_account() -> None:
    """What cannot be read is an error of its own kind; what can be is bounded and printable."""
    with asyncio.Runner() as runner, _serving(runner.get_loop()) as (hostile, account):

        async def ask(answer: object, question: Callable[[], Awaitable[Any]]) -> Any:
            async def send_answer(send: Send) -> None:
                await send(http(json.dumps(answer).encode()))

            hostile.answer = send_answer
            with contextlib.suppress(FishError):
                return await question()
            return None

        @given(_with_any(VOICE, JSON), _with_any(CREDIT, JSON))
        def check(voice: object, credit: object) -> None:
            for answer in ({"items": [voice]}, {"items": voice}, voice):
                for found in runner.run(ask(answer, account.voices)) or []:
                    _check_voice(found)
            if (found := runner.run(ask(voice, lambda: account.voice("x")))) is not None:
                _check_voice(found)
            read = runner.run(ask(credit, account.credit))
            if read is not None:
                assert isinstance(read, Credit)
                assert read.user_id.isprintable()
                assert len(f"{read.amount:.2f}") < 20

        check()


async def test_a_list_of_voices_that_is_not_a_list() -> None:
    """What is told says what cannot be read."""

    async def answer(send: Send) -> None:
        await send(http(b'{"items": 5}'))

    async with (
        fish(HostileFish(answer=answer)) as hostile,
        FishClient(Endpoint("key", hostile.url)) as account,
    ):
        with pytest.raises(ProtocolError, match="list of voices cannot be read"):
            await account.voices()


def _check_voice(voice: Voice) -> None:
    texts = (voice.id, voice.title, voice.author, *voice.languages, voice.sample or "")
    for text in texts:
        text.encode()
        assert "\n" not in text
        assert "\x1b" not in text
        assert len(text) <= 1000
    assert 0 <= voice.uses <= 10**12


@pytest.mark.parametrize(
    "credit", ["1e999999", "1" * 40, True, float("inf"), float("nan"), None, [], 10**30]
)
async def test_an_amount_that_is_not_one(credit: object) -> None:
    """A number that is not money is told as an answer that cannot be read."""

    async def answer(send: Send) -> None:
        await send(http(json.dumps({"user_id": "me", "credit": credit}).encode()))

    async with (
        fish(HostileFish(answer=answer)) as hostile,
        FishClient(Endpoint("key", hostile.url)) as account,
    ):
        with pytest.raises(ProtocolError, match="about the credit"):
            await account.credit()


@pytest.mark.parametrize("credit", ["12.34", 12.34, "-0.5", 0])
async def test_an_amount(credit: object) -> None:
    """An amount is read from text and from a number, and may be below zero."""

    async def answer(send: Send) -> None:
        await send(http(json.dumps({"user_id": "me", "credit": credit}).encode()))

    async with (
        fish(HostileFish(answer=answer)) as hostile,
        FishClient(Endpoint("key", hostile.url)) as account,
    ):
        assert (await account.credit()).amount == Decimal(str(credit))


@given(st.integers(300, 599), st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_refusal(status: int, body: bytes) -> None:
    """Any body of a refusal becomes one short printable line."""
    text = str(error_from_status(status, body))
    assert text.replace("\u200c", "").replace("\u200d", "").isprintable()
    assert len(text) < 1000


@given(st.lists(JSON))
def test_any_list_of_wrong_fields(fields: list[object]) -> None:
    """A list of what is wrong with a request may hold anything."""
    body = json.dumps([{"loc": field, "msg": field} for field in fields]).encode()
    assert len(str(error_from_status(422, body))) < 1000


@given(st.lists(_with_any(AUDIO, PACKED) | _with_any({"event": "error", "error": ""}, PACKED)))
def test_any_message_of_a_session(messages: list[object]) -> None:
    """Any value in any field of a message is audio, nothing, or an error."""
    session, progress = LiveSession(), SpokenTextTracker(44100)
    session.start({})
    progress.on_sent(TEXT)
    with contextlib.suppress(FishError):
        for message in messages:
            said = session.receive(ormsgpack.packb(message))
            if isinstance(said, Audio):
                progress.on_audio(said)
    progress.spoken()
    progress.left()


@given(PACKED, st.integers(0, 200))
def test_the_values_of_a_frame_are_counted_as_they_are(value: object, cut: int) -> None:
    """What the count lets pass is what MessagePack reads, whole or cut off."""
    frame = ormsgpack.packb({"a": value})
    assert unpack(frame).keys() == {"a"}
    with contextlib.suppress(ProtocolError):
        unpack(frame[:cut])


@given(st.integers(1, MAX_FRAME_VALUES // 2), st.booleans())
def test_a_frame_of_many_values(width: int, nested: bool) -> None:
    """Values are counted in all, however they are spread over lists and maps."""
    inner: list[object] = [[] for _ in range(width)]
    lists = MAX_FRAME_VALUES // width + 1
    value = {str(n): inner for n in range(lists)} if nested else [inner] * lists
    with pytest.raises(ProtocolError, match="too many values"):
        unpack(ormsgpack.packb({"event": "log", "x": value}))


@pytest.mark.parametrize(
    "value", ["", "x", "-1", "0", "9" * 5000, "٣x", True, -1, 2**64, 1.5, None]
)
def test_a_limit_that_is_not_one(value: object) -> None:
    """A number of sessions that no account has is passed over."""
    assert concurrency_limit(value) is None


@pytest.mark.parametrize("value", [5, "5", "٥"])
def test_a_limit(value: object) -> None:
    """A number of sessions is read from a header and from a message."""
    assert concurrency_limit(value) == 5


@pytest.mark.parametrize("limit", [True, -1, 2**64 - 1, "9" * 100, None])
def test_a_refusal_may_name_any_limit(limit: object) -> None:
    """A refusal tells only a limit that an account may have."""
    session = LiveSession()
    session.start({})
    refusal = {"event": "error", "error": "Concurrency limit exceeded", "max_concurrency": limit}
    with pytest.raises(LimitError) as raised:
        session.receive(ormsgpack.packb(refusal))
    assert raised.value.limit is None


@pytest.mark.parametrize("size", [250_000, 300_000])
async def test_a_message_is_bounded(size: int) -> None:
    """Five times as much audio as Fish Audio sends at a time is heard; more is given up."""

    async def answer(send: Send) -> None:
        await send(audio(size))

    async with fish(HostileFish(live=answer)) as hostile:
        socket = await open_live_connection(Endpoint("key", hostile.url), Backend.S2_1_PRO)
        session = socket.begin()
        await socket.send(session.start({}))
        if size < 2**18:
            assert session.receive(await socket.receive()) == Audio(bytes(size))
        else:
            with pytest.raises(ProtocolError, match="cannot be read"):
                await socket.receive()
        await socket.close()


KINDS_OF_NUMBERS = (1, 200, 300, 70_000, 2**40, -1, -100, -300, -70_000, -(2**40), 1.5)


@pytest.mark.parametrize(
    "value", [*KINDS_OF_NUMBERS, "", "a" * 40, "a" * 300, b"a", b"a" * 300, None, True]
)
def test_values_of_a_frame_are_counted(value: object) -> None:
    """Whatever comes before a list, a frame can have so many values, and not one more."""
    before = {f"field {number}": value for number in range(9)}
    # The map, and all its keys, are values, too.
    most = [0] * (MAX_FRAME_VALUES - 2 * len(before) - 3)
    assert unpack(ormsgpack.packb({**before, "a": most})) == {**before, "a": most}
    with pytest.raises(ProtocolError, match="too many values"):
        unpack(ormsgpack.packb({**before, "a": [*most, 0]}))
