"""What is made of a text before it is spoken: options of a voice, and of a message."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import voluptuous as vol
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import (
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
    TextSelectorConfig,
)

from .const import (
    ATTR_TRUSTED,
    CONF_CODE,
    CONF_EMOJI,
    CONF_PRONUNCIATIONS,
    CONF_STYLE,
    CONF_TEXT,
    CONF_URLS,
)
from .fish import Backend, TextSettings
from .fish import parse_pronunciations as parse
from .fish.errors import SettingsError
from .fish.text.cues import Cues

DEFAULTS = {
    CONF_TEXT: "clean",
    CONF_STYLE: "",
    CONF_EMOJI: "drop",
    CONF_URLS: "host",
    CONF_CODE: "",
    CONF_PRONUNCIATIONS: "",
}
"""Those of a voice that is set to nothing else, in the order in which a form asks for them."""

_CHOICES = {
    CONF_TEXT: ["clean", "raw"],
    CONF_EMOJI: ["drop", "name"],
    CONF_URLS: ["host", "drop"],
}

# Each message has the list of its voice.
_pronunciations = lru_cache(8)(parse)


def text_options(values: Mapping[str, Any]) -> dict[str, str]:
    """Return those of ``values``, with the default for what is not in them."""
    return {name: values.get(name, default) for name, default in DEFAULTS.items()}


def text_settings(options: Mapping[str, Any], backend: Backend) -> TextSettings:
    """Return what the engine is to make of a text. Raises SettingsError."""
    style = options[CONF_STYLE].strip()
    if style and not Cues(backend).named(style):
        raise SettingsError(f"The model {backend} cannot speak in the style {style!r}.")
    return TextSettings(
        mode=options[CONF_TEXT],
        emoji=options[CONF_EMOJI],
        urls=options[CONF_URLS],
        code=options[CONF_CODE],
        style=style,
        pronunciations=_pronunciations(options[CONF_PRONUNCIATIONS]),
        trusted=options.get(ATTR_TRUSTED, False),
    )


def text_section(values: Mapping[str, Any]) -> section:
    """Return the part of a voice's form that asks for them, filled with ``values``."""
    fields: dict[vol.Marker, Any] = {}
    for name, value in text_options(values).items():
        if name in _CHOICES:
            fields[vol.Required(name, default=value)] = SelectSelector(
                SelectSelectorConfig(
                    options=_CHOICES[name],
                    mode=SelectSelectorMode.DROPDOWN,
                    translation_key=name,
                )
            )
        else:
            multiline = TextSelectorConfig(multiline=name == CONF_PRONUNCIATIONS)
            fields[vol.Optional(name, description={"suggested_value": value})] = TextSelector(
                multiline
            )
    return section(vol.Schema(fields), {"collapsed": True})
