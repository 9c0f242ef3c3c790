"""What the probe asks about speech: when it comes, in which frames, and with how much silence."""

from __future__ import annotations

import math
import sys
from array import array
from itertools import pairwise
from statistics import median
from typing import Any, Final

from ...fish import clock
from ...fish.errors import FishError, NoAudioError
from ...fish.settings import Backend, Latency
from .probe_connection import SHORT_TEXT
from .probe_wire import (
    RIFF_BYTES,
    Answer,
    Fact,
    ProbeClient,
    Recording,
    harmless,
    milliseconds,
)

__all__ = ["DRAMA_TEXTS", "PAST_CHUNK_CHARS", "REPLY", "SpeechQuestions", "silences"]

# More than 100 characters, below which Fish does not cut a text (`min_chunk_length` here).
LONG_SENTENCE: Final = (
    "All the doors of the house are locked now, the lights in the hall are off, and the heating "
    "is down for the night. "
)
REPLY: Final = (LONG_SENTENCE, "The alarm is set for 7. ", "Good night. ")
DRAMA_TEXTS: Final = ("Who is there? ", "It is only the cat. ")

# The highest sample of 16 bits that counts as silence: 0.6 % of full scale, about -44 dB.
SILENT_PEAK: Final = 200
# Samples are looked at in steps of this length.
STEP_S: Final = 0.01
# Silence that is heard as a gap before, or within, a reply.
LONG_LEAD_S: Final = 0.3
LONG_PAUSE_S: Final = 1.0

# Differences of the first audio that are not due to chance.
NOTICEABLE_S: Final = 0.1
# Characters of a text beyond `chunk_length`, so that its last word is beyond it.
PAST_CHUNK_CHARS: Final = 20
# Silence or audio that is more than rounding.
ROUNDING_S: Final = 0.005


