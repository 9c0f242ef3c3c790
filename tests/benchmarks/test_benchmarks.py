"""The benchmarks' own arithmetic, and that they run. What they measure is not judged here."""

import asyncio
import subprocess
import sys

import pytest

from benchmarks.crowd import crowd
from benchmarks.home_assistant import Reply
from benchmarks.load import Load, against
from benchmarks.player import RATE, Chunk, Heard
from benchmarks.programs import cpu_seconds, emulator, memory, relay
from benchmarks.speakers import wyoming_server
from benchmarks.table import verdict
from benchmarks.text import aligned_ends, ours
from benchmarks.texts import AT_ONCE, TEXTS, THREE_SENTENCES, Text, written
from tests.e2e.home_assistant import has_audio
from tests.support.listening import listening
from tests.support.processes import ENVIRONMENT, ROOT
from wyoming_fish.emulator import Emulator, EmulatorSettings, decode_code_voice

SILENCE = bytes(2 * int(0.06 * RATE))
SECOND = b"\1\0" * RATE


@pytest.mark.parametrize(
    ("chunks", "starved"),
    [
        ([Chunk(1.4, 0.5)], 0.0),
        # The second comes as the first ends, the third half a second before the second ends.
        ([Chunk(1.0, 0.5), Chunk(1.5, 1.0), Chunk(2.0, 1.0)], 0.0),
        ([Chunk(1.0, 0.5), Chunk(2.0, 0.5)], 0.5),
        # After a gap the player goes on from there.
        ([Chunk(1.0, 0.5), Chunk(2.0, 0.5), Chunk(2.5, 1.0), Chunk(4.0, 1.0)], 1.0),
        # Silence that was put in is heard, whether the player waited for it or not.
        ([Chunk(1.0, 3.0), Chunk(2.0, 0.06, silent=True), Chunk(3.0, 1.0)], 0.06),
        ([Chunk(1.0, 1.0), Chunk(3.0, 0.5, silent=True), Chunk(4.0, 1.0)], 2.0),
    ],
)
def test_starved(chunks: list[Chunk], starved: float) -> None:
    """A player that starts at the first byte starves where nothing, or only silence, is there."""
    assert Heard(chunks).starved == pytest.approx(starved)


def test_heard() -> None:
    """PCM becomes seconds; a whole silence is told from one that ends a frame."""
    heard = Heard()
    heard.add(SECOND, 1.4)
    heard.add(SILENCE, 3.9)
    heard.add(SILENCE[:-2], 4.0)
    assert [chunk.at for chunk in heard.chunks] == [1.4, 3.9, 4.0]
    assert [chunk.silent for chunk in heard.chunks] == [False, True, False]
    assert heard.first_audio == 1.4
    assert heard.longest_gap == pytest.approx(2.5)
    assert heard.seconds == pytest.approx(1.12, abs=1e-4)


def test_limit() -> None:
    """The limit is the last word of the first sentence, and the model's own time."""
    assert THREE_SENTENCES.limit(10.0) == pytest.approx(1.3)
    assert THREE_SENTENCES.limit(40.0) == pytest.approx(0.55)
    assert THREE_SENTENCES.limit(AT_ONCE) == pytest.approx(0.3)
    assert Text("one word", ("Yes.", "And no.")).limit(10.0) == pytest.approx(0.3)


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text.name)
async def test_written(text: Text) -> None:
    """However fast a text is written, it is the same text; what is overdue is there at once."""
    now = asyncio.get_running_loop().time
    for pace, began in ((1000.0, now()), (10.0, now() - 60), (AT_ONCE, now())):
        pieces = [piece async for piece in written(text.words, pace, began)]
        assert "".join(pieces) == " ".join(text.sentences)
        assert len(pieces) == (1 if pace == AT_ONCE else len(text.words))


def test_limit_through_home_assistant() -> None:
    """It counts from the later of the first sentence and Home Assistant's own first text."""
    text = Text("two", ("Good morning.", "How are you?"))
    reply = Reply([(5.0, 4), (5.05, 13), (5.1, 17)], started=5.02, audio=[5.5, 5.6, 8.0])
    assert reply.first_audio == pytest.approx(0.5)
    assert reply.limit(text) == pytest.approx(0.05 + 0.3)
    reply.started = 5.1
    assert reply.limit(text) == pytest.approx(0.1 + 0.3)
    assert reply.longest_gap == pytest.approx(2.4)


