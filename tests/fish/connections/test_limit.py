"""How the account's limit is kept while replies are spoken, and the client when it is closed."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.fish.replies import pool_of, speak
from tests.support.idle_clock import pass_time, run
from wyoming_fish.emulator import Emulator, EmulatorSettings, Fault
from wyoming_fish.fish import Endpoint, FishClient, SpeechSettings
from wyoming_fish.fish.errors import ClosedError
from wyoming_fish.fish.reply_metrics import ReplyMetrics


async def test_the_limit_of_an_error_is_learnt() -> None:
    """Fish's own error names the limit, and there is no second refusal."""

    async def text() -> AsyncIterator[str]:
        yield "Good night."

    async def reply(client: FishClient) -> ReplyMetrics:
        metrics = ReplyMetrics()
        async for _ in speak(client, text(), SpeechSettings(), metrics=metrics):
            pass
        return metrics

    async with Emulator(EmulatorSettings(voice="tone", concurrency=5)) as emulator:
        client = FishClient(Endpoint("key", emulator.url))
        await asyncio.gather(*(reply(client) for _ in range(2)))
        emulator.settings.concurrency = 1
        await asyncio.gather(*(reply(client) for _ in range(3)))
        assert client.status.limit == 1
        stories = await asyncio.gather(*(reply(client) for _ in range(4)))
        assert [metrics.retries for metrics in stories] == [[]] * 4
        await client.close()


def test_fish_refusing_keeps_the_order() -> None:
    """While others use the account, replies are spoken in the order of their asking."""

    async def ask() -> list[int]:
        settings = EmulatorSettings(voice="tone", pace=0.1, concurrency=50)
        async with Emulator(settings) as emulator:
            client = FishClient(Endpoint("key", emulator.url))
            emulator.settings.faults.append(Fault("start", "error", times=None))
            emulator.settings.faults[0] = Fault("upgrade", 429, times=9)
            order: list[int] = []

            async def text() -> AsyncIterator[str]:
                yield "This is one sentence. "

            async def reply(number: int) -> None:
                async for _ in speak(client, text(), SpeechSettings()):
                    if number not in order:
                        order.append(number)

            replies = []
            for number in range(6):
                replies.append(asyncio.create_task(reply(number)))
                await asyncio.sleep(0.05)
            await asyncio.gather(*replies)
            await client.close()
            return order

    assert run(ask()) == [0, 1, 2, 3, 4, 5]


def test_text_that_is_not_ready_holds_no_session() -> None:
    """Five clients that have written half a sentence keep nobody waiting."""

    async def half() -> AsyncIterator[str]:
        yield "Let "
        await asyncio.Event().wait()

    async def text() -> AsyncIterator[str]:
        yield "The alarm is on."

    async def reply(client: FishClient, pieces: AsyncIterator[str]) -> None:
        async for _ in speak(client, pieces, SpeechSettings()):
            pass

    async def ask() -> float:
        async with Emulator(EmulatorSettings(voice="tone")) as emulator:
            client = FishClient(Endpoint("key", emulator.url))
            halves = [asyncio.create_task(reply(client, half())) for _ in range(5)]
            await pass_time(1.0)
            assert client.status.sessions == 0
            began = asyncio.get_running_loop().time()
            await reply(client, text())
            spent = asyncio.get_running_loop().time() - began
            for each in halves:
                each.cancel()
            await asyncio.wait(halves)
            await client.close()
            return spent

    assert run(ask()) < 0.5


@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_second_attempt_needs_a_slot_of_its_own(concurrency: int) -> None:
    """No more sessions are open than were asked for, also while an answer is late."""

    async def text() -> AsyncIterator[str]:
        yield "Good night."

    async def ask() -> tuple[int, float]:
        settings = EmulatorSettings(voice="tone", faults=[Fault("start", "stall")])
        async with Emulator(settings) as emulator:
            client = FishClient(Endpoint("key", emulator.url), concurrency=concurrency)
            most, loop = 0, asyncio.get_running_loop()
            began = loop.time()
            async for _ in speak(client, text(), SpeechSettings()):
                most = max(most, len(emulator.sessions))
            spent = loop.time() - began
            assert client.status.sessions == 0
            await client.close()
            return most, spent

    most, spent = run(ask())
    assert most == 2
    assert spent == pytest.approx(3.0 if concurrency == 2 else 8.0, abs=0.5)


async def test_replies_end_with_an_error_when_the_pool_is_closed() -> None:
    """A reply that waits for its connection is not cancelled, and none is opened any more."""

    async def text() -> AsyncIterator[str]:
        yield "Good night."

    async def reply(client: FishClient) -> None:
        async for _ in speak(client, text(), SpeechSettings()):
            pass

    async with Emulator(EmulatorSettings(voice="tone", handshake=2.0)) as emulator:
        client = FishClient(Endpoint("key", emulator.url))
        waiting = asyncio.create_task(reply(client))
        await asyncio.sleep(0.05)
        await client.close()
        with pytest.raises(ClosedError, match="closed"):
            await waiting
        with pytest.raises(ClosedError, match="closed"):
            await reply(client)


async def test_closing_right_after_eviction_leaves_nothing_open() -> None:
    """Connections that are just being closed are closed when the client is."""
    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        client = FishClient(Endpoint("key", emulator.url))
        client.prewarm(SpeechSettings().backend)
        async for _ in speak(client, _good_night(), SpeechSettings()):
            pass
        assert client.status.idle == 1
        pool_of(client).evict()
        await client.close()
        await emulator.wait_for(lambda e: e.sockets_open == 0)


async def _good_night() -> AsyncIterator[str]:
    yield "Good night."