class SpeechQuestions:
    """Each method asks one question. It raises FishError or TimeoutError if there is no answer."""

    def __init__(self, client: ProbeClient) -> None:
        self._client = client
        self._reply: Recording | FishError | TimeoutError | None = None
        self._plain_s: dict[str, float] = {}
        """The first audio of each latency on the plain socket."""

    async def first_audio(self, *, timestamps: bool = False) -> Answer:
        """When the first audio comes for each latency, on a fresh and on a waiting socket."""
        facts: dict[str, Fact] = {}
        first_s: dict[str, float] = {}
        for latency in Latency:
            try:
                opening_s, fresh_s, waiting_s = await self._first_audio(latency, timestamps)
            except TimeoutError:
                facts[f"{latency}_error"] = "no-answer"
                continue
            except FishError as error:
                facts |= {f"{latency}_{name}": v for name, v in _short(error, self._client).items()}
                continue
            facts[f"{latency}_fresh_ms"] = milliseconds(opening_s + fresh_s)
            facts[f"{latency}_waiting_ms"] = milliseconds(waiting_s)
            # The better of two: a single slow answer must not decide between latencies.
            first_s[latency] = min(fresh_s, waiting_s)
        if not first_s:
            return Answer("no-audio", "No latency gave audio.", facts=facts)
        if timestamps:
            return self._cost_of_timestamps(first_s, facts)
        self._plain_s = first_s
        # A lower latency is a loss of quality, so it has to be worth it.
        limit_s = min(first_s.values()) + NOTICEABLE_S
        chosen = [each for each in Latency if first_s.get(each, math.inf) < limit_s][-1]
        means = f"The latency {chosen} is as quick as any."
        return Answer(str(chosen), means, f"Set --latency {chosen}.", facts)

    async def rate(self) -> Answer:
        """How fast audio is made, compared with how fast it plays."""
        recording = await self._spoken_reply()
        spoken = recording.spoken
        made_s = spoken[-1].at_s - spoken[0].at_s
        later_s = recording.seconds(sum(len(frame.audio) for frame in spoken[1:]))
        facts: dict[str, Fact] = {
            "audio_ms": milliseconds(recording.audio_s),
            "first_audio_ms": milliseconds(recording.first_audio_s),
        }
        if not later_s or not made_s:
            return Answer("one-frame", "All audio came at the same time.", facts=facts)
        rate = later_s / made_s
        facts["times_real_time"] = round(rate, 2)
        if rate < 1:
            means = "Audio is made more slowly than it plays, so there are gaps."
            return Answer("slow", means, "Set --sample-rate to a lower value.", facts)
        return Answer("fast", "Audio is made faster than it plays.", facts=facts)

    async def frames(self) -> Answer:
        """The sizes of audio events, and whether they cut samples."""
        recording = await self._spoken_reply()
        sizes = [len(frame.audio) for frame in recording.spoken]
        odd = sum(size % 2 for size in sizes)
        facts: dict[str, Fact] = {
            "frames": len(sizes),
            "smallest_bytes": min(sizes),
            "median_bytes": round(median(sizes)),
            "largest_bytes": max(sizes),
            "odd_frames": odd,
            "median_ms": milliseconds(recording.seconds(round(median(sizes)))),
            "fields": sorted({str(name) for frame in recording.frames for name in frame.message}),
            "events": sorted(set(recording.events)),
        }
        if odd:
            return Answer("odd", "Frames cut samples in half. Join them by bytes.", facts=facts)
        return Answer("even", "Each frame has whole samples.", facts=facts)

    async def first_frame(self) -> Answer:
        """Whether PCM begins with the header of a WAV file."""
        recording = await self._spoken_reply()
        first = recording.spoken[0].audio
        facts: dict[str, Fact] = {"bytes": len(first)}
        if recording.has_header:
            facts["header_hex"] = recording.data[:RIFF_BYTES].hex()
            return Answer("riff", "PCM begins with the header of a WAV file.", facts=facts)
        return Answer("samples", "PCM begins with samples.", facts=facts)

    async def silence(self) -> Answer:
        """How much silence there is around sentences."""
        return _silence_in(await self._spoken_reply())

    async def drama_silence(self) -> Answer:
        """How much silence there is around the sentences of drama-3."""
        async with self._client.socket(timestamps=True, backend=Backend.DRAMA_3) as connection:
            return _silence_in(await self._client.say(connection, DRAMA_TEXTS))

    async def cut(self) -> Answer:
        """Where the server cuts text that is not flushed."""
        request = self._client.speech.request()
        facts: dict[str, Fact] = {
            name: request[name] for name in ("chunk_length", "min_chunk_length")
        }
        async with self._client.socket() as connection:
            session = await self._client.session(connection)
            recording = session.recording
            sent = 0
            for piece in _unflushed(request["chunk_length"]):
                await session.text(piece)
                sent += len(piece)
                await session.read_until_quiet(self._client.waits.quiet_s)
                if recording.spoken:
                    break
            unasked = bool(recording.spoken)
            await session.finish()
        if not recording.spoken:
            raise NoAudioError("The session ended without audio.")
        facts["characters_sent"] = sent
        if not unasked:
            return Answer("never", "The server speaks only what is flushed or ended.", facts=facts)
        if sent < request["chunk_length"]:
            means = "The server speaks a sentence without a flush."
            return Answer("sentence", means, facts=facts)
        return Answer("length", "The server speaks unflushed text at chunk_length.", facts=facts)

    async def held_back(self) -> Answer:
        """Whether a flush gives all audio of its text."""
        async with self._client.socket() as connection:
            session = await self._client.session(connection)
            await session.text(SHORT_TEXT, flush=True)
            await session.read_until_quiet(self._client.waits.quiet_s)
            given_s = session.recording.audio_s
            await session.finish()
        held_s = session.recording.audio_s - given_s
        facts: dict[str, Fact] = {
            "given_ms": milliseconds(given_s),
            "held_back_ms": milliseconds(held_s),
        }
        if not given_s:
            means = "A flush gives no audio before the text ends."
            return Answer("nothing-given", means, facts=facts)
        if held_s > ROUNDING_S:
            means = "The end of a flushed text comes with the next text, flush or stop."
            return Answer("held-back", means, facts=facts)
        return Answer("given", "A flush gives all audio of its text.", facts=facts)

    async def timing(self) -> Answer:
        """Whether the words and chunks that the server reports match the audio."""
        async with self._client.socket(timestamps=True) as connection:
            recording = await self._client.say(connection, REPLY)
        early, late = _early_words(recording), _late_labels(recording)
        segments = [text for frame in recording.frames for text in _segments(frame.message)]
        has_digit = any("7" in text for text, _ in segments)
        facts: dict[str, Fact] = {
            "chunks": len({str(frame.message.get("chunk_seq")) for frame in recording.frames}),
            "early_words": early,
            "frames_with_the_label_of_the_chunk_before": late,
            "numbers_as_written": has_digit,
            "events_without_audio": len(recording.frames) - len(recording.spoken),
        }
        if not segments:
            return Answer("no-words", "The server reports no words.", "Do not set --resume.", facts)
        if early and late:
            reading, means = "early-and-late", "Words come early, and labels of chunks late."
        elif early:
            reading, means = "early-words", "The server reports words before their audio."
        elif late:
            reading, means = "late-labels", "Audio can have the label of the chunk before it."
        else:
            reading, means = "exact", "The server reports each word with its audio."
        return Answer(reading, means, facts=facts)

    async def _spoken_reply(self) -> Recording:
        """One reply that several questions look at. Raises NoAudioError."""
        if self._reply is None:
            try:
                async with self._client.socket() as connection:
                    self._reply = await self._client.say(connection, REPLY)
            except (FishError, TimeoutError) as error:
                self._reply = error
        if isinstance(self._reply, Exception):
            raise self._reply
        if not self._reply.spoken:
            raise NoAudioError("The session ended without audio.")
        return self._reply

    async def _first_audio(self, latency: Latency, timestamps: bool) -> tuple[float, float, float]:
        """Seconds to open a socket, and to the first audio on it and on one that waited."""
        async with self._client.socket(timestamps=timestamps) as waiting:
            began_s = clock.now()
            async with self._client.socket(timestamps=timestamps) as fresh:
                opening_s = clock.now() - began_s
                first = await self._client.say(fresh, [SHORT_TEXT], latency=latency)
            second = await self._client.say(waiting, [SHORT_TEXT], latency=latency)
        return opening_s, first.first_audio_s, second.first_audio_s

    def _cost_of_timestamps(self, first_s: dict[str, float], facts: dict[str, Fact]) -> Answer:
        differences = [
            first_s[latency] - plain_s
            for latency, plain_s in self._plain_s.items()
            if latency in first_s
        ]
        if not differences:
            return Answer("measured", "There is nothing to compare it with.", facts=facts)
        cost_s = median(differences)
        facts["later_than_plain_ms"] = milliseconds(cost_s)
        if cost_s > NOTICEABLE_S:
            means = "The first audio comes later with timestamps."
            return Answer("later", means, "Do not set --resume if that is too late for you.", facts)
        means = "The first audio is as early with timestamps."
        return Answer("same", means, "Timestamps cost no time: you can set --resume.", facts)


