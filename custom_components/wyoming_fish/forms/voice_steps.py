"""The steps in which a person finds and sets up a voice, for all flows."""

import re
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from homeassistant.const import CONF_LANGUAGE
from homeassistant.data_entry_flow import FlowContext, FlowHandler, FlowResult
from homeassistant.helpers.selector import SelectOptionDict

from ..const import (
    CONF_BACKEND,
    CONF_VOICE,
    DEFAULT_BACKEND,
    MANUFACTURER,
    VOICES_URL,
)
from ..errors import OptionError, form_error_key
from ..fish import Backend, FishClient, FishError, Voice
from ..fish.errors import VoiceNotFoundError
from ..fish.settings import voice_id_in
from ..speech.audio import DEFAULT_RATE
from ..speech.options import SAMPLING, VOICE_DEFAULTS, speech_settings, voice_options
from ..speech.sample import speak_sample
from ..speech.text_options import text_options, text_settings
from ..speech.voices import fish_language, languages, titles
from .markdown import escaped
from .schemas import (
    CONF_NAME_FILTER,
    CONF_NEXT,
    CONF_SELF_ONLY,
    CONF_SORT,
    NEXT_LISTEN,
    NEXT_MORE,
    NEXT_SAVE,
    SEARCH_SCHEMA,
    SECTION_SAMPLING,
    SECTION_TEXT,
    voice_schema,
)

# Voices that a search adds to the list. The form links a sample of each.
MAX_RESULTS: Final = 30

_ADDRESS = re.compile(r"https?://[^\s()<>]{1,2000}")


