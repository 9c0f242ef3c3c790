"""The server in numbers, read as Prometheus does."""

import asyncio
from decimal import Decimal

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from wyoming.info import Describe
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop

from wyoming_fish import __version__
from wyoming_fish.emulator import EmulatorSettings, Fault
from wyoming_fish.fish.connections.measurements import MAX_REPLIES, MIN_REPLIES

from ..support.server import Served, Serving, receive, stream

TEXT = "Die Küche ist dunkel."
HTTP = "--http=127.0.0.1:0"


class Numbers(dict[str, float]):
    """Samples by their name and the values of their labels, as in "replies_total spoken"."""

    def __missing__(self, name: str) -> float:
        return 0.0


async def _numbers(served: Served) -> Numbers:
    async with (
        aiohttp.ClientSession(served.url) as session,
        session.get("/metrics") as response,
    ):
        assert response.status == 200
        assert response.content_type == "text/plain"
        families = text_string_to_metric_families(await response.text())
    return Numbers(
        (
            " ".join([sample.name.removeprefix("wyoming_fish_"), *sample.labels.values()]),
            sample.value,
        )
        for family in families
        for sample in family.samples
    )


async def _say(served: Served, text: str = TEXT) -> None:
    async with served.client() as client:
        await client.write_event(Synthesize(text).event())
        await receive(client, "audio-stop")


async def test_replies(serving: Serving) -> None:
    """Replies, their audio and what they cost; the first audio is the sum of its two parts."""
    settings = EmulatorSettings(voice="tone", first_audio=0.06)
    async with serving(settings, HTTP) as served:
        async with served.client() as client:
            await client.write_event(Synthesize(TEXT).event())
            samples = len((await receive(client, "audio-stop")).pcm) // 2
        async with served.client() as client:
            await stream(client, ["Good ", "night."])
            samples += len((await receive(client, "synthesize-stopped")).pcm) // 2
        numbers = await _numbers(served)
    assert numbers["replies_total spoken"] == 2
    assert numbers["billed_bytes_total"] == len(f"{TEXT}Good night.".encode())
    assert numbers["audio_seconds_total"] == pytest.approx(samples / 44100)
    assert numbers["first_audio_seconds_count"] == 2
    assert numbers["synthesis_latency_seconds_sum"] >= 2 * 0.06
    assert numbers["first_audio_seconds_sum"] == pytest.approx(
        numbers["first_send_seconds_sum"] + numbers["synthesis_latency_seconds_sum"]
    )
    assert numbers["credit_dollars"] == 10
    assert numbers["ready"] == 1
    assert numbers[f"info s2.1-pro {__version__}"] == 1


async def test_failures(serving: Serving) -> None:
    """Replies by the error that they failed with, new tries by why they were made."""
    faults = [Fault("upgrade", 503), Fault("audio", "drop", at=1)]
    settings = EmulatorSettings(voice="code", frame=0.02, faults=faults)
    async with serving(settings, HTTP) as served:
        async with served.client() as client:
            await client.write_event(Synthesize(TEXT).event())
            await receive(client, "error")
        settings.credit = Decimal(0)
        async with served.client() as client:
            await client.write_event(Synthesize(TEXT).event())
            await receive(client, "error")
        numbers = await _numbers(served)
    assert numbers["replies_total broken-stream"] == 1
    assert numbers["replies_total no-credit"] == 1
    assert numbers["retries_total unavailable"] == 1
    assert numbers["first_audio_seconds_count"] == 1


async def test_fallbacks(serving: Serving) -> None:
    """What the fallback voice speaks is told apart, and is not taken for Fish's speed."""
    settings = EmulatorSettings(faults=[Fault("upgrade", 402, times=None)])
    async with (
        serving(EmulatorSettings(voice="tone")) as other,
        serving(settings, HTTP, f"--fallback-uri=tcp://127.0.0.1:{other.port}") as served,
    ):
        await _say(served)
        numbers = await _numbers(served)
    assert numbers["replies_total fallback"] == 1
    assert numbers["replies_total spoken"] == 0
    assert numbers["audio_seconds_total"] > 0
    assert numbers["first_audio_seconds_count"] == 1
    assert numbers["synthesis_latency_seconds_count"] == 0


async def test_a_client_that_leaves(serving: Serving) -> None:
    """A reply that nobody heard to its end is neither spoken nor failed."""
    settings = EmulatorSettings(voice="code", pace=5, frame=0.05)
    async with serving(settings, HTTP) as served:
        async with served.client() as client:
            await client.write_event(Synthesize(TEXT * 20).event())
            await receive(client, "audio-chunk")
        await served.emulator.wait_for(lambda e: e.sessions_open == 0)
        while not (numbers := await _numbers(served))["replies_total client-disconnected"]:
            pass
    assert numbers["replies_total client-disconnected"] == 1


