"""What is heard of what was written: markdown, SSML, styles, speakers and pronunciations."""

from itertools import pairwise
from pathlib import Path

import pytest
from wyoming.client import AsyncTcpClient
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeVoice,
)

from tests.support.server import Serving, check_envelope, receive, stream
from wyoming_fish.emulator import VOICES, Emulator, EmulatorSettings, Fault, decode_code_voice

MARKDOWN = "## Café 🌙\n\n- **Door**: [shut](http://a.b/c)\n- *Light*: off, `x > 3`.\n\nBye!"
CLEAN = "Café\nDoor: shut\nLight: off, x > 3.\nBye!"

KELP, CORAL, OTHER_CORAL = VOICES[:3]


def _settings(**settings: object) -> EmulatorSettings:
    return EmulatorSettings(voice="code", code_samples=2, **settings)  # type: ignore[arg-type]


def _sent(emulator: Emulator) -> list[str]:
    """The text of each session."""
    return ["".join(session.texts) for session in emulator.sessions]


async def _heard(client: AsyncTcpClient, text: str, **fields: object) -> str:
    """What is heard of a plain request with these fields."""
    await client.write_event(Event("synthesize", {"text": text, **fields}))
    reply = await receive(client, "audio-stop")
    check_envelope(reply, 44100, streamed=False)
    return decode_code_voice(reply.pcm, 2)


async def test_markdown_cut_everywhere(serving: Serving) -> None:
    """However a reply was cut into deltas, its words are said and its marks are not."""
    cuts = [list(MARKDOWN), *([MARKDOWN[:at], MARKDOWN[at:]] for at in range(len(MARKDOWN)))]
    async with serving(_settings()) as served, served.client() as client:
        for pieces in cuts:
            await stream(client, pieces)
            reply = await receive(client, "synthesize-stopped")
            check_envelope(reply, 44100, streamed=True)
            assert decode_code_voice(reply.pcm, 2) == CLEAN
        assert _sent(served.emulator) == [CLEAN] * len(cuts)


@pytest.mark.parametrize("text", [MARKDOWN, '<speak><voice name="Coral">Hi.</voice></speak>'])
async def test_raw(serving: Serving, text: str) -> None:
    """With --text-mode raw every byte is sent as it came, whatever it is."""
    async with serving(_settings(), "--text-mode=raw") as served, served.client() as client:
        assert await _heard(client, text, text_format="ssml") == text
        await stream(client, list(text))
        assert decode_code_voice((await receive(client, "synthesize-stopped")).pcm, 2) == text


@pytest.mark.parametrize(
    "text",
    [
        "<think>He wants light.</think>",
        "```yaml\nlight: on\n```",
        "🌙",
        "---\n\n***",
        "[laugh]",
        "<speak><break time='2s'/></speak>",
        "<speak>",
    ],
)
async def test_nothing_to_say(serving: Serving, text: str) -> None:
    """Text of which nothing is said ends properly, without audio and without a bill."""
    async with serving(_settings()) as served, served.client() as client:
        assert await _heard(client, text) == ""
        await stream(client, list(text))
        check_envelope(await receive(client, "synthesize-stopped"), 44100, streamed=True)
        assert served.emulator.sessions == []


async def test_retried(serving: Serving) -> None:
    """What fails before it is heard is cleaned once, and sent again whole."""
    settings = _settings(faults=[Fault("audio", "drop"), Fault("start", "close")])
    async with serving(settings) as served, served.client() as client:
        await stream(client, list(MARKDOWN))
        reply = await receive(client, "synthesize-stopped")
        assert decode_code_voice(reply.pcm, 2) == CLEAN
        assert len(served.emulator.struck) == 2
        assert _sent(served.emulator)[-1] == CLEAN


SSML = (
    '<speak>One. <voice name="{voice}">Two.</voice>'
    '<prosody rate="fast" volume="loud">Three.</prosody></speak>'
)


