"""The flow that adds a voice or changes one."""

from collections.abc import Mapping
from typing import Any, override

import voluptuous as vol
from homeassistant.config_entries import (
    SOURCE_USER,
    ConfigEntryState,
    ConfigSubentryFlow,
    SubentryFlowContext,
    SubentryFlowResult,
)
from homeassistant.const import CONF_LANGUAGE

from ..const import CONF_LANGUAGE_VOICES, CONF_VOICE
from ..coordinator import FishConfigEntry
from ..speech.client import account_endpoint, create_client
from ..speech.options import voice_options
from ..speech.voices import base_language, language_voices
from .schemas import CONF_NEXT, LANGUAGE_SCHEMA, NEXT_SAVE, next_field, voice_field
from .voice_steps import VoiceSteps


class VoiceSubentryFlow(
    VoiceSteps[SubentryFlowContext, SubentryFlowResult, tuple[str, str]], ConfigSubentryFlow
):
    """Adds a voice or changes one."""

    _language: str
    """The language whose voice is selected, by Home Assistant's code."""

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Start to add a voice."""
        return self._start({}) or await self.async_step_search()

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Select what to change."""
        voice = self._get_reconfigure_subentry()
        return self._start(voice.data) or self.async_show_menu(
            step_id="reconfigure",
            menu_options=["voice", "search", "language"],
            description_placeholders={"name": voice.title},
        )

    def _start(self, values: Mapping[str, Any]) -> SubentryFlowResult | None:
        entry: FishConfigEntry = self._get_entry()
        if entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="entry_not_loaded")
        voices = entry.runtime_data.voices
        # The entry's own client is closed if the entry is reloaded before the form is sent.
        fish = create_client(self.hass, account_endpoint(entry.data))
        self.start_voice(fish, values, voices.data, has_account=voices.has_account)
        return None

    @override
    def finish_voice(self, data: dict[str, Any]) -> SubentryFlowResult:
        title = self.voice_name(data[CONF_VOICE])
        if self.source == SOURCE_USER:
            return self.async_create_entry(title=title, data=data)
        voice = self._get_reconfigure_subentry()
        if voice.title != self.voice_name(voice.data[CONF_VOICE]):
            # A person has renamed it.
            title = voice.title
        data = {**voice.data, **data}
        return self.async_update_and_abort(self._get_entry(), voice, title=title, data=data)

    async def async_step_language(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Search for the voice of another language."""
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = await self.search(user_input)
            if not errors:
                self._language = base_language(user_input[CONF_LANGUAGE])
                return await self.async_step_language_voice()
        return self.async_show_form(
            step_id="language",
            data_schema=self.add_suggested_values_to_schema(LANGUAGE_SCHEMA, user_input),
            errors=errors,
            last_step=False,
        )

    async def async_step_language_voice(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Select the voice of the language. Without one, the main voice speaks the language."""
        entry, voice = self._get_entry(), self._get_reconfigure_subentry()
        voices = language_voices(voice)
        selected = voices.get(self._language) or next(iter(self.found), None)
        errors: dict[str, str] = {}
        choice = player = ""
        if user_input is not None:
            selected = user_input.get(CONF_VOICE, "").strip() or None
            values = {**voice.data, **voice_options(voice.data), CONF_VOICE: selected}
            choice = user_input[CONF_NEXT]
            errors, player = await self.listen_or_search(choice, values, self._language)
        if choice == NEXT_SAVE:
            voices[self._language] = selected or ""
            chosen = {language: voice_id for language, voice_id in voices.items() if voice_id}
            data = {**voice.data, CONF_LANGUAGE_VOICES: chosen}
            return self.async_update_and_abort(entry, voice, data=data)
        field = voice_field(selected, self.choices(selected), has_account=self.has_account)
        return self.async_show_form(
            step_id="language_voice",
            data_schema=vol.Schema({**field, **next_field(has_more=self.has_more)}),
            errors=errors,
            description_placeholders={
                "language": self._language,
                "player": player,
                "samples": self.samples(),
            },
            last_step=True,
        )