async def test_sockets(serving: Serving) -> None:
    """The first reply finds no open socket, the second finds the first one's."""
    async with serving(EmulatorSettings(), HTTP) as served:
        await _say(served)
        numbers = await _numbers(served)
        assert (
            numbers["connections_acquired_total ready"],
            numbers["connections_acquired_total new"],
        ) == (0, 1)
        assert numbers["connections_idle"] == 1
        await _say(served)
        numbers = await _numbers(served)
    assert (
        numbers["connections_acquired_total ready"],
        numbers["connections_acquired_total new"],
    ) == (1, 1)
    assert numbers["connections_opened_total"] == 1


async def test_queue(serving: Serving) -> None:
    """Who waits for a session is counted, and so is for how long."""
    settings = EmulatorSettings(voice="code")
    async with serving(settings, HTTP, "--concurrency=1") as served, served.client() as first:
        # It holds its session until its text ends.
        await first.write_event(SynthesizeStart().event())
        await first.write_event(SynthesizeChunk("Good night. Sleep well. ").event())
        await served.emulator.wait_for(lambda e: e.sessions_open == 1)
        second = asyncio.create_task(_say(served))
        while not (numbers := await _numbers(served))["replies_waiting"]:
            pass
        assert numbers["replies_waiting"] == 1
        assert (numbers["sessions"], numbers["sessions_limit"]) == (1, 1)
        await first.write_event(SynthesizeStop().event())
        await receive(first, "synthesize-stopped")
        await second
        numbers = await _numbers(served)
    assert numbers["replies_waiting"] == 0
    assert numbers["session_wait_seconds_total"] > 0


async def test_connections(serving: Serving) -> None:
    """Connected clients, and refused ones by reason."""
    flags = (HTTP, "--max-connections-per-address=1", "--client-idle-timeout=0.01")
    async with serving(EmulatorSettings(), *flags) as served:
        async with served.client() as client:
            await client.write_event(Describe().event())
            await client.read_event()
            async with served.client() as another:
                assert (await receive(another, "error")).error.code == "too-many-connections"
            numbers = await _numbers(served)
            assert numbers["clients_refused_total too-many-connections"] == 1
            assert (await receive(client, "no such event")).error.code == "idle-timeout"
        while (numbers := await _numbers(served))["clients"]:
            pass
        assert numbers["clients_refused_total idle-timeout"] == 1
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        assert (await _numbers(served))["clients"] == 1
        writer.write(b"nonsense\n")
        await reader.read()
        writer.close()
        await writer.wait_closed()
        while (numbers := await _numbers(served))["clients"]:
            pass
        assert numbers["clients_refused_total invalid-event"] == 1


async def test_displaced_clients(serving: Serving) -> None:
    """Each silent client that made room for another one counts, and none that did not."""
    async with serving(EmulatorSettings(), HTTP, "--max-connections=3") as served:
        pairs = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(5)]
        # The first two are closed.
        for reader, _ in pairs[:2]:
            assert b"too-many-connections" in await reader.read()
        numbers = await _numbers(served)
        assert numbers["clients_refused_total displaced-silent"] == 2
        assert numbers["clients"] == 3
        assert "clients_refused_total too-many-connections" not in numbers
        for _, writer in pairs:
            writer.close()


async def test_refused_clients_are_displaced_uncounted(serving: Serving) -> None:
    """One that was refused has been counted: to make room counts for nothing more."""
    async with serving(EmulatorSettings(), HTTP, "--max-connections=1") as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"nonsense\n")
        await reader.read()
        async with served.client() as client:
            await client.write_event(Describe().event())
            assert await client.read_event()
            numbers = await _numbers(served)
        assert numbers["clients_refused_total invalid-event"] == 1
        assert "clients_refused_total displaced-silent" not in numbers
        writer.close()


async def test_what_is_learned(serving: Serving) -> None:
    """The answer time of the last replies, and whether sockets are closed after them."""
    settings = EmulatorSettings(voice="tone", first_audio=0.2, after_finish="close")
    async with serving(settings, HTTP) as served:
        assert "answer_seconds s2.1-pro balanced" not in await _numbers(served)
        for _ in range(MAX_REPLIES):
            await _say(served)
        while not (numbers := await _numbers(served))["closes_after_finish"]:
            pass
    assert 0.2 <= numbers["answer_seconds s2.1-pro balanced"] < 0.5
    assert 0 <= numbers["answer_spread_seconds s2.1-pro balanced"] < 0.5
    assert numbers["slow_line"] == 0


async def test_a_slow_line(serving: Serving) -> None:
    """It is seen in the numbers, and the page says what to do."""
    settings = EmulatorSettings(voice="tone", pace=1.3, frame=0.1)
    async with serving(settings, HTTP) as served:
        await asyncio.gather(*(_say(served, TEXT * 2) for _ in range(MIN_REPLIES)))
        numbers = await _numbers(served)
        async with aiohttp.ClientSession(served.url) as session:
            state = await (await session.get("/api/state")).json()
    assert numbers["slow_line"] == 1
    assert numbers["audio_rate s2.1-pro balanced"] == pytest.approx(1 / 1.3, rel=0.2)
    assert "Set a lower sample rate, such as 24000 Hz" in state["warning"]
