"""The client as a program uses it: what it takes, what it gives, and what it leaves behind."""

import asyncio
import inspect
import re
import textwrap
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from tests.fish.replies import SENTENCES, SETTINGS, TEXT, fish, words
from tests.support.certificates import self_signed
from wyoming_fish import fish as package
from wyoming_fish.emulator import Emulator, EmulatorSettings, decode_code_voice
from wyoming_fish.fish import (
    Backend,
    CertificateError,
    ClosedError,
    Endpoint,
    FishClient,
    FishError,
    SettingsError,
    SpeechSettings,
    VoiceNotFoundError,
    errors,
)

HALF: str = "\ud83d"
"""Half of a character, which no encoding has."""


async def _pieces() -> AsyncIterator[str]:
    for sentence in SENTENCES:
        yield sentence


async def test_the_use_in_the_docstring_runs() -> None:
    """What the package's docstring shows works as it stands."""
    shown = str(package.__doc__).split("\n\n")[1]
    heard: list[bytes] = []
    seconds: list[object] = []
    async with Emulator(EmulatorSettings(voice="code")) as emulator:
        names = vars(package) | {
            "Endpoint": partial(Endpoint, base_url=emulator.url),
            "api_key": "key",
            "play": heard.append,
            "print": seconds.append,
        }
        exec(f"async def use():\n{textwrap.indent(shown, ' ')}", names)  # noqa: S102
        await names["use"]()
    assert decode_code_voice(b"".join(heard)) == "Good night."
    assert isinstance(seconds[0], float)


@pytest.mark.parametrize("text", [lambda: TEXT, _pieces, words], ids=["str", "sentences", "words"])
async def test_text_is_a_string_or_comes_in_pieces(
    text: Callable[[], str | AsyncIterator[str]],
) -> None:
    """The same is heard of a text, however it is given, and its metrics know when."""
    async with fish() as (_, client):
        async with client.speak(text(), SETTINGS) as reply:
            heard = b"".join([pcm async for pcm in reply])
        assert decode_code_voice(heard) == TEXT
        assert reply.metrics.first_audio is not None
        assert reply.metrics.billed == len(TEXT.encode())


async def test_a_voice_needs_no_settings() -> None:
    """The voice alone can be named; it takes the place of that of the settings."""
    async with fish() as (emulator, client):
        voice = emulator.settings.voices[0].id
        for settings in (SpeechSettings(), SpeechSettings(voice="1" * 32)):
            async with client.speak("Good night.", settings, voice=voice) as reply:
                assert [pcm async for pcm in reply]
        assert [session.request["reference_id"] for session in emulator.sessions] == [voice] * 2


async def test_a_body_that_raises_leaves_nothing_open() -> None:
    """An error during the audio closes the session, and every task of the reply has ended."""

    async def listen() -> None:
        async with client.speak(TEXT * 5, SETTINGS) as reply:
            async for _ in reply:
                raise LookupError

    async with fish(frame=0.01, pace=0.01, odd_frames=False) as (emulator, client):
        tasks = asyncio.all_tasks()
        with pytest.raises(LookupError):
            await listen()
        await emulator.wait_for(lambda e: e.sessions_open == 0)
        assert emulator.sessions[0].outcome == "left"
        assert _replies(tasks) == []
        assert client.status.sessions == 0


@pytest.mark.parametrize("keepalive_s", [None, 60.0])
async def test_a_reply_cancelled_before_its_first_audio_leaves_nothing_open(
    keepalive_s: float | None,
) -> None:
    """Whoever is cancelled while nothing has been heard yet closes the session, too."""

    async def listen() -> None:
        async with client.speak(TEXT, SETTINGS, keepalive_s=keepalive_s) as reply:
            async for _ in reply:
                raise AssertionError("Nothing can be heard yet.")

    async with fish(first_audio=60.0) as (emulator, client):
        tasks = asyncio.all_tasks()
        listening = asyncio.create_task(listen())
        await emulator.wait_for(lambda e: any(session.texts for session in e.sessions))
        listening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await listening
        assert _replies(tasks) == []
        assert client.status.sessions == 0
        await emulator.wait_for(lambda e: e.sessions_open == 0)


def _replies(before: set[asyncio.Task[object]]) -> list[object]:
    """The tasks of replies that have begun since."""
    new = asyncio.all_tasks() - before - {asyncio.current_task()}
    return [task for task in new if "synthesis" in str(task.get_coro())]


