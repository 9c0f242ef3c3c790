"""The options of a message: those that `tts.speak` and pipelines give."""

from collections.abc import Mapping
from typing import Any, Final

import voluptuous as vol
from homeassistant.components.tts import (
    ATTR_PREFERRED_FORMAT,
    ATTR_PREFERRED_SAMPLE_BYTES,
    ATTR_PREFERRED_SAMPLE_CHANNELS,
    ATTR_PREFERRED_SAMPLE_RATE,
    ATTR_VOICE,
)
from homeassistant.helpers import config_validation as cv

from ..const import (
    ATTR_TEXT_FORMAT,
    ATTR_TRUSTED,
    ATTR_VOLUME,
    CONF_BACKEND,
    CONF_LATENCY,
    CONF_SPEED,
)
from ..errors import OptionError
from ..fish import Backend, Latency
from ..fish.settings import SPEEDS, VOLUMES
from .text_options import CHOICES, DEFAULTS

# Fish Audio's ids have 32 characters; those of a self-hosted server are names of files.
_LONGEST_VOICE: Final = 256

_CHOICES: Final[Mapping[str, list[str]]] = {
    CONF_BACKEND: [backend.value for backend in Backend],
    CONF_LATENCY: [latency.value for latency in Latency],
    **CHOICES,
    ATTR_TEXT_FORMAT: ["text", "ssml"],
}
_RANGES: Final = {CONF_SPEED: SPEEDS, ATTR_VOLUME: VOLUMES}
_VOICE: Final = vol.All(cv.string, str.strip, vol.Length(min=1, max=_LONGEST_VOICE))
_WHOLE: Final = vol.Any(None, vol.Coerce(int))

OPTIONS: Final = vol.Schema(
    {
        ATTR_PREFERRED_FORMAT: cv.string,
        ATTR_PREFERRED_SAMPLE_RATE: _WHOLE,
        ATTR_PREFERRED_SAMPLE_CHANNELS: _WHOLE,
        ATTR_PREFERRED_SAMPLE_BYTES: _WHOLE,
        ATTR_VOICE: vol.Any(None, _VOICE),
        **dict.fromkeys(DEFAULTS, cv.string),
        **{name: vol.In(choices) for name, choices in _CHOICES.items()},
        **{
            name: vol.All(vol.Coerce(float), vol.Range(*limits)) for name, limits in _RANGES.items()
        },
        ATTR_TRUSTED: cv.boolean,
    },
    extra=vol.REMOVE_EXTRA,
)
"""What they may be; they are written by hand."""


def message_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options as their types. Raises OptionError for one that cannot be."""
    try:
        checked: dict[str, Any] = OPTIONS(dict(options))
    except vol.Invalid as error:
        name = str(error.path[0])
        value = str(options[name])
        if name in _CHOICES:
            allowed = ", ".join(_CHOICES[name])
        elif name in _RANGES:
            low, high = _RANGES[name]
            allowed = f"{low:g} – {high:g}"
        else:
            raise OptionError("option_invalid", option=name, value=value) from error
        raise OptionError(
            "option_not_allowed", option=name, value=value, allowed=allowed
        ) from error
    return checked
