"""What the engine tells of a reply."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.fish.replies import speak
from wyoming_fish.emulator import Emulator, EmulatorSettings, Fault
from wyoming_fish.fish import Endpoint, FishClient, FishError, SpeechSettings
from wyoming_fish.fish.reply_metrics import ReplyMetrics

RATE = 24000
TEXT = "Die Küche ist dunkel. Good night."


async def _tell(emulator: Emulator, *pieces: str) -> ReplyMetrics:
    """Speak it, and give its story when it has ended, well or not; check its seconds of audio."""

    async def text() -> AsyncIterator[str]:
        for piece in pieces:
            await asyncio.sleep(0.01)
            yield piece

    metrics = ReplyMetrics()
    client = FishClient(Endpoint("key", emulator.url), warm=0)
    size = 0
    try:
        async for pcm in speak(client, text(), SpeechSettings(sample_rate=RATE), metrics=metrics):
            size += len(pcm)
    except FishError:
        pass
    finally:
        await client.close()
    assert metrics.audio == pytest.approx(size / 2 / RATE)
    return metrics


@pytest.mark.parametrize("websocket", [True, False])
async def test_times_and_sums(websocket: bool) -> None:
    """Text, sending and audio in their order, by websocket and by REST; bytes as billed."""
    faults = [] if websocket else [Fault("upgrade", 404, times=None)]
    async with Emulator(EmulatorSettings(first_audio=0.05, faults=faults)) as emulator:
        metrics = await _tell(emulator, "Die Küche ist dunkel. ", "Good night.")
    assert metrics.text_began is not None
    assert metrics.sent is not None
    assert metrics.heard is not None
    assert metrics.text_ended is not None
    assert metrics.text_began < metrics.text_ended
    assert metrics.text_began < metrics.sent < metrics.heard
    assert metrics.text_part is not None
    assert metrics.fish_part is not None
    assert metrics.fish_part >= 0.05
    assert metrics.first_audio == pytest.approx(metrics.text_part + metrics.fish_part)
    assert metrics.billed == len(TEXT.encode())
    assert metrics.retries == ([] if websocket else ["connection"])


async def test_each_try_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent again counts again, and each new try has its reason."""
    monkeypatch.setattr("wyoming_fish.fish.synthesis.retry_policy.FIRST_DELAY_S", 0.005)
    faults = [Fault("upgrade", 503), Fault("audio", "finish-error", times=1)]
    async with Emulator(EmulatorSettings(faults=faults)) as emulator:
        metrics = await _tell(emulator, "Good night.")
    assert metrics.retries == ["unavailable", "broken-stream"]
    assert metrics.billed == 2 * len("Good night.")


async def test_what_did_not_happen_is_not_told() -> None:
    """A reply that fails before it is heard, or has nothing to say, has no first audio."""
    async with Emulator(EmulatorSettings(faults=[Fault("upgrade", 402)])) as emulator:
        refused = await _tell(emulator, "Good night.")
        silent = await _tell(emulator, " … ")
    assert refused.text_began is not None
    for metrics in (refused, silent):
        assert (metrics.sent, metrics.heard, metrics.first_audio, metrics.fish_part) == (None,) * 4
        assert (metrics.billed, metrics.audio, metrics.retries) == (0, 0.0, [])


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
        metrics = await _tell(emulator, "Good night.")
    assert metrics.retries[-1] in ("unavailable", "limit")
    assert metrics.heard is not None
    assert metrics.billed == len("Good night.")


async def test_text_that_only_was_refused_is_not_billed() -> None:
    """A reply whose every session is refused costs nothing."""
    async with Emulator(EmulatorSettings(faults=[Fault("text", "error", times=None)])) as emulator:
        metrics = ReplyMetrics()
        client = FishClient(Endpoint("key", emulator.url), warm=0)

        async def text() -> AsyncIterator[str]:
            yield "Good night."

        speech = speak(client, text(), SpeechSettings(), first_audio_timeout_s=0.1, metrics=metrics)
        with pytest.raises(FishError):
            await anext(speech)
        await client.close()
        assert len(emulator.sessions) > 1
    assert (metrics.heard, metrics.billed) == (None, 0)


async def test_a_second_attempt_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text that is sent again beside a late attempt was sent twice."""
    monkeypatch.setattr("wyoming_fish.fish.synthesis.live_attempt.LATE_S", 0.05)
    async with Emulator(EmulatorSettings(faults=[Fault("audio", "stall")])) as emulator:
        metrics = await _tell(emulator, "Good night.")
        assert len(emulator.sessions) == 2
    assert metrics.billed == 2 * len("Good night.")
