"""What the engine tells of a reply."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from wyoming_fish.emulator import Emulator, EmulatorSettings, Fault
from wyoming_fish.fish import ConnectionPool, Endpoint, FishError, SpeechSettings, speak
from wyoming_fish.fish.reply_metrics import ReplyMetrics

RATE = 24000
TEXT = "Die Küche ist dunkel. Good night."


async def _tell(emulator: Emulator, *pieces: str) -> ReplyMetrics:
    """Speak it, and give its story when it has ended, well or not; check its seconds of audio."""

    async def text() -> AsyncIterator[str]:
        for piece in pieces:
            await asyncio.sleep(0.01)
            yield piece

    story = ReplyMetrics()
    sockets = ConnectionPool(Endpoint("key", emulator.url), warm=0)
    size = 0
    try:
        async for pcm in speak(sockets, text(), SpeechSettings(sample_rate=RATE), story=story):
            size += len(pcm)
    except FishError:
        pass
    finally:
        await sockets.close()
    assert story.audio == pytest.approx(size / 2 / RATE)
    return story


@pytest.mark.parametrize("websocket", [True, False])
async def test_times_and_sums(websocket: bool) -> None:
    """Text, sending and audio in their order, by websocket and by REST; bytes as billed."""
    faults = [] if websocket else [Fault("upgrade", 404, times=None)]
    async with Emulator(EmulatorSettings(first_audio=0.05, faults=faults)) as emulator:
        story = await _tell(emulator, "Die Küche ist dunkel. ", "Good night.")
    assert story.text_began is not None
    assert story.sent is not None
    assert story.heard is not None
    assert story.text_ended is not None
    assert story.text_began < story.text_ended
    assert story.text_began < story.sent < story.heard
    assert story.text_part is not None
    assert story.fish_part is not None
    assert story.fish_part >= 0.05
    assert story.first_audio == pytest.approx(story.text_part + story.fish_part)
    assert story.billed == len(TEXT.encode())
    assert story.retries == ([] if websocket else ["connection"])


async def test_each_try_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent again counts again, and each new try has its reason."""
    monkeypatch.setattr("wyoming_fish.fish.synthesis.retry_policy.FIRST_DELAY_S", 0.005)
    faults = [Fault("upgrade", 503), Fault("audio", "finish-error", times=1)]
    async with Emulator(EmulatorSettings(faults=faults)) as emulator:
        story = await _tell(emulator, "Good night.")
    assert story.retries == ["unavailable", "broken-stream"]
    assert story.billed == 2 * len("Good night.")


async def test_what_did_not_happen_is_not_told() -> None:
    """A reply that fails before it is heard, or has nothing to say, has no first audio."""
    async with Emulator(EmulatorSettings(faults=[Fault("upgrade", 402)])) as emulator:
        refused = await _tell(emulator, "Good night.")
        silent = await _tell(emulator, " … ")
    assert refused.text_began is not None
    for story in (refused, silent):
        assert (story.sent, story.heard, story.first_audio, story.fish_part) == (None,) * 4
        assert (story.billed, story.audio, story.retries) == (0, 0.0, [])


@pytest.mark.parametrize(
    "faults",
    [
        [Fault("text", "error")],
        [Fault("upgrade", 404, times=None), Fault("rest", 429)],
    ],
)
async def test_refused_text_is_not_billed(
    faults: list[Fault], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Fish refuses does not count, by websocket and by REST; what it then takes does."""
    monkeypatch.setattr("wyoming_fish.fish.synthesis.retry_policy.FIRST_DELAY_S", 0.005)
    async with Emulator(EmulatorSettings(faults=faults)) as emulator:
        story = await _tell(emulator, "Good night.")
    assert story.retries[-1] in ("unavailable", "limit")
    assert story.heard is not None
    assert story.billed == len("Good night.")


async def test_text_that_only_was_refused_is_not_billed() -> None:
    """A reply whose every session is refused costs nothing."""
    async with Emulator(EmulatorSettings(faults=[Fault("text", "error", times=None)])) as emulator:
        story = ReplyMetrics()
        sockets = ConnectionPool(Endpoint("key", emulator.url), warm=0)

        async def text() -> AsyncIterator[str]:
            yield "Good night."

        speech = speak(sockets, text(), SpeechSettings(), patience=0.1, story=story)
        with pytest.raises(FishError):
            await anext(speech)
        await sockets.close()
        assert len(emulator.sessions) > 1
    assert (story.heard, story.billed) == (None, 0)


async def test_a_second_attempt_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text that is sent again beside a late attempt was sent twice."""
    monkeypatch.setattr("wyoming_fish.fish.synthesis.live_attempt.LATE_S", 0.05)
    async with Emulator(EmulatorSettings(faults=[Fault("audio", "stall")])) as emulator:
        story = await _tell(emulator, "Good night.")
        assert len(emulator.sessions) == 2
    assert story.billed == 2 * len("Good night.")
