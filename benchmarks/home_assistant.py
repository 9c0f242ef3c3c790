"""Through a real Home Assistant: first audio and pauses, as a satellite gets them, in MP3.

By the integration, by its own Wyoming integration and our server, and by that and the bare relay.
"""

import asyncio
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise, product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Final

from tests.e2e.home_assistant import HomeAssistant, has_audio, log_in, start_home_assistant
from tests.support.processes import ROOT
from wyoming_fish.emulator import VOICES

from .programs import emulator, ours, relay
from .table import Verdict, print_table, print_verdicts, verdict
from .texts import MODEL, TEXTS, THREE_SENTENCES, Text

ROUNDS: Final = 3

# Seconds after the limit. Within it are the next word, 50 ms later, Home Assistant and ffmpeg.
TOLERANCE: Final = 0.15

# Seconds of the pause in the text, and without a byte for the satellite, after which it gives up.
PAUSE: Final = 12
LONGEST_GAP: Final = 5.0

SPOKEN: Final = TEXTS[:2]

# What is measured, besides the relay: the two ways to speak by Fish Audio.
INTEGRATION: Final = "integration"
SERVER: Final = "server"


@dataclass
class Reply:
    """When things happened, as a browser and a satellite see them: seconds of any clock."""

    written: list[tuple[float, int]] = field(default_factory=list)
    """With each piece of text, how many characters there are by then."""
    started: float = 0.0
    """When Home Assistant gave the first text to the voice."""
    audio: list[float] = field(default_factory=list)

    @property
    def first_audio(self) -> float:
        """Seconds from the first text to the first MP3."""
        return self.audio[0] - self.written[0][0]

    def limit(self, text: Text) -> float:
        """Seconds from the first text to the first audio, at the least there can be."""
        sentence = next(at for at, length in self.written if length >= len(text.sentences[0]))
        return max(self.started, sentence) + MODEL - self.written[0][0]

    @property
    def longest_gap(self) -> float:
        """Seconds between two pieces of MP3, at the most."""
        return max(later - at for at, later in pairwise(self.audio))


def run(*, quick: bool = False) -> list[Verdict]:
    """Measure, print the tables and give the verdicts."""
    subprocess.run([ROOT / "script" / "setup", "home-assistant"], check=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        archive = folder / "wyoming_fish.zip"
        subprocess.run([ROOT / "script" / "package-integration", archive], check=True)
        fish = stack.enter_context(emulator())
        servers = {
            name: stack.enter_context(start(fish.url))
            for name, start in ((SERVER, ours), ("relay", relay))
        }
        ports = {name: served.port for name, served in servers.items()}
        (folder / "config").mkdir()
        program, url = start_home_assistant(folder / "config", archive=archive)
        stack.enter_context(program)
        return asyncio.run(_measure(url, fish.url, ports, rounds=1 if quick else ROUNDS))


async def _measure(url: str, fish: str, ports: dict[str, int], rounds: int) -> list[Verdict]:
    replies: dict[tuple[str, Text], list[Reply]] = {}
    async with log_in(url) as home_assistant:
        await home_assistant.add_integration("storyteller")
        entries = {INTEGRATION: await home_assistant.add_fish_audio(fish, VOICES[0].id)}
        for name, port in ports.items():
            entries[name] = await home_assistant.add_integration(
                "wyoming", host="127.0.0.1", port=port
            )
        pipelines = {
            name: await _pipeline(home_assistant, name, entry) for name, entry in entries.items()
        }
        # The first reply of each finds nothing in its caches.
        for pipeline in pipelines.values():
            await _reply(home_assistant, pipeline, SPOKEN[0].words)
        for _, text, name in product(range(rounds), SPOKEN, pipelines):
            reply = await _reply(home_assistant, pipelines[name], text.words)
            replies.setdefault((name, text), []).append(reply)
        words = list(THREE_SENTENCES.words)
        at = len(THREE_SENTENCES.sentences[0].split()) + 3
        words.insert(at, f" {{{PAUSE}}}")
        pauses = {
            name: (await _reply(home_assistant, pipelines[name], words)).longest_gap
            for name in pipelines
        }
    return _report(replies, pauses)


async def _pipeline(home_assistant: HomeAssistant, name: str, entry: str) -> str:
    """Make a pipeline of the storyteller and the voice of an entry; give its id."""
    entities = await home_assistant.call("config/entity_registry/list")
    (engine,) = [
        entity["entity_id"]
        for entity in entities
        if entity["config_entry_id"] == entry and entity["entity_id"].startswith("tts.")
    ]
    return await home_assistant.add_pipeline(name, engine)


async def _reply(home_assistant: HomeAssistant, pipeline: str, words: list[str]) -> Reply:
    """Have the storyteller say something, and listen as a satellite does."""
    await home_assistant.call(
        "assist_pipeline/run",
        start_stage="intent",
        end_stage="tts",
        pipeline=pipeline,
        input={"text": "".join(words)},
    )
    reply = Reply()
    length = 0

    async def listen(address: str) -> None:
        head = b""
        async for piece in home_assistant.fetch(address):
            if not reply.audio:
                head += piece
                if not has_audio(head):
                    continue
            reply.audio.append(monotonic())

    async with asyncio.timeout(60), asyncio.TaskGroup() as listener:
        while (event := await home_assistant.event())["type"] != "run-end":
            data = event["data"]
            match event["type"]:
                case "error":
                    raise RuntimeError(f"Home Assistant failed: {data}")
                case "run-start":
                    listener.create_task(listen(data["tts_output"]["url"]))
                case "intent-progress" if data.get("tts_start_streaming"):
                    reply.started = monotonic()
                case "intent-progress" if content := data["chat_log_delta"].get("content"):
                    length += len(content)
                    reply.written.append((monotonic(), length))
    return reply


def _report(
    replies: dict[tuple[str, Text], list[Reply]], pauses: dict[str, float]
) -> list[Verdict]:
    rows, verdicts = [], []
    for text in SPOKEN:
        late_here = {
            name: median(reply.first_audio - reply.limit(text) for reply in replies[name, text])
            for name in pauses
        }
        verdicts += [
            verdict(
                f"{text.name}: first audio by the {name} after the limit",
                1000 * late_here[name],
                1000 * TOLERANCE,
                "ms",
            )
            for name in (INTEGRATION, SERVER)
        ]
        first = {
            name: median(reply.first_audio for reply in replies[name, text]) for name in pauses
        }
        limit = median(reply.limit(text) for reply in replies[SERVER, text])
        rows.append(
            [
                text.name,
                *(f"{first[name] / first['relay']:.2f}" for name in (INTEGRATION, SERVER)),
                f"{limit:.2f}",
                *(f"{seconds:.2f}" for seconds in first.values()),
                *(f"{1000 * seconds:+.0f} ms" for seconds in late_here.values()),
            ]
        )
    print_table(
        "Through Home Assistant, a word each 50 ms, to MP3: first audio in seconds",
        [
            *("text", "integration / relay", "server / relay", "limit", *pauses),
            *(f"after the limit: {name}" for name in pauses),
        ],
        rows,
    )
    print_table(
        f"A pause of {PAUSE} s in the text: seconds without MP3, at the most",
        ["", "longest gap"],
        [[name, f"{seconds:.2f}"] for name, seconds in pauses.items()],
    )
    verdicts += [
        verdict(f"longest gap in the MP3 by the {name}", pauses[name], LONGEST_GAP, "s")
        for name in (INTEGRATION, SERVER)
    ]
    print_verdicts(verdicts)
    return verdicts
