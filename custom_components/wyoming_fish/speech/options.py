"""Settings of a voice, and the options of a message that replace them."""

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
    CONF_BACKEND,
    CONF_LATENCY,
    CONF_SENTENCE_PAUSE,
    CONF_SPEED,
    CONF_TEMPERATURE,
    CONF_TOP_P,
    CONF_VOLUME,
    DEFAULT_LATENCY,
)
from ..errors import OptionError
from ..fish import Backend, Latency, SpeechSettings
from ..fish.settings import SENTENCE_PAUSES_S, SPEEDS, VOLUMES
from .text_options import CHOICES, DEFAULTS

# Fish Audio's ids have 32 characters; those of a self-hosted server are names of files.
_LONGEST_VOICE: Final = 256

_CHOICES: Final[Mapping[str, list[str]]] = {
    CONF_BACKEND: [backend.value for backend in Backend],
    CONF_LATENCY: [latency.value for latency in Latency],
    **CHOICES,
    ATTR_TEXT_FORMAT: ["text", "ssml"],
}
# Of these, None leaves the value to Fish Audio.
SAMPLING: Final = (CONF_TEMPERATURE, CONF_TOP_P)
RANGES: Final = {
    CONF_SPEED: SPEEDS,
    CONF_VOLUME: VOLUMES,
    CONF_SENTENCE_PAUSE: SENTENCE_PAUSES_S,
    **dict.fromkeys(SAMPLING, (0.0, 1.0)),
}
VOICE_DEFAULTS: Final[Mapping[str, Any]] = {
    CONF_LATENCY: DEFAULT_LATENCY.value,
    CONF_SPEED: 1.0,
    CONF_VOLUME: 0.0,
    CONF_SENTENCE_PAUSE: 0.0,
    CONF_TEMPERATURE: None,
    CONF_TOP_P: None,
    **DEFAULTS,
}
"""The settings of a voice that messages can replace, with their defaults."""

_VOICE: Final = vol.All(cv.string, str.strip, vol.Length(min=1, max=_LONGEST_VOICE))
_WHOLE: Final = vol.Any(None, vol.Coerce(int))


def _number(name: str) -> Any:
    """Return the schema of a number."""
    number = vol.All(vol.Coerce(float), vol.Range(*RANGES[name]))
    return vol.Any(None, number) if name in SAMPLING else number


OPTIONS: Final = vol.Schema(
    {
        ATTR_PREFERRED_FORMAT: cv.string,
        ATTR_PREFERRED_SAMPLE_RATE: _WHOLE,
        ATTR_PREFERRED_SAMPLE_CHANNELS: _WHOLE,
        ATTR_PREFERRED_SAMPLE_BYTES: _WHOLE,
        ATTR_VOICE: vol.Any(None, _VOICE),
        **dict.fromkeys(DEFAULTS, cv.string),
        **{name: vol.In(choices) for name, choices in _CHOICES.items()},
        **{name: _number(name) for name in RANGES},
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
        elif name in RANGES:
            low, high = RANGES[name]
            allowed = f"{low:g} – {high:g}"
        else:
            raise OptionError("option_invalid", option=name, value=value) from error
        raise OptionError(
            "option_not_allowed", option=name, value=value, allowed=allowed
        ) from error
    return checked


def voice_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a voice in ``values``, with defaults for missing ones."""
    return {name: values.get(name, default) for name, default in VOICE_DEFAULTS.items()}


def speech_settings(
    options: Mapping[str, Any], voice_id: str | None, sample_rate: int
) -> SpeechSettings:
    """Return the speech settings of the Fish Audio client."""
    return SpeechSettings(
        backend=options[CONF_BACKEND],
        voice=voice_id,
        latency=options[CONF_LATENCY],
        sample_rate=sample_rate,
        speed=options[CONF_SPEED],
        volume=options[CONF_VOLUME],
        sentence_pause_s=options[CONF_SENTENCE_PAUSE],
        temperature=options[CONF_TEMPERATURE],
        top_p=options[CONF_TOP_P],
    )
