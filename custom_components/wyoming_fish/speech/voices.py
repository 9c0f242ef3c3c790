"""Voices and languages, by Home Assistant's codes."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import override

from homeassistant.components import tts
from homeassistant.config_entries import ConfigSubentry

from ..const import CONF_LANGUAGE_VOICES, CONF_VOICE
from ..fish import Voice
from ..fish.errors import VoiceNameError
from ..fish.settings import HOME_ASSISTANT_CODES, LANGUAGES, VOICE_ID, Backend, voice_id_in

_FISH_CODES = {theirs: fish for fish, theirs in HOME_ASSISTANT_CODES.items()}


class Languages(list[str]):
    """Languages by Home Assistant's codes, in which each regional variant of them is, too.

    Home Assistant looks here for a message's language: de-DE and zh-CN are spoken as de and zh.
    """

    @override
    def __contains__(self, code: object) -> bool:
        """Return whether ``code`` or the language that it is a variant of is listed."""
        return super().__contains__(code) or super().__contains__(base_language(str(code)))


def base_language(code: str) -> str:
    """Return Home Assistant's code of the language of ``code``, which may name a region, too."""
    base = re.split("[-_]", code)[0].lower()
    return HOME_ASSISTANT_CODES.get(base, base)


def languages(codes: Iterable[str]) -> list[str]:
    """Return Home Assistant's codes for these of Fish's, in their order."""
    return list(dict.fromkeys(HOME_ASSISTANT_CODES.get(code, code) for code in codes))


def backend_languages(backend: Backend) -> Languages:
    """Return the languages that the backend speaks, best first, by Home Assistant's codes."""
    return Languages(languages(LANGUAGES[backend]))


def fish_language(code: str) -> str:
    """Return Fish's code for this of Home Assistant's."""
    return _FISH_CODES.get(code, code)


def language_voices(voice: ConfigSubentry) -> dict[str, str]:
    """Return the ids of the voices that speak other languages, by Home Assistant's codes."""
    return dict(voice.data.get(CONF_LANGUAGE_VOICES, {}))


def configured_voices(voice: ConfigSubentry) -> list[str]:
    """Return the ids of all voices of a subentry, without the server's default voice."""
    ids = (voice.data[CONF_VOICE], *language_voices(voice).values())
    return list(dict.fromkeys(voice_id for voice_id in ids if voice_id is not None))


def voice_for(language: str, voice: ConfigSubentry) -> str | None:
    """Return the id of the voice that speaks a language; None for the server's default voice."""
    voice_id: str | None = language_voices(voice).get(
        base_language(language), voice.data[CONF_VOICE]
    )
    return voice_id


def titles(voices: Iterable[Voice]) -> dict[str, str]:
    """Return what to call each voice, by its id: two of one title must not look the same."""
    voices = list(voices)
    count = Counter(voice.title.casefold() for voice in voices)
    return {
        voice.id: f"{voice.title} ({voice.id[:8]})"
        if count[voice.title.casefold()] > 1
        else voice.title
        for voice in voices
    }


def listed_voices(
    language: str, voices: Mapping[str, Voice], chosen: ConfigSubentry
) -> list[tts.Voice]:
    """Return the voices for a language: the chosen one first, then by title.

    Every voice can speak every language. A voice that was made for some languages is listed only
    for those.
    """
    language = base_language(language)
    names = titles(voices.values())
    first = voice_for(language, chosen)
    others = sorted(
        (names[voice.id].casefold(), voice.id)
        for voice in voices.values()
        if voice.id != first and (not voice.languages or language in languages(voice.languages))
    )
    return [
        *([tts.Voice(first, names.get(first, chosen.title))] if first is not None else []),
        *(tts.Voice(voice_id, names[voice_id]) for _, voice_id in others),
    ]


def voice_named(name: str, voices: Mapping[str, Voice]) -> str:
    """Return the ID of the voice that a text names: an ID, the address of its page, or a title.

    Raises VoiceNameError.
    """
    if VOICE_ID.fullmatch(name):
        return name
    listed = titles(voices.values())
    for voice in voices.values():
        if name.casefold() in (voice.title.casefold(), listed[voice.id].casefold()):
            return voice.id
    # The address of the voice's page.
    if voice_id := voice_id_in(name):
        return voice_id
    raise VoiceNameError(name)
