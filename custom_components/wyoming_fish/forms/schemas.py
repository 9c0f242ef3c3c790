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
    CONF_LOW_CREDIT,
    CONF_PREWARM,
    CONF_PRONUNCIATIONS,
    CONF_SENTENCE_PAUSE,
    CONF_SPEED,
    CONF_VOICE,
    CONF_VOLUME,
    DEFAULT_BACKEND,
)
from ..fish import LOW_CREDIT, Latency
from ..fish.settings import FISH_URL
from ..speech.options import RANGES, SAMPLING
from ..speech.text_options import CHOICES, text_options
from ..speech.voices import backend_languages

# US dollars: more than a household spends in years.
MAX_LOW_CREDIT: Final = 1000

SECTION_ADVANCED: Final = "advanced"
SECTION_SAMPLING: Final = "sampling"
SECTION_TEXT: Final = "text_processing"

# Fields of the search form.
CONF_NAME_FILTER: Final = "name_filter"
CONF_SELF_ONLY: Final = "self_only"
CONF_SORT: Final = "sort"
# The values are those of Fish Audio.
SORTS: Final = ["task_count", "created_at", "score"]

# What to do with the form of a voice.
CONF_NEXT: Final = "next"
NEXT_SAVE: Final = "save"
NEXT_LISTEN: Final = "listen"
NEXT_MORE: Final = "more"


def _dropdown(
    options: Sequence[SelectOptionDict] | Sequence[str], translation_key: str | None = None
) -> SelectSelector:
    """Return a drop-down list; ``translation_key`` is that of its labels."""
    config = SelectSelectorConfig(options=options, mode=SelectSelectorMode.DROPDOWN)
    if translation_key is not None:
        config["translation_key"] = translation_key
    return SelectSelector(config)


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

# Which voices a search shows, and which first.
_RESULTS: Final = {
    vol.Required(CONF_SORT, default=SORTS[0]): _dropdown(SORTS, CONF_SORT),
    vol.Optional(CONF_SELF_ONLY, default=False): BooleanSelector(),
}

SEARCH_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(CONF_NAME_FILTER): TextSelector(),
        vol.Optional(CONF_LANGUAGE): _LANGUAGE,
        **_RESULTS,
    }
)

LANGUAGE_SCHEMA: Final = vol.Schema(
    {
        vol.Required(CONF_LANGUAGE): _LANGUAGE,
        vol.Optional(CONF_NAME_FILTER): TextSelector(),
        **_RESULTS,
    }
)


def options_schema(own_entities: list[str]) -> vol.Schema:
    """Return the form of an account's options. Its own entities cannot be the fallback voice."""
    fallback = EntitySelectorConfig(domain=Platform.TTS, exclude_entities=own_entities)
    return vol.Schema(
        {
            vol.Optional(CONF_FALLBACK_VOICE): EntitySelector(fallback),
            vol.Required(CONF_PREWARM, default=True): BooleanSelector(),
            vol.Required(CONF_LOW_CREDIT, default=float(LOW_CREDIT)): NumberSelector(
                NumberSelectorConfig(
                    min=0,
                    max=MAX_LOW_CREDIT,
                    step=0.5,
                    unit_of_measurement="USD",
                    mode=NumberSelectorMode.BOX,
                )
            ),
        }
    )


def voice_schema(
    values: Mapping[str, Any],
    voices: list[SelectOptionDict],
    *,
    has_account: bool,
    has_more: bool,
) -> vol.Schema:
    """Return the form of a voice, filled with ``values``.

    A self-hosted server may have no list of its voices: there, a person can enter a voice.
    """
    field = voice_field(values.get(CONF_VOICE), voices, has_account=has_account)
    return vol.Schema(
        {
            **(field if voices or not has_account else {}),
            vol.Required(CONF_BACKEND, default=values[CONF_BACKEND]): _dropdown(
                [
                    SelectOptionDict(value=backend.value, label=name)
                    for backend, name in BACKEND_NAMES.items()
                ]
            ),
            vol.Required(CONF_LATENCY, default=values[CONF_LATENCY]): _dropdown(
                [latency.value for latency in Latency], CONF_LATENCY
            ),
            vol.Required(CONF_SPEED, default=values[CONF_SPEED]): _slider(CONF_SPEED, 0.05),
            vol.Required(CONF_VOLUME, default=values[CONF_VOLUME]): _slider(CONF_VOLUME, 1),
            vol.Required(CONF_SENTENCE_PAUSE, default=values[CONF_SENTENCE_PAUSE]): _slider(
                CONF_SENTENCE_PAUSE, 0.1
            ),
            vol.Required(SECTION_TEXT): _text_section(values),
            vol.Required(SECTION_SAMPLING): _sampling_section(values),
            **next_field(has_more=has_more),
        }
    )


def next_field(*, has_more: bool) -> dict[vol.Marker, Any]:
    """Return the field that selects what to do with the form."""
    choices = [NEXT_SAVE, NEXT_LISTEN, *([NEXT_MORE] if has_more else [])]
    config = SelectSelectorConfig(
        options=choices, mode=SelectSelectorMode.LIST, translation_key=CONF_NEXT
    )
    return {vol.Required(CONF_NEXT, default=NEXT_SAVE): SelectSelector(config)}


def voice_field(
    selected: str | None, voices: list[SelectOptionDict], *, has_account: bool
) -> dict[vol.Marker, Any]:
    """Return the field that selects one of the voices."""
    config = SelectSelectorConfig(
        options=voices, mode=SelectSelectorMode.DROPDOWN, custom_value=not has_account
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


def _sampling_section(values: Mapping[str, Any]) -> section:
    """Return the section of the numbers that Fish Audio selects if they are empty."""
    fields = {
        vol.Optional(name, description={"suggested_value": values[name]}): _number(name)
        for name in SAMPLING
    }
    return section(vol.Schema(fields), {"collapsed": True})


def _slider(name: str, step: float) -> NumberSelector:
    low, high = RANGES[name]
    return NumberSelector(
        NumberSelectorConfig(min=low, max=high, step=step, mode=NumberSelectorMode.SLIDER)
    )


def _number(name: str) -> NumberSelector:
    low, high = RANGES[name]
    return NumberSelector(
        NumberSelectorConfig(min=low, max=high, step=0.05, mode=NumberSelectorMode.BOX)
    )