@pytest.mark.parametrize("text_format", [None, "ssml"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_ssml(serving: Serving, text_format: str | None, streamed: bool) -> None:
    """Voices, speeds and volumes change within a reply, within one envelope."""
    text = SSML.format(voice="old harbour")
    harbour = next(voice for voice in VOICES if voice.title == "Old Harbour")
    flags = (f"--voice={KELP.id}", "--speed=1.6", "--volume=2")
    async with serving(_settings(), *flags) as served, served.client() as client:
        # Titles are known once the account has been looked at.
        await served.emulator.wait_for(lambda e: len(e.requests) > 0)
        if streamed:
            await client.write_event(SynthesizeStart(text_format=text_format).event())
            for letter in text:
                await client.write_event(SynthesizeChunk(letter).event())
            await client.write_event(Synthesize(text, text_format=text_format).event())
            await client.write_event(SynthesizeStop().event())
        else:
            await client.write_event(Synthesize(text, text_format=text_format).event())
        reply = await receive(client, "synthesize-stopped" if streamed else "audio-stop")
        check_envelope(reply, 44100, streamed=streamed)
        assert decode_code_voice(reply.pcm, 2) == "One.Two.Three."
        requests = [session.request for session in served.emulator.sessions]
        assert [request["reference_id"] for request in requests] == [KELP.id, harbour.id, KELP.id]
        # No faster than Fish can.
        assert [request["prosody"] for request in requests] == [
            {"speed": 1.6, "volume": 2.0},
            {"speed": 1.6, "volume": 2.0},
            {"speed": 2.0, "volume": 8.0},
        ]


@pytest.mark.parametrize(
    ("voice", "heard"), [("en-US-Nobody", "One. Two.Three."), ("0" * 32, "One.Two.Three.")]
)
async def test_a_voice_that_ssml_invents(serving: Serving, voice: str, heard: str) -> None:
    """Where SSML names a voice that is not there, the default voice speaks, and nothing is lost."""
    async with serving(_settings(), f"--voice={KELP.id}") as served, served.client() as client:
        assert await _heard(client, SSML.format(voice=voice)) == heard
        last = served.emulator.sessions[-2:]
        assert {session.request["reference_id"] for session in last} == {KELP.id}


async def test_ssml_that_is_said_to_be(serving: Serving) -> None:
    """SSML may be named as such; an unknown format is text, and what is none is refused."""
    async with serving(_settings()) as served, served.client() as client:
        assert await _heard(client, "a &lt; <sub alias='b'>c</sub>", text_format="ssml") == "a < c"
        assert await _heard(client, "*a*", text_format="markdown") == "a"
        await client.write_event(Event("synthesize", {"text": "a", "text_format": {}}))
        assert (await receive(client, "error")).error.code == "invalid-event"
        assert len(served.emulator.sessions) == 2


LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE speak [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in pairwise("abcdefghij"))
    + "]><speak>Ha &j;!</speak>"
)


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        (LAUGHS, "Ha !"),
        ("<speak>" * 10_000 + "Hi.", "Hi."),
        ("<speak>" + "<p x='1'>" * 100_000 + "Hi.", "Hi."),
        ('<!DOCTYPE speak SYSTEM "file:///etc/passwd"><speak>Hi.</speak>', "Hi."),
    ],
    ids=["entities", "depth", "length", "files"],
)
async def test_hostile_ssml(serving: Serving, text: str, heard: str) -> None:
    """What is made to hurt is said as its text, and others are served meanwhile."""
    async with (
        serving(_settings(), "--max-pending-characters=10000000") as served,
        served.client() as client,
    ):
        await client.write_event(SynthesizeStart(text_format="ssml").event())
        for at in range(0, len(text), 50_000):
            await client.write_event(SynthesizeChunk(text[at : at + 50_000]).event())
        await client.write_event(SynthesizeStop().event())
        async with served.client() as other:
            assert await _heard(other, "Me too.") == "Me too."
        reply = await receive(client, "synthesize-stopped")
        assert decode_code_voice(reply.pcm, 2) == heard


