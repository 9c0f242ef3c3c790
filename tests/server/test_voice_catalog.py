"""The voices on offer."""

import asyncio
import json

import pytest
from wyoming.event import Event
from wyoming.info import Info

from wyoming_fish.emulator import Emulator, EmulatorSettings, Fault
from wyoming_fish.fish import FishClient, Voice
from wyoming_fish.fish.errors import UnavailableError, VoiceNotFoundError
from wyoming_fish.fish.settings import Endpoint, SpeechSettings
from wyoming_fish.server.voice_catalog import VoiceCatalog


def _info(catalog: VoiceCatalog) -> Info:
    header, _, data = catalog.info.partition(b"\n")
    return Info.from_event(Event(json.loads(header)["type"], json.loads(data)))


async def test_own_voices_are_listed() -> None:
    """The configured voice comes first, then the account's own; names and labels are distinct."""
    async with Emulator() as emulator, FishClient(Endpoint("key", emulator.url)) as account:
        configured = next(v for v in emulator.settings.voices if not v.mine)
        own = [v for v in emulator.settings.voices if v.mine]
        catalog = VoiceCatalog(account, SpeechSettings(voice=configured.id))
        await catalog.refresh()
    (program,) = _info(catalog).tts
    assert program.installed
    assert program.supports_synthesize_streaming
    names = [voice.name for voice in program.voices]
    assert names[0] == configured.id
    assert sorted(names[1:]) == sorted(v.id for v in own)
    labels = [voice.description for voice in program.voices]
    assert len(set(labels)) == len(labels)
    assert str(program.voices[0].description).startswith(configured.title)
    assert all(voice.installed and voice.languages for voice in program.voices)


TAGS = """
ar-AE ar-EG ar-SA de-AT de-CH de-DE en-AU en-CA en-GB en-IE en-IN en-NZ en-US en-ZA es-AR es-ES
es-MX es-US fr-BE fr-CA fr-CH fr-FR it-IT ja-JP ko-KR nl-BE nl-NL pl-PL pt-BR pt-PT ru-RU zh-CN
zh-HK zh-TW
"""


async def test_languages() -> None:
    """A voice has its own languages; without any, and the first one in any case, all of them.

    Each comes with its regional tags.
    """
    async with Emulator() as emulator, FishClient(Endpoint("key", emulator.url)) as account:
        voices = {v.id: v for v in emulator.settings.voices}
        catalog = VoiceCatalog(account, SpeechSettings())
        await catalog.refresh()
    first, *others = _info(catalog).tts[0].voices
    assert first.name == "default"
    assert {"en", "en-US", "de", "de-DE", "ja", "ja-JP", "nb"} <= set(first.languages)
    assert {tag for tag in first.languages if "-" in tag} == set(TAGS.split())
    assert any(not voices[voice.name].languages for voice in others)
    for voice in others:
        own = set(voices[voice.name].languages)
        spoken = {language.partition("-")[0] for language in voice.languages}
        assert spoken == own if own else voice.languages == first.languages
        assert ("en-GB" in voice.languages) == ("en" in voice.languages)


async def test_the_answer_is_stable() -> None:
    """The same voices are the same bytes, in whatever order the account lists them."""
    async with Emulator() as emulator, FishClient(Endpoint("key", emulator.url)) as account:
        catalog = VoiceCatalog(account, SpeechSettings())
        await catalog.refresh()
        before = catalog.info
        emulator.settings.voices = tuple(reversed(emulator.settings.voices))
        await catalog.refresh()
        assert catalog.info == before


async def test_there_is_an_answer_without_fish() -> None:
    """Before Fish has answered, and when it does not, the voices known so far are on offer."""
    settings = EmulatorSettings(faults=[Fault("rest", 503, times=None)])
    async with Emulator(settings) as emulator, FishClient(Endpoint("key", emulator.url)) as account:
        catalog = VoiceCatalog(account, SpeechSettings())
        assert [voice.name for voice in _info(catalog).tts[0].voices] == ["default"]
        with pytest.raises(UnavailableError):
            await catalog.refresh()
        emulator.settings.faults.clear()
        await catalog.refresh()
        listed = catalog.info
        emulator.settings.faults.append(Fault("rest", 503, times=None))
        with pytest.raises(UnavailableError):
            await catalog.refresh()
        assert catalog.info == listed


async def test_names_are_resolved() -> None:
    """A name is an ID, listed or not, the address of its page, or a title. Others are errors."""
    async with Emulator() as emulator, FishClient(Endpoint("key", emulator.url)) as account:
        own = next(v for v in emulator.settings.voices if v.mine)
        catalog = VoiceCatalog(account, SpeechSettings())
        await catalog.refresh()
    assert catalog.resolve(None) is None
    assert catalog.resolve("default") is None
    assert catalog.resolve(own.id) == own.id
    assert catalog.resolve(own.title.upper()) == own.id
    assert catalog.resolve("a" * 32) == "a" * 32
    assert catalog.resolve(f"https://fish.audio/m/{own.id}/?share=1") == own.id
    error = 'The account has no voice named "nobody". Check the name, or use the voice ID.'
    with pytest.raises(VoiceNotFoundError) as caught:
        catalog.resolve("nobody")
    assert str(caught.value) == error


async def test_no_failure_ends_the_looking(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a look at the account fails with, it is logged, and the next one is made."""
    monkeypatch.setattr("wyoming_fish.server.voice_catalog.RETRY_DELAY_S", 0.01)
    async with Emulator() as emulator, FishClient(Endpoint("key", emulator.url)) as account:
        catalog = VoiceCatalog(account, SpeechSettings())
        failures = [RecursionError("a bug"), UnavailableError("Fish Audio is away.")]
        listed = account.voices

        async def voices() -> list[Voice]:
            if failures:
                raise failures.pop(0)
            return await listed()

        monkeypatch.setattr(account, "voices", voices)
        keeping = asyncio.create_task(catalog.refresh_periodically())
        async with asyncio.timeout(5):
            while not catalog.voices:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0)
        keeping.cancel()
        await asyncio.wait((keeping,))
    assert [bool(record.exc_info) for record in caplog.records] == [True, False]
    assert "Report this error" in caplog.messages[0]
