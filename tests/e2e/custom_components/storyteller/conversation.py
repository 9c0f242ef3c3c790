"""A conversation agent that says what it is asked to, word by word, as language models do."""

import asyncio
import re
from collections.abc import AsyncIterator

from homeassistant.components import conversation
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import MATCH_ALL
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

# Seconds between two words.
PACE = 0.05

# A word that is not said: for so many seconds more nothing is.
PAUSE = re.compile(r"\s*\{(\d+)\}")


async def async_setup_entry(
    hass: HomeAssistant, entry: ConfigEntry, add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the agent."""
    add_entities([Storyteller()])


class Storyteller(conversation.ConversationEntity):
    """The agent."""

    _attr_name = "Storyteller"
    _attr_unique_id = "storyteller"
    _attr_supports_streaming = True
    supported_languages = MATCH_ALL

    async def _async_handle_message(
        self, user_input: conversation.ConversationInput, chat_log: conversation.ChatLog
    ) -> conversation.ConversationResult:
        async def deltas() -> AsyncIterator[conversation.AssistantContentDeltaDict]:
            yield {"role": "assistant"}
            for word in re.findall(r"\s*\S+", user_input.text):
                if pause := PAUSE.fullmatch(word):
                    await asyncio.sleep(int(pause[1]))
                    continue
                await asyncio.sleep(PACE)
                yield {"content": word}

        async for _ in chat_log.async_add_delta_content_stream(self.entity_id, deltas()):
            pass
        return conversation.async_get_result_from_chat_log(user_input, chat_log)
