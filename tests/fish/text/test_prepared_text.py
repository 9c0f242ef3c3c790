"""What is said of a text, on its way to Fish: cleaned once, in time, in as few parts as may be."""

import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest

from tests.fish.replies import SETTINGS, fish, speak
from tests.support.idle_clock import run
from wyoming_fish.emulator import VOICES, Fault, decode_code_voice
from wyoming_fish.fish import FishClient, SpeechSettings, TextSettings
from wyoming_fish.fish.errors import BrokenStreamError, VoiceNotFoundError
from wyoming_fish.fish.settings import Backend, VoiceIds
from wyoming_fish.fish.synthesis.flush_scheduler import FlushScheduler
from wyoming_fish.fish.text import Cleaner, parse_pronunciations
from wyoming_fish.fish.text.prepared_text import PreparedText, plain
from wyoming_fish.fish.text.request_prefix import RequestPrefix
from wyoming_fish.fish.text.text_buffer import TextBuffer

KELP, CORAL = VOICES[0].id, VOICES[1].id

# No websocket here.
MISSING = Fault("upgrade", 404, times=None)


async def _pieces(pieces: Iterable[str]) -> AsyncIterator[str]:
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)


async def _sentences(text: str) -> AsyncIterator[str]:
    """``text``, with pauses after its sentences."""
    for sentence in text.replace(". ", ".\0 ").replace(".\n", ".\0\n").split("\0"):
        yield sentence
        await asyncio.sleep(0.08)


def _voice(name: str) -> VoiceIds:
    if name != "Coral":
        raise VoiceNotFoundError(f"no {name}")
    return CORAL


async def _heard(sockets: FishClient, text: str, settings: SpeechSettings = SETTINGS) -> str:
    speech = speak(sockets, _pieces(text), settings, resolve_voice=_voice)
    return decode_code_voice(b"".join([pcm async for pcm in speech]))


@pytest.mark.parametrize(
    "text",
    [
        "Good night to you all. The doors are locked, and the lights are off.",
        "How hot is it? Maybe it will be 22.5 degrees by noon. Who knows.",
        "Sure, I can do that for you, and then I will turn off all of the lights in here, too.",
        "Dr. Smith said so! And he is right, I think, since it rains.",
        "今日は晴れです。明日は雨が降るでしょう。",
        "Es ist 19,5 °C. Draußen regnet es.",
    ],
)
def test_no_first_piece_is_later(text: str) -> None:
    """Plain text is sent as early as if it were not cleaned: with the same delta."""

    def first(cleaner: Cleaner | None) -> tuple[int, str]:
        schedule = FlushScheduler()
        for number, delta in enumerate(text.replace(" ", "\0 ").split("\0")):
            schedule.write(cleaner.write(delta) if cleaner else delta, 0.0)
            if piece := schedule.next_chunk(0.0):
                return number, piece
        return -1, ""

    assert first(Cleaner(Backend.S2_1_PRO, TextSettings())) == first(None)


async def test_parts_of_the_same_settings_are_one_session() -> None:
    """Markup that does not change how Fish Audio speaks does not begin a part."""
    text = (
        '<speak>One <lang xml:lang="fr">deux</lang> <voice name="nobody">three</voice>'
        '<voice name="Coral">four</voice> <voice name="Coral"><s>five</s></voice></speak>'
    )
    async with fish(timestamps=False) as (emulator, sockets):
        assert await _heard(sockets, text) == "One deux threefour\nfive"
        asked = [session.request.get("reference_id") for session in emulator.sessions]
    assert asked == [None, CORAL]


@pytest.mark.usefixtures("impatient")
async def test_a_part_that_fails_fails_the_reply() -> None:
    """A reply of which a part could not be spoken is never called whole."""
    text = '<speak>One.<voice name="Coral">Two.</voice></speak>'
    heard = b""

    async def listen() -> None:
        nonlocal heard
        async for pcm in speak(sockets, _pieces([text]), SETTINGS, resolve_voice=_voice):
            heard += pcm
            emulator.settings.faults = [Fault("start", "drop", times=None)]

    async with fish(timestamps=False) as (emulator, sockets):
        with pytest.raises(BrokenStreamError, match="was interrupted"):
            await listen()
    assert decode_code_voice(heard) == "One."


@pytest.mark.usefixtures("brisk")
async def test_the_style_is_said_to_each_request() -> None:
    """By REST, where a request knows nothing of the one before, each has the style."""
    text = "Good night. The doors are locked.\n\nBye."
    settings = TextSettings(style="calm")
    async with fish(MISSING) as (emulator, sockets):
        async for _ in speak(sockets, _sentences(text), SETTINGS, settings):
            pass
        sent = [session.texts[0] for session in emulator.sessions]
    assert len(sent) >= 3
    assert all(request.lstrip().startswith("[calm] ") for request in sent)
    assert "".join(sent).replace("[calm] ", "").split() == text.split()


