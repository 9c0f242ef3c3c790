"""Work on text is done in short steps, and all replies take turns at it."""

import asyncio
import time

import pytest

from wyoming_fish.fish import TextSettings
from wyoming_fish.fish.cpu_turns import CPU_TURN_S, STEP_CHARS, cpu_owner, cpu_turn, steps
from wyoming_fish.fish.owner import owner_at
from wyoming_fish.fish.reply_metrics import ReplyMetrics
from wyoming_fish.fish.settings import Backend
from wyoming_fish.fish.synthesis.text_chunks import ReplyText
from wyoming_fish.fish.text.prepared_text import PreparedText
from wyoming_fish.fish.text.sentences import WINDOW_CHARS, Sentences
from wyoming_fish.fish.text.ssml.document import SsmlPart, ssml_steps
from wyoming_fish.fish.text.text_buffer import TextBuffer

LONG = 100_000


def _prepared(text: str, settings: TextSettings) -> ReplyText:
    """What is said of a text that is there whole."""
    source = TextBuffer()
    source.write(text)
    source.end()
    prepared = PreparedText(source, Backend.S2_1_PRO, settings)
    return ReplyText(source, prepared.steps(), ReplyMetrics())


def _compute() -> None:
    """Take as long as a turn."""
    until = time.perf_counter() + CPU_TURN_S
    while time.perf_counter() < until:
        pass


async def test_one_turn_in_an_iteration() -> None:
    """However many tasks compute, the loop runs everything else after each; all have their turn."""
    turns: list[int] = []
    most = seen = 0

    async def compute(number: int) -> None:
        for _ in range(3):
            await cpu_turn()
            turns.append(number)
            _compute()

    tasks = [asyncio.create_task(compute(number)) for number in range(20)]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        most, seen = max(most, len(turns) - seen), len(turns)
    assert most == 1
    assert all(len(set(turns[at : at + 20])) >= 19 for at in range(len(turns) - 20))


@pytest.mark.parametrize(
    "crowd",
    [
        pytest.param(["192.168.1.3"] * 20, id="address"),
        pytest.param(["fd00:1::3"] * 20, id="address in its network"),
        pytest.param([f"fd00:2::{number}" for number in range(20)], id="network"),
    ],
)
async def test_a_crowd_has_every_other_turn(crowd: list[str]) -> None:
    """However many tasks of one address compute, or of one network: another one has the rest."""
    turns: list[str] = []

    async def compute(address: str) -> None:
        cpu_owner.set(owner_at(address))
        for _ in range(3):
            await cpu_turn()
            turns.append(address)
            _compute()

    one = "192.168.1.2" if "192.168.1.3" in crowd else "fd00:1::2"
    await asyncio.gather(*map(compute, [*crowd, one]))
    assert turns.index(one) <= 2
    assert [turn == one for turn in turns[turns.index(one) :][:5]] == [True, False] * 2 + [True]


async def test_nobody_waits_while_nobody_computes() -> None:
    """A turn costs no iteration of the loop where no other task computes."""
    iterations = 0

    def count() -> None:
        nonlocal iterations
        iterations += 1

    asyncio.get_running_loop().call_soon(count)
    await cpu_turn()
    await cpu_turn()
    assert iterations == 0


async def test_cancelled_while_it_waits() -> None:
    """A task that is cancelled before its turn, or as it comes, does not keep the others' turns."""
    done: list[int] = []

    async def compute(number: int) -> None:
        await cpu_turn()
        _compute()
        await cpu_turn()
        done.append(number)

    tasks = [asyncio.create_task(compute(number)) for number in range(6)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.sleep(0)
    # By now the turn of this one has come, and it has not run yet.
    tasks[2].cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(*tasks, return_exceptions=True)
    assert done == [0, 3, 4, 5]


@pytest.mark.parametrize("mode", ["clean", "raw"])
async def test_text_is_cleaned_in_steps(mode: str) -> None:
    """No step gives more than STEP_CHARS, whatever came in one piece."""
    settings = TextSettings(mode=mode)  # type: ignore[arg-type]
    reply_text = _prepared("a, " * (LONG // 3), settings)
    lengths = [0]
    while await reply_text.prepare():
        lengths.append(reply_text.buffer.length - sum(lengths))
    assert reply_text.buffer.length >= LONG - 3
    assert max(lengths) <= STEP_CHARS + 2


@pytest.mark.parametrize("begin", ["<speak>", "<speak><b>", "<!DOCTYPE a><speak>"])
def test_ssml_is_read_in_steps(begin: str) -> None:
    """Each step of a document reads STEP_CHARS, whether it turns out to be one or not."""
    document = begin + "<p>a</p>" * (LONG // 8) + "</speak>"
    parts: list[SsmlPart] = []
    count = sum(1 for _ in ssml_steps(document, Backend.S2_1_PRO, TextSettings(), parts))
    assert count >= len(document) // STEP_CHARS
    assert sum(part.text.count("a") for part in parts) == LONG // 8


def test_sentences_are_sought_in_a_window() -> None:
    """Text beyond the window is not touched until its turn comes, and all of it comes."""
    text = "One. Two, three. " * (LONG // 17)
    sentences = Sentences()
    for step in steps(text):
        sentences.write(step)
        assert len(sentences.text) <= WINDOW_CHARS
    taken = ""
    while sentences.text:
        taken += sentences.take(sentences.cuts[0].at if sentences.cuts else len(sentences.text))
    assert taken == text


BOMBS = [
    "<speak>" + "<!DOCTYPE[" * 9990 + "]" + " " * 99_900,
    "<speak>" + "<p>a</p>" * (LONG // 8),
    "<speak>" + "&a" * (LONG // 2),
    "🇩x=«~~" * (LONG // 6),
    "•*" * (LONG // 2),
]


async def test_many_texts_at_the_same_time() -> None:
    """Sixty hostile texts hold up the loop for a few turns, and not for sixty."""

    async def clean(number: int) -> None:
        reply_text = _prepared(BOMBS[number % 5], TextSettings())
        while await reply_text.prepare():
            pass

    async def longest_s() -> float:
        """Seconds of the processor in the longest of many iterations of the loop."""
        tasks = [asyncio.create_task(clean(number)) for number in range(60)]
        longest, before = 0.0, time.thread_time()
        for _ in range(200):
            await asyncio.sleep(0)
            now = time.thread_time()
            longest, before = max(longest, now - before), now
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return longest

    # A slow moment of the machine is nobody's doing.
    assert min([await longest_s() for _ in range(2)]) < 10 * CPU_TURN_S
