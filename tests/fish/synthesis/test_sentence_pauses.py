"""Silence between sentences: its length, and its places."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.fish.replies import RAW, SENTENCES, SETTINGS, TEXT, fish, speak
from wyoming_fish.emulator import Fault
from wyoming_fish.emulator.voices.code import encode_code_voice
from wyoming_fish.fish import FishClient, TextBuffer

PAUSED = replace(SETTINGS, sentence_pause_s=0.75)
PAUSE = bytes(2 * round(PAUSED.sentence_pause_s * PAUSED.sample_rate))

NO_WEBSOCKET = Fault("upgrade", 404, times=None)


def _paused(*sentences: str) -> bytes:
    """The audio of ``sentences``, sample by sample."""
    return PAUSE.join(map(encode_code_voice, sentences))


async def _heard(client: FishClient, text: str | AsyncIterator[str], **more: object) -> bytes:
    settings = {"settings": PAUSED, "text_settings": RAW} | more
    return b"".join([pcm async for pcm in speak(client, text, **settings)])  # type: ignore[arg-type]


async def _letters(text: str) -> AsyncIterator[str]:
    for letter in text:
        yield letter
        await asyncio.sleep(0)


@pytest.mark.parametrize("after_finish", ["keep", "close", "drop"])
@pytest.mark.parametrize("timestamps", [False, True])
async def test_pause_stands_between_sentences_only(after_finish: str, timestamps: bool) -> None:
    """To the sample, and neither before the first sentence nor after the last."""
    async with fish(timestamps=timestamps, after_finish=after_finish) as (_, client):
        assert await _heard(client, TEXT) == _paused(*SENTENCES)
        assert await _heard(client, _letters(TEXT)) == _paused(*SENTENCES)


async def test_pause_by_rest() -> None:
    """Without a websocket, it is the same; a space at the end of a request is not said."""
    async with fish(NO_WEBSOCKET) as (_, client):
        for text in (TEXT, _letters(TEXT)):
            heard = (await _heard(client, text)).split(PAUSE)
            assert b"".join(heard).count(b"\0\0" * 100) == 0
            assert [pcm.strip(encode_code_voice(" ")) for pcm in heard] == [
                encode_code_voice(sentence.strip()).strip(encode_code_voice(" "))
                for sentence in SENTENCES
            ]


async def test_no_pause_is_one_session() -> None:
    """Without the setting, nothing changes."""
    async with fish() as (emulator, client):
        assert await _heard(client, TEXT, settings=SETTINGS) == encode_code_voice(TEXT)
        assert len(emulator.sessions) == 1


@pytest.mark.parametrize(
    "sentences",
    [
        ("Dr. Smith pays 3.50 at 10 a.m. Pacific, e.g. today. ", "Good."),
        ("“Sleep well!” ", "Yes (no). ", "Am 3. Mai? ", "Ja."),
        ("关灯。", "好的！"),
        # What has no word is said with what follows.
        ("One.\n", "— —\nTwo.\n\n", "Three"),
        ("A list:\n", "Milk\n", "Eggs"),
    ],
)
async def test_pause_is_never_within_a_sentence(sentences: tuple[str, ...]) -> None:
    """Sentences are those of the sentence finder, whatever the pieces of the text."""
    text = "".join(sentences)
    async with fish() as (_, client):
        assert await _heard(client, text) == _paused(*sentences)
        assert await _heard(client, _letters(text)) == _paused(*sentences)


@pytest.mark.usefixtures("brisk")
async def test_text_that_stops_within_a_sentence_has_no_pause_there() -> None:
    """What was sent early since the text stopped goes on in its session."""
    text = TextBuffer()
    async with fish() as (emulator, client):
        heard = asyncio.create_task(_heard(client, text))  # type: ignore[arg-type]
        text.write("It opens at 10 p.m.")
        await emulator.wait_for(lambda e: any(record.flushes for record in e.sessions))
        text.write(" and closes at 11. Good night.")
        text.end()
        assert await heard == _paused("It opens at 10 p.m. and closes at 11. ", "Good night.")


@pytest.mark.usefixtures("brisk")
async def test_a_failed_session_doubles_no_pause() -> None:
    """The next sentence is tried again, behind the one pause."""
    failure = Fault("start", "drop")
    async with fish() as (emulator, client):
        text = TextBuffer()
        heard = asyncio.create_task(_heard(client, text))  # type: ignore[arg-type]
        text.write(SENTENCES[0])
        await emulator.wait_for(lambda e: bool(e.sessions))
        emulator.settings.faults.append(failure)
        text.write("".join(SENTENCES[1:]))
        text.end()
        assert await heard == _paused(*SENTENCES)
        assert emulator.sessions[1].outcome == "drop"


async def test_pause_between_the_parts_of_a_document() -> None:
    """A part of SSML with a speed of its own ends with a sentence, or within one."""
    ssml = '<speak>One. <prosody rate="fast">Two is</prosody> three. Four.</speak>'
    async with fish() as (emulator, client):
        heard = (await _heard(client, ssml, text_settings=replace(RAW, mode="clean"))).split(PAUSE)
        assert len(heard) == 3
        assert ["".join(session.texts).strip() for session in emulator.sessions] == [
            *("One.", "Two is", "three.", "Four.")
        ]