@pytest.mark.usefixtures("brisk")
async def test_the_speaker_is_said_to_each_request() -> None:
    """By REST, the last speaker of a request speaks the next one too."""
    settings = SpeechSettings(voice=(KELP, CORAL), sample_rate=24000)
    text = "One of them. <|speaker:1|>Two of these. Three of those."
    async with fish(MISSING) as (emulator, sockets):
        async for _ in speak(sockets, _sentences(text), settings, TextSettings(trusted=True)):
            pass
        sent = [session.texts[0] for session in emulator.sessions]
    assert sent[0].startswith("<|speaker:0|>")
    assert len(sent) >= 3
    assert all(request.lstrip().startswith("<|speaker:1|>") for request in sent[1:])


def test_a_part_has_as_long_as_what_was_heard() -> None:
    """What has begun waits for Fish as long as any reply, though another voice could have begun."""
    text = '<speak>One.<voice name="Coral">Two.</voice></speak>'

    async def heard() -> str:
        async with fish(Fault("start", "stall", times=2)) as (emulator, sockets):
            faults, emulator.settings.faults = emulator.settings.faults, []
            audio = b""
            async for pcm in speak(
                sockets, _pieces([text]), SETTINGS, resolve_voice=_voice, first_audio_timeout_s=4.0
            ):
                audio += pcm
                emulator.settings.faults = faults
            return decode_code_voice(audio)

    assert run(heard()) == "One.Two."


@pytest.mark.usefixtures("brisk")
async def test_a_resumed_reply_goes_on_in_its_style_and_voice() -> None:
    """Where a reply goes on in a new session, it is told the style, and who spoke last."""
    settings = SpeechSettings(voice=(KELP, CORAL), sample_rate=24000)
    text_settings = TextSettings(style="calm", trusted=True)
    text = "*One*, and more. <|speaker:1|>Two. Three of these."
    async with fish(Fault("text", "drop", at=2), timestamps=True) as (emulator, sockets):
        async for _ in speak(sockets, _sentences(text), settings, text_settings):
            pass
        second = "".join(emulator.sessions[1].texts)
    assert second == "<|speaker:1|>[calm] Three of these."


@pytest.mark.parametrize(
    ("text", "opened"),
    [
        ("Hi.", "<|speaker:0|>[calm] Hi."),
        ("[calm] Hi.", "<|speaker:0|>[calm] Hi."),
        ("<|speaker:2|>Hi.", "[calm] <|speaker:2|>Hi."),
        (" [calm] Hi.", "<|speaker:0|>[calm] Hi."),
        ("[calm] [laugh] <|speaker:2|>Hi.", "[calm] [laugh] <|speaker:2|>Hi."),
    ],
)
def test_openings(text: str, opened: str) -> None:
    """Nothing is said twice at the start of a request."""
    assert RequestPrefix("[calm]", "<|speaker:0|>").apply(text) == opened
    assert RequestPrefix().apply(text) == text


@pytest.mark.parametrize(
    ("begun", "known"), [("<spe", "<spend> it"), ("\n <", "< 3"), (" " * 999, " " * 999 + "\n")]
)
def test_what_is_not_ssml_is_not_held(begun: str, known: str) -> None:
    """A text that only begins like SSML is spoken as soon as it is known to be none."""
    source = TextBuffer()
    prepared = PreparedText(source, Backend.S2_1_PRO, TextSettings())
    steps, given = prepared.steps(), ""
    for text in (begun, known.removeprefix(begun), " by now,"):
        source.write(text)
        while (step := next(steps)) is not None:
            given += step
    assert given
    assert prepared.parts == []


async def test_longer_than_any_document(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document without an end is not kept: from its limit on it is spoken as a text with tags."""
    monkeypatch.setattr("wyoming_fish.fish.text.prepared_text.MAX_SSML_CHARS", 50)
    heard = asyncio.Event()

    async def text() -> AsyncIterator[str]:
        yield "<speak><p>One.</p>"
        yield "<p>Two, and three.</p> " * 2
        await heard.wait()
        yield "<p>Bye.</p></speak>"

    async with fish(timestamps=False) as (_, sockets):
        out = b""
        async for pcm in speak(sockets, text(), SETTINGS, ssml=True):
            out += pcm
            heard.set()
    assert decode_code_voice(out) == "One.\nTwo, and three.\nTwo, and three.\nBye.\n"


async def test_for_another_voice() -> None:
    """A voice that is not Fish's gets words alone: no cue, no token, no phonemes, no tag."""
    settings = TextSettings(
        style="calm", trusted=True, pronunciations=parse_pronunciations("GIF: /JH IH1 F/\nHA: Ha")
    )
    text = "<|speaker:1|>**HA** [laughs] has a GIF. <speak>Hi &amp; <break/>bye</speak> [sigh]"
    source = TextBuffer()
    source.write(text)
    source.end()
    assert await plain(source, settings) == "Ha has a GIF. Hi & bye"
    assert await plain(source, TextSettings(mode="raw")) == text
