"""Replies during which the account is changed, unloaded or removed."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from homeassistant.components import tts
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir

from custom_components.wyoming_fish.const import DOMAIN
from tests.integration.conftest import CORAL, AddEntry, entity_id
from tests.integration.support.speech import stream, text_in
from tests.integration.support.states import value
from wyoming_fish.emulator import Emulator, Fault

FIRST, SECOND = "The lamps are on. ", "It will rain."


class Reply:
    """A reply of which the second sentence is not written before ``go_on`` is set."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry) -> None:
        """Begin it."""
        self.go_on = asyncio.Event()
        self._result: tts.ResultStream = stream(hass, entity_id(hass, entry, "tts"))
        self._result.async_set_message_stream(self._text())

    async def _text(self) -> AsyncGenerator[str]:
        yield FIRST
        await self.go_on.wait()
        yield SECOND

    async def whole(self) -> bytes:
        """Write the rest, and return the audio."""
        self.go_on.set()
        return b"".join([chunk async for chunk in self._result.async_stream_result()])


async def begun(emulator: Emulator) -> None:
    """Wait until Fish Audio speaks."""
    await emulator.wait_for(lambda state: state.sessions_open == 1)


async def test_reload_amid_a_reply(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """The reply is spoken to its end, and counted by the entities that there are then."""
    entry = await add_entry()
    reply = Reply(hass, entry)
    await begun(emulator)
    await hass.config_entries.async_reload(entry.entry_id)
    assert text_in(await reply.whole()).strip() == FIRST + SECOND
    await hass.async_block_till_done()
    assert value(hass, "kelp_text_spoken") == str(len(FIRST + SECOND))
    # The one timer that there is looks at the credit, and ends with the entry.
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_unloading_amid_a_reply(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """The reply is spoken to its end, and nothing is left of it."""
    entry = await add_entry()
    reply = Reply(hass, entry)
    await begun(emulator)
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert text_in(await reply.whole()).strip() == FIRST + SECOND
    await emulator.wait_for(lambda state: state.sockets_open == 0)


async def test_removal_amid_a_reply(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator, issue_registry: ir.IssueRegistry
) -> None:
    """A reply that fails after its account was removed asks nobody to do anything."""
    entry = await add_entry()
    emulator.settings.faults.append(Fault("upgrade", 402, times=None))
    reply = Reply(hass, entry)
    await hass.config_entries.async_remove(entry.entry_id)
    with pytest.raises(HomeAssistantError):
        await reply.whole()
    assert not [issue for issue in issue_registry.issues if issue[0] == DOMAIN]


async def test_refusal_after_removal(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """Nobody is asked for the key of an account that was removed."""
    entry = await add_entry()
    emulator.settings.faults.append(Fault("upgrade", 401, times=None))
    reply = Reply(hass, entry)
    await hass.config_entries.async_remove(entry.entry_id)
    with pytest.raises(HomeAssistantError):
        await reply.whole()
    await hass.async_block_till_done()
    assert hass.config_entries.flow.async_progress() == []


async def test_change_amid_a_reply(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator, issue_registry: ir.IssueRegistry
) -> None:
    """What is told of a voice is told of the one that is set up now."""
    entry = await add_entry()
    (voice,) = entry.subentries.values()
    emulator.settings.faults.append(Fault("start", "silent", times=None))
    reply = Reply(hass, entry)
    data = {**voice.data, "voice": CORAL}
    hass.config_entries.async_update_subentry(entry, voice, data=data)
    await hass.async_block_till_done()
    with pytest.raises(HomeAssistantError):
        await reply.whole()
    assert not [issue for issue in issue_registry.issues if issue[0] == DOMAIN]
