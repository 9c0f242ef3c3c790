"""Schemas of the forms."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import voluptuous as vol
from homeassistant.const import CONF_API_KEY, CONF_LANGUAGE, Platform
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import (
    BooleanSelector,
    EntitySelector,
    EntitySelectorConfig,
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
    TextSelectorConfig,
    TextSelectorType,
)

from ..const import (
    BACKEND_NAMES,
    CONF_BACKEND,
    CONF_BASE_URL,
    CONF_FALLBACK_VOICE,
    CONF_LATENCY,
    CONF_PREWARM,
    CONF_PRONUNCIATIONS,
    CONF_SPEED,
    CONF_VOICE,
    DEFAULT_BACKEND,
)
from ..fish import Latency
from ..fish.settings import FISH_URL, SPEEDS
from ..speech.text_options import CHOICES, text_options
from ..speech.voices import backend_languages

SECTION_ADVANCED: Final = "advanced"
SECTION_TEXT: Final = "text_processing"

# Fields of the search form.
CONF_NAME_FILTER: Final = "name_filter"
CONF_SELF_ONLY: Final = "self_only"

_KEY: Final = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="off"))
_URL: Final = TextSelector(TextSelectorConfig(type=TextSelectorType.URL))

# A self-hosted server may have no key.
ACCOUNT_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(CONF_API_KEY): _KEY,
        vol.Required(SECTION_ADVANCED): section(
            vol.Schema({vol.Optional(CONF_BASE_URL, default=FISH_URL): _URL}), {"collapsed": True}
        ),
    }
)

KEY_SCHEMA: Final = vol.Schema({vol.Required(CONF_API_KEY): _KEY})

_LANGUAGE: Final = LanguageSelector(
    LanguageSelectorConfig(languages=backend_languages(DEFAULT_BACKEND))
)

SEARCH_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(CONF_NAME_FILTER): TextSelector(),
        vol.Optional(CONF_LANGUAGE): _LANGUAGE,
        vol.Optional(CONF_SELF_ONLY, default=False): BooleanSelector(),
    }
)

LANGUAGE_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_LANGUAGE): _LANGUAGE,
        vol.Optional(CONF_NAME_FILTER): TextSelector(),
        vol.Optional(CONF_SELF_ONLY, default=False): BooleanSelector(),
    }
)


def options_schema(own_entities: list[str]) -> vol.Schema:
    """Return the form of an account's options. Its own entities cannot be the fallback voice."""
    fallback = EntitySelectorConfig(domain=Platform.TTS, exclude_entities=own_entities)
    return vol.Schema(
        {
            vol.Optional(CONF_FALLBACK_VOICE): EntitySelector(fallback),
            vol.Required(CONF_PREWARM, default=True): BooleanSelector(),
        }
    )


def voice_schema(
    values: Mapping[str, Any], voices: list[SelectOptionDict], *, is_self_hosted: bool
) -> vol.Schema:
    """Return the form of a voice, filled with ``values``.

    A self-hosted server may have no list of its voices: there, a person can enter a voice.
    """
    field = voice_field(values.get(CONF_VOICE), voices, is_self_hosted=is_self_hosted)
    low, high = SPEEDS
    return vol.Schema(
        {
            **(field if voices or is_self_hosted else {}),
            vol.Required(CONF_BACKEND, default=values[CONF_BACKEND]): _dropdown(
                [
                    SelectOptionDict(value=backend.value, label=name)
                    for backend, name in BACKEND_NAMES.items()
                ]
            ),
            vol.Required(CONF_LATENCY, default=values[CONF_LATENCY]): _dropdown(
                [latency.value for latency in Latency], CONF_LATENCY
            ),
            vol.Required(CONF_SPEED, default=values[CONF_SPEED]): NumberSelector(
                NumberSelectorConfig(min=low, max=high, step=0.05, mode=NumberSelectorMode.SLIDER)
            ),
            vol.Required(SECTION_TEXT): _text_section(values),
        }
    )


def voice_field(
    selected: str | None, voices: list[SelectOptionDict], *, is_self_hosted: bool
) -> dict[vol.Marker, Any]:
    """Return the field that selects one of the voices."""
    config = SelectSelectorConfig(
        options=voices, mode=SelectSelectorMode.DROPDOWN, custom_value=is_self_hosted
    )
    field = vol.Optional(CONF_VOICE, description={"suggested_value": selected})
    return {field: SelectSelector(config)}


def _text_section(values: Mapping[str, Any]) -> section:
    """Return the section of the text options, filled with ``values``."""
    fields: dict[vol.Marker, Any] = {}
    for name, value in text_options(values).items():
        if name in CHOICES:
            fields[vol.Required(name, default=value)] = _dropdown(CHOICES[name], name)
        else:
            multiline = TextSelectorConfig(multiline=name == CONF_PRONUNCIATIONS)
            fields[vol.Optional(name, description={"suggested_value": value})] = TextSelector(
                multiline
            )
    return section(vol.Schema(fields), {"collapsed": True})


def _dropdown(
    options: Sequence[SelectOptionDict] | Sequence[str], translation_key: str | None = None
) -> SelectSelector:
    """Return a drop-down list; ``translation_key`` is that of its labels."""
    config = SelectSelectorConfig(options=options, mode=SelectSelectorMode.DROPDOWN)
    if translation_key is not None:
        config["translation_key"] = translation_key
    return SelectSelector(config)
