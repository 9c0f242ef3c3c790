"""The account: credit and voices."""

from decimal import Decimal

import aiohttp
import pytest
from aiohttp import web

from wyoming_fish.emulator import Emulator, EmulatorSettings, Fault
from wyoming_fish.fish import FishClient, Voice
from wyoming_fish.fish.errors import (
    FishConnectionError,
    FishError,
    KeyRefusedError,
    ProtocolError,
    UnavailableError,
    VoiceNotFoundError,
)
from wyoming_fish.fish.settings import Endpoint


async def test_credit() -> None:
    """The credit is exact to the cent, and says whose it is."""
    settings = EmulatorSettings(credit=Decimal("12.34"), user_id="me")
    async with Emulator(settings) as emulator, FishClient(Endpoint("key", emulator.url)) as account:
        credit = await account.credit()
    assert (credit.user_id, credit.amount) == ("me", Decimal("12.34"))


async def test_own_voices() -> None:
    """The account's own voices are listed, and nobody else's."""
    async with Emulator() as emulator, FishClient(Endpoint("key", emulator.url)) as account:
        voices = await account.voices()
        own = [voice for voice in emulator.settings.voices if voice.mine]
    assert {voice.id for voice in voices} == {voice.id for voice in own}
    assert {voice.title for voice in voices} == {voice.title for voice in own}


@pytest.mark.parametrize("status", [401, 402, 429, 500])
async def test_a_refusal_is_no_missing_voice(status: int) -> None:
    """A voice is only told as missing if the server says so."""
    settings = EmulatorSettings(faults=[Fault("rest", status, times=None)])
    async with Emulator(settings) as emulator, FishClient(Endpoint("key", emulator.url)) as account:
        with pytest.raises(FishError) as caught:
            await account.voice("0" * 32)
    assert caught.value.status == status
    assert not isinstance(caught.value, VoiceNotFoundError)


async def test_search_and_one_voice() -> None:
    """Voices are found by their title among everyone's, and by their id."""
    async with Emulator() as emulator, FishClient(Endpoint("key", emulator.url)) as account:
        wanted = next(voice for voice in emulator.settings.voices if not voice.mine)
        found = await account.search(wanted.title)
        assert wanted.id in {voice.id for voice in found}
        assert len(await account.search(limit=1)) == 1
        assert (await account.voice(wanted.id)).title == wanted.title
        with pytest.raises(VoiceNotFoundError):
            await account.voice("0" * 32)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("rest", 401), KeyRefusedError),
        (Fault("rest", 503), UnavailableError),
        (Fault("rest", "drop", times=None), FishConnectionError),
    ],
)
async def test_failures(fault: Fault, error: type[FishError]) -> None:
    """Each failure is its own kind of error."""
    settings = EmulatorSettings(faults=[fault])
    async with Emulator(settings) as emulator, FishClient(Endpoint("key", emulator.url)) as account:
        with pytest.raises(error):
            await account.credit()


async def test_session_handed_in_stays_open() -> None:
    """A session of somebody else's is used and left as it is."""
    async with Emulator() as emulator, aiohttp.ClientSession() as session:
        async with FishClient(Endpoint("key", emulator.url), session=session) as account:
            await account.credit()
        assert not session.closed


async def _ask(
    pages: list[object], *, voice_id: str = ""
) -> tuple[list[Voice], list[str], Exception | None]:
    """What an account says whose server answers with ``pages`` one after another."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path_qs)
        page = pages[min(len(asked), len(pages)) - 1]
        if isinstance(page, bytes):
            return web.Response(body=page)
        return web.json_response(page)

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with FishClient(
            Endpoint("key", f"http://127.0.0.1:{runner.addresses[0][1]}")
        ) as account:
            try:
                if voice_id:
                    return [await account.voice(voice_id)], asked, None
                return await account.voices(), asked, None
            except FishError as error:
                return [], asked, error
    finally:
        await runner.cleanup()


async def test_lists_are_read_to_the_end() -> None:
    """All pages are asked for, and what shifted between two is listed once."""
    first = [{"_id": f"{number:032x}", "title": str(number)} for number in range(100)]
    second = [first[-1], {"_id": "f" * 32, "title": "last"}]
    voices, asked, _ = await _ask([{"total": 101, "items": first}, {"items": second}])
    assert len(voices) == 101
    assert len(asked) == 2
    assert "page_number=2" in asked[1]


async def test_odd_items_are_read_leniently() -> None:
    """What is missing or strange costs the field or the item, never the list."""
    items = [
        {"_id": "a"},
        {
            "_id": "b",
            "title": " B ",
            "languages": ["en", 5, ""],
            "samples": [{"audio": "http://x"}],
        },
        {
            "_id": "c",
            "title": 7,
            "languages": "en",
            "samples": "none",
            "author": [],
            "task_count": "9",
        },
        {"_id": "d", "samples": [None, {}], "author": {"nickname": "D"}, "task_count": 4},
        {"_id": "song", "type": "svc"},
        {"_id": "young", "state": "training"},
        {"title": "no id"},
        {"_id": 5},
        None,
        "text",
    ]
    voices, _, _ = await _ask([{"items": items}])
    assert voices == [
        Voice("a", "a"),
        Voice("b", "B", ("en",), sample="http://x"),
        Voice("c", "c"),
        Voice("d", "d", author="D", uses=4),
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("languages", ["en"] * 21),
        ("samples", [{"audio": f"https://x/{'a' * 600}"}]),
        ("samples", [{"audio": "https://x/語"}]),
    ],
)
async def test_long_fields_are_left_out(field: str, value: object) -> None:
    """A list of voices takes little memory, whatever strangers have written."""
    voices, _, _ = await _ask([{"items": [{"_id": "a", field: value}]}])
    assert voices == [Voice("a", "a")]


@pytest.mark.parametrize("page", [[], {"items": 5}, {}, b"<html>", b"", "text"])
async def test_answers_that_are_none(page: object) -> None:
    """A server that answers something else is not Fish Audio."""
    _, _, error = await _ask([page])
    assert isinstance(error, ProtocolError)


async def test_voice_that_cannot_speak() -> None:
    """A singing voice is not offered as one that speaks."""
    _, asked, error = await _ask([{"_id": "x", "type": "svc"}], voice_id="../x")
    assert isinstance(error, VoiceNotFoundError)
    assert asked == ["/model/..%2Fx"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"[" * 50_000, "is not JSON"),
        (b"[" + b"{}," * 100_000 + b"{}]", "has too many values"),
        (b'{"user_id": "x", "credit": 1' + b"0" * 5000 + b"}", "is not JSON"),
        (b" " * (9 * 2**20), "is too large"),
    ],
)
async def test_answers_without_bounds(answer: bytes, said: str) -> None:
    """What no Fish Audio sends is an error like any other, and is not read to its end."""

    async def answer_all(request: web.Request) -> web.Response:
        return web.Response(body=answer, content_type="application/json")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer_all)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with FishClient(Endpoint("key", url)) as account:
            for asked in (account.credit(), account.voices()):
                with pytest.raises(ProtocolError, match=said):
                    await asked
    finally:
        await runner.cleanup()
