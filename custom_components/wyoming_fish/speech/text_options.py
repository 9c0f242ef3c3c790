"""Text options of a voice and of a message: how a text is processed before it is spoken."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from ..const import (
    ATTR_TRUSTED,
    BACKEND_NAMES,
    CONF_CODE,
    CONF_CUES,
    CONF_EMOJI,
    CONF_PRONUNCIATIONS,
    CONF_STYLE,
    CONF_TEXT,
    CONF_URLS,
)
from ..errors import OptionError
from ..fish import Backend, Pronunciation, TextSettings, has_style, parse_pronunciations
from ..fish.errors import SettingsError

DEFAULTS = {
    CONF_TEXT: "clean",
    CONF_STYLE: "",
    CONF_CUES: "known",
    CONF_EMOJI: "drop",
    CONF_URLS: "host",
    CONF_CODE: "",
    CONF_PRONUNCIATIONS: "",
}
"""Default values, in the order of the form."""

CHOICES = {
    CONF_TEXT: ["clean", "raw"],
    CONF_CUES: ["known", "free"],
    CONF_EMOJI: ["drop", "name"],
    CONF_URLS: ["host", "drop"],
}


# All messages of a voice have the same list.
@lru_cache(8)
def _pronunciations(text: str) -> tuple[Pronunciation, ...]:
    """Return the pronunciations in ``text``. Raises OptionError with the number of a bad line."""
    try:
        return parse_pronunciations(text)
    except SettingsError as error:
        line = _bad_line(text.splitlines())
        raise OptionError("pronunciation_invalid", line=str(line)) from error


def _bad_line(lines: Sequence[str]) -> int:
    """Return the number of the first line that is not valid, or of the line over the limit."""
    for number, line in enumerate(lines, 1):
        try:
            parse_pronunciations(line)
        except SettingsError:
            return number
    return len(lines)


def text_options(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the text options in ``values``, with defaults for missing ones."""
    return {name: values.get(name, default) for name, default in DEFAULTS.items()}


def text_settings(options: Mapping[str, Any], backend: Backend) -> TextSettings:
    """Return the text settings of the Fish Audio client. Raises OptionError."""
    style = options[CONF_STYLE].strip()
    if not has_style(backend, style):
        raise OptionError("style_unknown", style=style, model=BACKEND_NAMES[backend])
    return TextSettings(
        mode=options[CONF_TEXT],
        cues=options[CONF_CUES],
        emoji=options[CONF_EMOJI],
        urls=options[CONF_URLS],
        code=options[CONF_CODE],
        style=style,
        pronunciations=_pronunciations(options[CONF_PRONUNCIATIONS]),
        trusted=options.get(ATTR_TRUSTED, False),
    )