@pytest.mark.parametrize(
    ("data", "audio"),
    [
        (b"", False),
        (b"ID", False),
        (b"ID3\4\0\0\0\0\1", False),
        (b"ID3\4\0\0\0\0\1\1" + bytes(129), False),
        (b"ID3\4\0\0\0\0\1\1" + bytes(129) + b"\xff", True),
        (b"\xff\xfb", True),
    ],
)
def test_mp3_begins_after_its_tag(data: bytes, audio: bool) -> None:
    """An ID3 tag is not yet anything to hear."""
    assert has_audio(data) is audio


def test_verdict() -> None:
    """What is as much as it may be passes."""
    assert verdict("gap", 3.0, 3.0, "s") == (True, "gap: 3 s, at most 3 s")
    assert not verdict("ratio", 1.51, 1.5).passed


def test_against() -> None:
    """Ratios are those of pairs: what slows both runs of a pair does not count."""
    pairs = {
        "relay": [Load(1.0, 1.1, 0.001, 100.0), Load(2.0, 2.5, 0.004, 100.0)],
        "server": [Load(1.1, 1.2, 0.002, 110.0), Load(2.1, 2.5, 0.008, 130.0)],
    }
    assert against(pairs) == pytest.approx((2.0, 1.2, 0.1))


async def test_relay() -> None:
    """The bare relay speaks all of the text, sentence by sentence, for each of its clients."""
    async with Emulator(EmulatorSettings(voice="code")) as fish:
        with relay(fish.url) as served:
            speaker = wyoming_server(served.port)
            pcm = b"".join([pcm async for pcm in speaker(written(THREE_SENTENCES.words, 1000, 0))])
    assert decode_code_voice(pcm) == " ".join(THREE_SENTENCES.sentences)
    assert [text.strip() for text in fish.sessions[0].spoken] == list(THREE_SENTENCES.sentences)


async def test_crowd() -> None:
    """A crowd hears as much as Fish has spoken, one reply each, and is counted in sockets."""
    with emulator("--instant") as fish, relay(fish.url) as served:
        clients = await crowd(served.port, 3, THREE_SENTENCES, 1000.0, 0.0)
        letters = sum(letter.isalpha() for letter in "".join(THREE_SENTENCES.words))
        # The emulator's tones: 60 ms for a letter, and after each word.
        seconds = 0.06 * (letters + len(THREE_SENTENCES.words))
        assert [client.seconds for client in clients] == pytest.approx([seconds] * 3)
        assert all(client.first_audio > 0 for client in clients)
        assert fish.sockets == 3
        assert cpu_seconds(served.program.pid) > 0
        assert memory(served.program.pid, peak=True) >= memory(served.program.pid) > 2**20


async def test_crowd_without_a_server() -> None:
    """A server that goes away is an error, not a fast one."""

    async def leave(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        pass

    async with listening(leave) as port:
        with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="closed the connection")):
            await crowd(port, 1, THREE_SENTENCES, AT_ONCE, 0.0)


def test_ends_of_sentences_with_letters_left_out() -> None:
    """Ends are found in the text, even if a segmenter left out spaces and marks."""
    assert aligned_ends("*So* it is. Yes? No.", ["So it is.", "Yes?", "No."]) == {9, 13}
    assert aligned_ends("So it is. Yes.", ["So it is. Yes."]) == set()


def test_our_own_sentences() -> None:
    """What the benchmark takes for our sentences is the whole text, cut at its certain ends."""
    assert ours("So it is. Yes? No.") == ["So it is. ", "Yes? ", "No."]


def test_the_command() -> None:
    """It runs what is named, prints tables and verdicts, and refuses a name that is none."""
    command = (sys.executable, "-m", "benchmarks")
    done = subprocess.run(
        (*command, "first-audio", "cleaning", "start-up", "--quick"),
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    # Whether all passes is the machine's business too.
    assert done.returncode == int("FAIL" in done.stdout), done.stderr
    assert "| complete text |" in done.stdout
    assert "| with Markdown, complete text |" in done.stdout
    assert "`describe` is answered" in done.stdout
    assert done.stdout.count("PASS") + done.stdout.count("FAIL") >= 14

    refused = subprocess.run(
        (*command, "nonsense"), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert "nonsense" in refused.stderr
