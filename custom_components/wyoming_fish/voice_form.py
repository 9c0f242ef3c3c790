"""The two forms in which a voice is found and set up, for every flow that needs them."""

import re
from collections.abc import Mapping
from typing import Any

import voluptuous as vol
from homeassistant.const import CONF_LANGUAGE, CONF_NAME
from homeassistant.helpers.selector import (
    BooleanSelector,
    LanguageSelector,
    LanguageSelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
)

from .const import (
    BACKEND_NAMES,
    CONF_BACKEND,
    CONF_LATENCY,
    CONF_SPEED,
    CONF_VOICE,
    DEFAULT_BACKEND,
    DEFAULT_LATENCY,
    MANUFACTURER,
    VOICES_URL,
)
from .errors import OptionError, form_error
from .fish import Backend, FishClient, FishError, Latency, Voice
from .fish.errors import VoiceNotFoundError
from .fish.settings import voice_id_in
from .markdown import escaped
from .text_options import DEFAULTS, text_options, text_section, text_settings
from .voices import backend_languages, fish_language, languages, titles

# Of the form that searches.
CONF_OWN = "own"
CONF_TITLE = "title"

# Of the form that sets a voice up.
SECTION_TEXT = "reading"

# Voices in one list; the sample of each is linked above it.
LIST_LENGTH = 30

_ADDRESS = re.compile(r"https?://[^\s()<>]{1,2000}")


class VoiceForm:
    """What is asked of a person for a voice, and what has been answered so far."""

    def __init__(
        self,
        fish: FishClient,
        values: Mapping[str, Any],
        *,
        known: Mapping[str, Voice],
        own_server: bool,
    ) -> None:
        """Take the client of the account to search, and a voice's values so far.

        ``known`` are the voices of which something is known already, by their ids. A name is asked
        for if CONF_NAME is among the values. A self-hosted server need not list its voices: there,
        one can be typed in.
        """
        self.placeholders = {"voices_url": VOICES_URL, "samples": "–"}
        """What the texts of both forms and their errors name."""
        self._fish = fish
        self._own_server = own_server
        self._values: dict[str, Any] = {
            CONF_BACKEND: DEFAULT_BACKEND.value,
            CONF_LATENCY: DEFAULT_LATENCY.value,
            CONF_SPEED: 1.0,
        } | dict(values)
        self._known = dict(known)
        self._found: dict[str, Voice] = {}

    @property
    def search_schema(self) -> vol.Schema:
        """The form that searches."""
        codes = LanguageSelectorConfig(languages=backend_languages(DEFAULT_BACKEND))
        return vol.Schema(
            {
                vol.Optional(CONF_TITLE): TextSelector(),
                vol.Optional(CONF_LANGUAGE): LanguageSelector(codes),
                vol.Optional(CONF_OWN, default=False): BooleanSelector(),
            }
        )

    async def search(self, query: Mapping[str, Any]) -> dict[str, str]:
        """Look for voices. Return what is wrong, by field; nothing where there is a choice."""
        title = query.get(CONF_TITLE, "").strip()
        try:
            if voice_id := voice_id_in(title):
                voices = [await self._fish.voice(voice_id)]
            else:
                voices = await self._fish.search(
                    title,
                    language=fish_language(query.get(CONF_LANGUAGE, "")),
                    own=query[CONF_OWN],
                    limit=LIST_LENGTH,
                )
        except VoiceNotFoundError:
            voices = []
        except FishError as error:
            return {"base": form_error(error)}
        self._found = {voice.id: voice for voice in voices}
        self._known |= self._found
        if not voices:
            return {} if self._own_server else {"base": "no_voice_found"}
        self._values[CONF_VOICE] = voices[0].id
        samples = [
            f"[{escaped(voice.title)}]({voice.sample})"
            for voice in voices
            if voice.sample and _ADDRESS.fullmatch(voice.sample)
        ]
        self.placeholders["samples"] = " · ".join(samples) or "–"
        return {}

    @property
    def voice_schema(self) -> vol.Schema:
        """The form that sets the voice up."""
        names = titles(self._found.values())
        options = [
            SelectOptionDict(value=voice.id, label=_label(names[voice.id], voice))
            for voice in self._found.values()
        ]
        chosen = self._values.get(CONF_VOICE)
        if chosen is not None and chosen not in names:
            options.insert(0, SelectOptionDict(value=chosen, label=self.title))
        fields: dict[vol.Marker, Any] = {}
        if options or self._own_server:
            fields[vol.Optional(CONF_VOICE, description={"suggested_value": chosen})] = (
                SelectSelector(
                    SelectSelectorConfig(
                        options=options,
                        mode=SelectSelectorMode.DROPDOWN,
                        custom_value=self._own_server,
                    )
                )
            )
        name: dict[vol.Marker, Any] = {}
        if CONF_NAME in self._values:
            suggested = {"suggested_value": self._values[CONF_NAME]}
            name = {vol.Optional(CONF_NAME, description=suggested): TextSelector()}
        return vol.Schema(
            {
                **fields,
                vol.Required(CONF_BACKEND, default=self._values[CONF_BACKEND]): SelectSelector(
                    SelectSelectorConfig(
                        options=[
                            SelectOptionDict(value=backend.value, label=name)
                            for backend, name in BACKEND_NAMES.items()
                        ],
                        mode=SelectSelectorMode.DROPDOWN,
                    )
                ),
                vol.Required(CONF_LATENCY, default=self._values[CONF_LATENCY]): SelectSelector(
                    SelectSelectorConfig(
                        options=[latency.value for latency in Latency],
                        mode=SelectSelectorMode.DROPDOWN,
                        translation_key="latency",
                    )
                ),
                vol.Required(CONF_SPEED, default=self._values[CONF_SPEED]): NumberSelector(
                    NumberSelectorConfig(min=0.5, max=2, step=0.05, mode=NumberSelectorMode.SLIDER)
                ),
                **name,
                vol.Required(SECTION_TEXT): text_section(self._values),
            }
        )

    def choose(self, answer: Mapping[str, Any]) -> dict[str, str]:
        """Take the choice; without a voice, it is the server's own default.

        Return what is wrong, by field.
        """
        values = {**answer, CONF_VOICE: answer.get(CONF_VOICE, "").strip() or None}
        if CONF_NAME in self._values:
            # A field that was cleared is not in the answer.
            values[CONF_NAME] = answer.get(CONF_NAME, "").strip()
        self._values |= text_options(values.pop(SECTION_TEXT)) | values
        try:
            text_settings(self._values, Backend(self._values[CONF_BACKEND]))
        except OptionError as error:
            self.placeholders |= error.facts
            return {"base": error.key}
        return {}

    @property
    def title(self) -> str:
        """What the voice is to be called: its own name, unless it was given another."""
        name: str = self._values.get(CONF_NAME) or ""
        voice_id: str = self._values.get(CONF_VOICE) or ""
        voice = self._known.get(voice_id)
        return name or (voice.title if voice else voice_id) or MANUFACTURER

    @property
    def data(self) -> dict[str, Any]:
        """What is stored of it."""
        return {
            name: self._values[name]
            for name in (CONF_VOICE, CONF_BACKEND, CONF_LATENCY, CONF_SPEED, *DEFAULTS)
        }


def _label(name: str, voice: Voice) -> str:
    """Return a voice's line in the list: its name, languages, and how often it has spoken."""
    codes = ", ".join(languages(voice.languages))
    uses = f"{voice.uses:,} ×" if voice.uses else ""
    return " · ".join(part for part in (name, codes, uses) if part)