async def test_a_reply_that_is_not_listened_to_opens_nothing() -> None:
    """Only iterating speaks."""
    async with fish() as (emulator, client):
        async with client.speak(TEXT, SETTINGS) as reply:
            pass
        assert [pcm async for pcm in reply] == []
        assert emulator.sockets_opened == 0


def test_every_error_can_be_imported() -> None:
    """The package has all errors, and ``errors`` the same ones."""
    kinds = {kind for kind in vars(errors).values() if inspect.isclass(kind)}
    kinds = {kind for kind in kinds if issubclass(kind, FishError)}
    assert len(kinds) > 20
    assert {getattr(package, kind.__name__) for kind in kinds} == kinds
    assert {kind.__name__ for kind in kinds} <= set(package.__all__)


def test_all_that_signatures_name_can_be_imported() -> None:
    """What the client takes and gives needs no import from below it."""
    signatures = [
        str(inspect.signature(member))
        for name, member in inspect.getmembers(FishClient, inspect.isroutine)
        if not name.startswith("__") or name == "__init__"
    ]
    named = set(re.findall(r"\b[A-Z]\w+", " ".join(signatures)))
    ours = {
        name
        for name, value in vars(inspect.getmodule(FishClient)).items()
        if str(getattr(value, "__module__", "")).startswith(package.__name__)
    }
    assert {"Endpoint", "SpokenReply", "Voice"} <= named & ours
    assert named & ours <= set(package.__all__)


@pytest.mark.parametrize("voice", [HALF, " ", "line\nend", "x" * 257, ()])
async def test_what_a_caller_chose_wrongly_is_a_settings_error(voice: str | tuple[str]) -> None:
    """A voice that cannot be asked for is an error of Fish's own kind, before anything is sent."""
    async with fish() as (emulator, client):
        with pytest.raises(SettingsError, match="voice"):
            await client.speak(TEXT, voice=voice).__aenter__()
        assert emulator.sockets_opened == 0


async def test_what_no_voice_can_be_called_is_not_found() -> None:
    """Half of a character is neither a voice's ID nor part of a title."""
    async with fish() as (_, client):
        with pytest.raises(VoiceNotFoundError):
            await client.voice(HALF)
        assert await client.search(HALF) == []


async def test_a_closed_client_says_so() -> None:
    """After its end, speech and questions about the account are errors."""
    async with fish() as (emulator, client):
        await client.close()
        with pytest.raises(ClosedError):
            await client.credit()
        with pytest.raises(ClosedError):
            async with client.speak(TEXT, SETTINGS) as reply:
                assert not [pcm async for pcm in reply]
        assert emulator.sockets_opened == 0


async def test_the_status_follows_the_replies() -> None:
    """It tells what is in use, what waits, and what is ready."""
    async with fish(concurrency=7, pace=1.0) as (_, client):
        assert client.status == (False, False, 0, 5, 0, 0.0, 0, 0, 0, 0)
        client.prewarm(SETTINGS.backend)
        while not client.status.idle:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0)
        async with client.speak(TEXT, SETTINGS) as reply:
            async for _ in reply:
                break
            status = client.status
        assert (status.is_ready, status.sessions, status.limit, status.idle) == (True, 1, 7, 0)
        assert (status.opened, status.acquired, status.acquired_ready) == (1, 1, 1)
        assert client.status.sessions == 0


async def test_a_websocket_can_be_checked_alone() -> None:
    """It tells the account's limit and how long the upgrade took, and leaves nothing open."""
    async with fish(concurrency=9) as (emulator, client):
        check = await client.check_websocket(Backend.S1)
        assert check.limit == 9
        assert check.upgrade_s > 0
        await emulator.wait_for(lambda e: e.sockets_open == 0)


async def test_a_certificate_is_checked_by_the_system_if_nothing_else_is_said(
    tmp_path: Path,
) -> None:
    """Without trust of its own, the client refuses a server that this machine does not trust."""
    serving = self_signed(tmp_path)
    async with await asyncio.start_server(lambda *_: None, "localhost", 0, ssl=serving) as server:
        port = server.sockets[0].getsockname()[1]
        async with FishClient(Endpoint("key", f"https://localhost:{port}")) as client:
            with pytest.raises(CertificateError):
                await client.check_websocket(Backend.S1)
            with pytest.raises(CertificateError):
                await client.credit()


@pytest.mark.parametrize("concurrency", [0, -1])
def test_a_client_without_sessions_is_a_settings_error(concurrency: int) -> None:
    """A limit under which every reply would wait in vain is refused when it is set."""
    with pytest.raises(SettingsError, match="concurrency"):
        FishClient(Endpoint("key"), concurrency=concurrency)
