"""Messages that Home Assistant has for a voice, and how each is spoken."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from homeassistant.components.tts import ATTR_VOICE
from homeassistant.components.tts.entity import TTSAudioRequest
from homeassistant.config_entries import ConfigSubentry

from ..const import ATTR_TEXT_FORMAT, ATTR_TRUSTED, CONF_BACKEND, CONF_STYLE, CONF_VOICE
from ..coordinator import VoicesCoordinator
from ..errors import OptionError
from ..fish import Backend, SpeechSettings, TextSettings, has_style
from ..fish.errors import VoiceNotFoundError
from .audio import AudioFile
from .options import message_options, speech_settings, voice_options
from .text_options import text_settings
from .voices import configured_voices, language_voices, voice_for, voice_named


@dataclass(frozen=True, slots=True)
class MessageRequest:
    """A message and how it is spoken."""

    tts: TTSAudioRequest
    file: AudioFile
    settings: SpeechSettings
    text: TextSettings
    is_ssml: bool
    find_voice: Callable[[str], str]
    """Returns the id of a voice that SSML names. Raises VoiceNotFoundError."""


class MessageOptions:
    """The options of one voice's messages. Its subentry has those that a message does not name."""

    def __init__(self, voice: ConfigSubentry, voices: VoicesCoordinator) -> None:
        """Take the voice's subentry and the account's voices."""
        self._voice = voice
        self._voices = voices
        self.defaults: Mapping[str, Any] = {
            ATTR_VOICE: _default_voice(voice),
            CONF_BACKEND: voice.data[CONF_BACKEND],
            **voice_options(voice.data),
            ATTR_TEXT_FORMAT: "text",
            ATTR_TRUSTED: False,
        }
        """All options that change the audio. Home Assistant caches plain messages by them."""

    def request(self, message: TTSAudioRequest) -> MessageRequest:
        """Return how to speak a message. Raises OptionError."""
        options = message_options(self._with_voice(message))
        file = AudioFile.for_options(options)
        settings = speech_settings(options, self._chosen_voice(options), file.sample_rate)
        text = text_settings(self._with_style(options, settings.backend), settings.backend)
        return MessageRequest(
            message,
            file,
            settings,
            replace(text, language=message.language),
            is_ssml=options[ATTR_TEXT_FORMAT] == "ssml",
            find_voice=self._voice_id,
        )

    def _with_voice(self, message: TTSAudioRequest) -> dict[str, Any]:
        """Return the options with the voice of the language, unless they name a voice."""
        options = dict(message.options)
        if options[ATTR_VOICE] == self.defaults[ATTR_VOICE]:
            options[ATTR_VOICE] = voice_for(message.language, self._voice)
        return options

    def _with_style(self, options: dict[str, Any], backend: Backend) -> dict[str, Any]:
        """Return the options without the voice's own style if the message's model has no such."""
        own_style = self.defaults[CONF_STYLE]
        if options[CONF_STYLE] == own_style and not has_style(backend, own_style):
            return {**options, CONF_STYLE: ""}
        return options

    def _chosen_voice(self, options: Mapping[str, Any]) -> str | None:
        """Return the id of the voice in the options. Raises OptionError."""
        voice = options[ATTR_VOICE]
        try:
            return None if voice is None else self._voice_id(voice)
        except VoiceNotFoundError as error:
            raise OptionError("voice_unknown", voice=voice) from error

    def _voice_id(self, name: str) -> str:
        """Return the id of the voice that a message or SSML names. Raises VoiceNotFoundError."""
        if name in configured_voices(self._voice):
            return name
        try:
            return voice_named(name, self._voices.data)
        except VoiceNotFoundError:
            if self._voices.has_account:
                raise
            # The server need not list its voices.
            return name


def _default_voice(voice: ConfigSubentry) -> str | None:
    """Return the option that stands for the voices of a subentry.

    Home Assistant keeps plain messages by their options, so a change of any voice must change it.
    """
    voice_id: str | None = voice.data[CONF_VOICE]
    others = [f"{language}={other}" for language, other in sorted(language_voices(voice).items())]
    return " ".join([voice_id or "default", *others]) if others else voice_id
