"""What is made of a text before it is spoken: options of a voice, and of a message."""

from collections.abc import Mapping, Sequence
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
    BACKEND_NAMES,
    CONF_CODE,
    CONF_EMOJI,
    CONF_PRONUNCIATIONS,
    CONF_STYLE,
    CONF_TEXT,
    CONF_URLS,
)
from .errors import OptionError
from .fish import Backend, Pronunciation, TextSettings, parse_pronunciations
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

CHOICES = {
    CONF_TEXT: ["clean", "raw"],
    CONF_EMOJI: ["drop", "name"],
    CONF_URLS: ["host", "drop"],
}


# Each message has the list of its voice.
@lru_cache(8)
def _pronunciations(text: str) -> tuple[Pronunciation, ...]:
    """Return the pronunciations in ``text``. Raises OptionError with the number of a bad line."""
    try:
        return parse_pronunciations(text)
    except SettingsError as error:
        line = _bad_line(text.splitlines())
        raise OptionError("pronunciation_invalid", line=str(line)) from error


def _bad_line(lines: Sequence[str]) -> int:
    """Return the number of the first line that is wrong by itself, or of one too many."""
    for number, line in enumerate(lines, 1):
        try:
            parse_pronunciations(line)
        except SettingsError:
            return number
    return len(lines)


def has_style(backend: Backend, style: str) -> bool:
    """Return whether the model can speak in ``style``; in none, every one can."""
    return not style or bool(Cues(backend).named(style))


def text_options(values: Mapping[str, Any]) -> dict[str, str]:
    """Return those of ``values``, with the default for what is not in them."""
    return {name: values.get(name, default) for name, default in DEFAULTS.items()}


def text_settings(options: Mapping[str, Any], backend: Backend) -> TextSettings:
    """Return what the engine makes of a text. Raises OptionError."""
    style = options[CONF_STYLE].strip()
    if not has_style(backend, style):
        raise OptionError("style_unknown", style=style, model=BACKEND_NAMES[backend])
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
        if name in CHOICES:
            fields[vol.Required(name, default=value)] = SelectSelector(
                SelectSelectorConfig(
                    options=CHOICES[name],
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