def _silence_in(recording: Recording) -> Answer:
    if not recording.spoken:
        raise NoAudioError("The session ended without audio.")
    lead_s, pause_s, end_s = silences(recording.pcm, recording.sample_rate)
    facts: dict[str, Fact] = {
        "before_ms": milliseconds(lead_s),
        "longest_pause_ms": milliseconds(pause_s),
        "after_ms": milliseconds(end_s),
    }
    if lead_s > LONG_LEAD_S:
        return Answer("long-before", "There is silence before the first word.", facts=facts)
    if max(pause_s, end_s) > LONG_PAUSE_S:
        return Answer("long-pauses", "There are long pauses between sentences.", facts=facts)
    return Answer("short", "There is little silence around sentences.", facts=facts)


def silences(pcm: bytes, sample_rate: int) -> tuple[float, float, float]:
    """Seconds of silence before the first sound, the longest between sounds, and after the last."""
    samples = array("h", pcm)
    if sys.byteorder == "big":
        samples.byteswap()
    step = max(1, int(STEP_S * sample_rate))
    loud = [
        at
        for at in range(0, len(samples), step)
        if max(map(abs, samples[at : at + step])) > SILENT_PEAK
    ]
    if not loud:
        return len(samples) / sample_rate, 0.0, 0.0
    pauses = [after - before - step for before, after in pairwise(loud)]
    after = max(0, len(samples) - loud[-1] - step)
    return (
        loud[0] / sample_rate,
        max(pauses, default=0) / sample_rate,
        after / sample_rate,
    )


def _early_words(recording: Recording) -> int:
    """How many snapshots tell of a word whose audio has not come."""
    heard_s, early = 0.0, 0
    for frame in recording.frames:
        heard_s += recording.seconds(len(frame.audio))
        offset_s = frame.message.get("chunk_audio_offset_sec")
        ends = [end_s for _, end_s in _segments(frame.message)]
        if ends and isinstance(offset_s, int | float):
            early += offset_s + max(ends) > heard_s + ROUNDING_S
    return early


def _late_labels(recording: Recording) -> int:
    """How many chunks had begun in frames with the label of the chunk before."""
    heard_s, late, chunk = 0.0, 0, 0
    for frame in recording.frames:
        number, offset_s = (frame.message.get(n) for n in ("chunk_seq", "chunk_audio_offset_sec"))
        if isinstance(number, int) and isinstance(offset_s, int | float) and number > chunk:
            chunk = number
            late += heard_s > offset_s + ROUNDING_S
        heard_s += recording.seconds(len(frame.audio))
    return late


def _segments(message: dict[str, Any]) -> list[tuple[str, float]]:
    """The words of an event's snapshot, each with its end in its chunk."""
    alignment = message.get("alignment")
    segments = alignment.get("segments") if isinstance(alignment, dict) else None
    return [
        (segment["text"], float(segment["end"]))
        for segment in (segments if isinstance(segments, list) else [])
        if isinstance(segment, dict)
        and isinstance(segment.get("text"), str)
        and isinstance(segment.get("end"), int | float)
    ]


def _short(error: FishError, client: ProbeClient) -> dict[str, Fact]:
    facts = harmless(error, client.endpoint)
    return {name: facts[name] for name in ("error", "status") if name in facts}


def _unflushed(chunk_length: int) -> tuple[str, str]:
    """A sentence and the beginning of another, and the rest of more than ``chunk_length``."""
    begin = f"{LONG_SENTENCE}The"
    rest = " rest of this text is one sentence without an end" * (chunk_length // 49 + 1)
    return begin, rest[: chunk_length + PAST_CHUNK_CHARS - len(begin)]
