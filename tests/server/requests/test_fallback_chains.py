"""A fallback voice that leads back to the server, or on to another one."""

import asyncio

import pytest
from wyoming.event import Event
from wyoming.tts import Synthesize

from tests.support.listening import listening
from tests.support.relay import Relay
from wyoming_fish.emulator import EmulatorSettings, Fault
from wyoming_fish.server.events import fallback_context

from ...support.server import Serving, receive

TEXT = "Good night. The doors are locked."


async def test_the_fallback_leads_back(serving: Serving, caplog: pytest.LogCaptureFixture) -> None:
    """A server that is its own fallback voice by another address ends the reply immediately."""
    settings = EmulatorSettings(faults=[Fault("upgrade", 402, times=None)])
    relay = Relay(0)
    async with (
        relay.listening(),
        serving(settings, f"--fallback-uri={relay.url.replace('http:', 'tcp:')}") as served,
        served.client() as client,
    ):
        relay.port = served.port
        await client.write_event(Synthesize(TEXT).event())
        async with asyncio.timeout(3):
            assert (await receive(client, "error")).error.code == "no-credit"
    (failed,) = [m for m in caplog.messages if m.startswith("The fallback voice at")]
    assert "leads back to this server. Set --fallback-uri to another Wyoming voice." in failed


async def test_a_fallback_does_not_ask_its_own(serving: Serving) -> None:
    """What another server hands over is not handed on: two could be each other's fallback voice."""
    asked = asyncio.Event()

    async def ask(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        writer.close()

    settings = EmulatorSettings(faults=[Fault("upgrade", 402, times=None)])
    async with (
        listening(ask) as port,
        serving(settings, f"--fallback-uri=tcp://127.0.0.1:{port}") as served,
        served.client() as client,
    ):
        context = fallback_context("another server")
        await client.write_event(Synthesize(TEXT, context=context).event())
        assert (await receive(client, "error")).error.code == "no-credit"
    assert not asked.is_set()


@pytest.mark.parametrize("context", [[], {}, "x", {"wyoming-fish-fallback-of": 1}])
async def test_another_context_changes_nothing(serving: Serving, context: object) -> None:
    """A context that says nothing of a fallback voice is passed over."""
    async with serving(EmulatorSettings()) as served, served.client() as client:
        await client.write_event(Event("synthesize", {"text": TEXT, "context": context}))
        assert (await receive(client, "audio-stop")).pcm