@pytest.mark.parametrize(
    ("backend", "first", "second"),
    [("s2.1-pro", "[whisper] ", "[calm] "), ("s1", "(whispering) ", "(calm) ")],
)
async def test_style(serving: Serving, backend: str, first: str, second: str) -> None:
    """A style is said in the backend's own form; one request asks for another by SSML."""
    flags = ("--style=whisper", f"--backend={backend}")
    async with serving(_settings(), *flags) as served, served.client() as client:
        assert await _heard(client, "Good *night*.") == f"{first}Good night."
        styled = '<speak><mstts:express-as style="calm">Bye.</mstts:express-as></speak>'
        assert await _heard(client, styled) == f"{first}{second}Bye."
        assert await _heard(client, "[laugh]") == ""


async def test_speakers(serving: Serving) -> None:
    """Of several voices a client picks one; else the text itself says who speaks."""
    flags = (f"--voice={KELP.id},{OTHER_CORAL.id}", "--allow-control-tokens")
    async with serving(_settings(), *flags) as served, served.client() as client:
        await served.emulator.wait_for(lambda e: len(e.requests) > 1)
        await client.write_event(Describe().event())
        event = await client.read_event()
        assert event is not None
        voice = Info.from_event(event).tts[0].voices[0]
        names = [speaker.name for speaker in voice.speakers or []]
        assert names == ["Captain Kelp", f"Coral ({OTHER_CORAL.id[:8]})"]
        for speaker in (names[1], OTHER_CORAL.id):
            asked = SynthesizeVoice(voice.name, speaker=speaker)
            await client.write_event(Synthesize("Hi.", asked).event())
            reply = await receive(client, "audio-stop")
            assert decode_code_voice(reply.pcm, 2) == "Hi."
        both = "One. <|speaker:1|>Two."
        assert await _heard(client, both) == f"<|speaker:0|>{both}"
        assert [session.request["reference_id"] for session in served.emulator.sessions] == [
            OTHER_CORAL.id,
            OTHER_CORAL.id,
            [KELP.id, OTHER_CORAL.id],
        ]
        asked = SynthesizeVoice(voice.name, speaker="nobody")
        await client.write_event(Synthesize("Hi.", asked).event())
        error = (await receive(client, "error")).error
        assert error.code == "voice-not-found"
        assert "Captain Kelp" in error.text


@pytest.mark.parametrize(
    ("flags", "heard"),
    [
        ((), "Say tomato."),
        (
            ("--allow-control-tokens",),
            "<|speaker:1|>Say <|phoneme_start|>T AH0<|phoneme_end|> tomato.",
        ),
    ],
)
async def test_tokens(serving: Serving, flags: tuple[str, ...], heard: str) -> None:
    """Fish's own tokens pass from trusted text alone; other models' never do."""
    text = "<|im_start|><|speaker:1|>Say <|phoneme_start|>T AH0<|phoneme_end|> tomato.<|im_end|>"
    async with serving(_settings(), *flags) as served, served.client() as client:
        assert await _heard(client, text) == heard


async def test_pronunciations(serving: Serving, tmp_path: Path) -> None:
    """Words of the user's file are said as it tells, at the edges of words."""
    file = tmp_path / "words.txt"
    file.write_text("# ours\nHass: Home Assistant\nGIF: /JH IH1 F/\n", encoding="utf-8-sig")
    async with (
        serving(_settings(), f"--pronunciations={file}") as served,
        served.client() as client,
    ):
        assert await _heard(client, "**HASS** shows a GIF in Hassfurt.") == (
            "Home Assistant shows a <|phoneme_start|>JH IH1 F<|phoneme_end|> in Hassfurt."
        )


async def test_other_options(serving: Serving) -> None:
    """Emoji may be named, addresses dropped, and code announced."""
    flags = ("--emoji=name", "--urls=drop", "--code-replacement=Code follows.")
    text = "Hi 🌙 see https://fish.audio/x now.\n```\nx = 1\n```"
    async with serving(_settings(), *flags) as served, served.client() as client:
        heard = await _heard(client, text)
    assert heard == "Hi crescent moon see now.\nCode follows.\n"


async def test_language_of_a_request(serving: Serving) -> None:
    """A sign of yes is said in the language that the client names."""
    async with serving(_settings()) as served, served.client() as client:
        assert await _heard(client, "Licht: ✅", voice={"language": "de"}) == "Licht: ja"
        assert await _heard(client, "Licht: ✅") == "Licht: ✓"