class VoiceSteps[ContextT: FlowContext, ResultT: FlowResult[Any, Any], HandlerT](
    FlowHandler[ContextT, ResultT, HandlerT]
):
    """Two steps: search for voices, then select one and its settings."""

    _fish: FishClient
    has_account: bool
    _values: dict[str, Any]
    _known: dict[str, Voice]
    """The voices whose name is known, by id."""
    found: dict[str, Voice]
    """The voices of the last search, by id."""
    has_more: bool
    """Whether the last search may have found more voices."""
    _query: Mapping[str, Any]
    """The last search."""

    def start_voice(
        self,
        fish: FishClient,
        values: Mapping[str, Any],
        known: Mapping[str, Voice],
        *,
        has_account: bool,
    ) -> None:
        """Prepare the steps with a client of the account and with the voice's present values."""
        self._fish = fish
        self.has_account = has_account
        self._known = dict(known)
        self.found = {}
        self.has_more = False
        self._values = {
            CONF_BACKEND: DEFAULT_BACKEND.value,
            **values,
            **voice_options(values),
        }

    async def async_step_search(self, user_input: dict[str, Any] | None = None) -> ResultT:
        """Search for voices."""
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = await self.search(user_input)
            if not errors:
                if self.found:
                    self._values[CONF_VOICE] = next(iter(self.found))
                return await self.async_step_voice()
        return self.async_show_form(
            step_id="search",
            data_schema=self.add_suggested_values_to_schema(SEARCH_SCHEMA, user_input),
            errors=errors,
            description_placeholders={"voices_url": VOICES_URL},
            last_step=False,
        )

    async def search(self, query: Mapping[str, Any], limit: int = MAX_RESULTS) -> dict[str, str]:
        """Search for up to ``limit`` voices and return the errors of the form."""
        name = query.get(CONF_NAME_FILTER, "").strip()
        has_more = False
        try:
            if voice_id := voice_id_in(name):
                voices = [await self._fish.voice(voice_id)]
            else:
                voices = await self._fish.search(
                    name,
                    language=fish_language(query.get(CONF_LANGUAGE, "")),
                    own=query[CONF_SELF_ONLY],
                    sort_by=query[CONF_SORT],
                    limit=limit,
                )
                has_more = len(voices) == limit
        except VoiceNotFoundError:
            voices = []
        except FishError as error:
            return {"base": form_error_key(error)}
        self._query, self.has_more = query, has_more
        self.found = {voice.id: voice for voice in voices}
        self._known |= self.found
        return {"base": "no_voice_found"} if self.has_account and not voices else {}

    async def async_step_voice(self, user_input: dict[str, Any] | None = None) -> ResultT:
        """Select a voice and its settings. Without a voice, the server's default voice speaks."""
        errors: dict[str, str] = {}
        placeholders: dict[str, str] = {}
        if user_input is not None:
            answer = dict(user_input)
            choice = answer.pop(CONF_NEXT)
            sampling = answer.pop(SECTION_SAMPLING)
            self._values |= {
                **text_options(answer.pop(SECTION_TEXT)),
                **{name: sampling.get(name) for name in SAMPLING},
                **answer,
                CONF_VOICE: answer.get(CONF_VOICE, "").strip() or None,
            }
            try:
                errors, player = await self.listen_or_search(
                    choice, self._values, self.hass.config.language
                )
            except OptionError as error:
                errors = {"base": error.key}
                placeholders, player = error.facts, ""
            if choice == NEXT_SAVE and not errors:
                names = (CONF_VOICE, CONF_BACKEND, *VOICE_DEFAULTS)
                return self.finish_voice({name: self._values[name] for name in names})
            placeholders = {**placeholders, "player": player}
        return self.async_show_form(
            step_id="voice",
            data_schema=voice_schema(
                self._values,
                self.choices(self._values.get(CONF_VOICE)),
                has_account=self.has_account,
                has_more=self.has_more,
            ),
            errors=errors,
            description_placeholders={"player": "", "samples": self.samples(), **placeholders},
            last_step=True,
        )

    async def listen_or_search(
        self, choice: str, values: Mapping[str, Any], language: str
    ) -> tuple[dict[str, str], str]:
        """Speak a sample with the settings in ``values``, or search for more voices.

        Return the errors of the form, and the sample's player in HTML. Raises OptionError.
        """
        text = text_settings(values, Backend(values[CONF_BACKEND]))
        if choice == NEXT_MORE:
            return await self.search(self._query, len(self.found) + MAX_RESULTS), ""
        if choice == NEXT_LISTEN:
            settings = speech_settings(values, values[CONF_VOICE], DEFAULT_RATE)
            text = replace(text, language=language)
            try:
                path = await speak_sample(self.hass, self._fish.endpoint, settings, text)
            except FishError as error:
                return {"base": form_error_key(error, settings.backend)}, ""
            return {}, f'<audio controls autoplay src="{path}"></audio>'
        return {}, ""

    @abstractmethod
    def finish_voice(self, data: dict[str, Any]) -> ResultT:
        """Store the voice and end the flow."""

    def voice_name(self, voice_id: str | None) -> str:
        """Return the voice's own name."""
        voice = self._known.get(voice_id or "")
        return (voice.title if voice else voice_id) or MANUFACTURER

    def choices(self, selected: str | None) -> list[SelectOptionDict]:
        """Return the voices of the drop-down list: those found, and the selected one."""
        names = titles(self.found.values())
        choices = [
            SelectOptionDict(value=voice.id, label=_label(names[voice.id], voice))
            for voice in self.found.values()
        ]
        if selected is not None and selected not in names:
            label = self.voice_name(selected)
            choices.insert(0, SelectOptionDict(value=selected, label=label))
        return choices

    def samples(self) -> str:
        """Return links to the samples of the voices, in Markdown."""
        links = [
            f"[{escaped(voice.title)}]({voice.sample})"
            for voice in self.found.values()
            if voice.sample and _ADDRESS.fullmatch(voice.sample)
        ]
        return " · ".join(links) or "–"


def _label(name: str, voice: Voice) -> str:
    """Return a voice's line in the list: its name, languages, and number of uses."""
    codes = ", ".join(languages(voice.languages))
    uses = f"{voice.uses:,} ×" if voice.uses else ""
    return " · ".join(part for part in (name, codes, uses) if part)
