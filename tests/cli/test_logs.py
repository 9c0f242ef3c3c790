"""The log: safe to read in a terminal, and bounded whatever others send."""

import asyncio
import io
import json
import logging
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.support.processes import ENVIRONMENT, READY, Program
from wyoming_fish.emulator import Emulator, EmulatorSettings
from wyoming_fish.fish.errors import FishConnectionError, VoiceNotFoundError
from wyoming_fish.logs import INDENT, MAX_KIND_CHARS, WINDOW_S, LogFormatter, LogHandler
from wyoming_fish.printable import MAX_CHARS, printable

HOSTILE = (
    "x\n2026-11-27 00:00:00,000 WARNING wyoming_fish.server.server: FORGED "
    "\r\x00\x07\x1b[31m\x1b]0;t\x07\x7f\x9b\u0085\u2028\u2029\u202e\u2066\ufeff\U000e0001\ud800"
)


class Log:
    """A log with the product's handler and formatter, and a clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self._stream = io.StringIO()
        self.handler = LogHandler(self._stream, lambda: self.now)
        self.handler.setFormatter(LogFormatter("%(levelname)s %(name)s: %(message)s"))
        self.logger = logging.Logger("test")  # noqa: LOG001 - nobody else may write into it
        self.logger.addHandler(self.handler)

    @property
    def text(self) -> str:
        """All that was written."""
        return self._stream.getvalue()

    @property
    def lines(self) -> list[str]:
        """The lines that were written."""
        return self.text.splitlines()


@pytest.fixture
def log() -> Iterator[Log]:
    """A log of the test's own."""
    log = Log()
    yield log
    log.handler.close()


def _fail(error: Exception) -> None:
    raise error


def _raised(error: Exception) -> Exception:
    try:
        _fail(error)
    except Exception as raised:  # noqa: BLE001
        return raised
    raise AssertionError


def _safe(text: str) -> bool:
    return text.replace("\n", "").isprintable()


def test_text_from_outside_stays_on_its_line(log: Log) -> None:
    """Line ends, ANSI escapes, bidirectional and all other controls are escaped."""
    log.logger.warning("A client said: %s", HOSTILE)
    (line,) = log.lines
    assert line.startswith("WARNING test: A client said: x\\n2026")
    assert "\\x1b[31m" in line
    assert "\\u202e" in line
    assert _safe(log.text)


@pytest.mark.parametrize("character", ["a", "\n", "\U000e0001"])
def test_a_line_is_cut(log: Log, character: str) -> None:
    """A line has a length, and says how much more there was."""
    log.logger.error("A voice named %s", character * 300_000)
    (line,) = log.lines
    assert len(line) < MAX_CHARS + 100
    assert line.endswith(f" ({300_000 + len('A voice named ') - MAX_CHARS} more characters)")


def test_a_traceback_cannot_forge_a_line(log: Log) -> None:
    """Each further line of a record is indented, those of an error's own text too."""
    log.logger.error("This failed", exc_info=_raised(ValueError(HOSTILE)))
    first, *more = log.lines
    assert first == "ERROR test: This failed"
    assert "Traceback" in more[0]
    assert "FORGED" in log.text
    assert all(line.startswith(INDENT) for line in more)
    assert _safe(log.text)


@pytest.mark.parametrize("text", ["x" * 10**6, "x\n" * 10**6])
def test_a_traceback_is_cut(log: Log, text: str) -> None:
    """Its end is kept."""
    log.logger.error("This failed", exc_info=_raised(ValueError(text)))
    assert len(log.text) < 40_000
    assert log.lines[1] == f"{INDENT}…"


def test_a_stack_is_bounded_too(log: Log) -> None:
    """It is indented, as a traceback is."""
    log.logger.error("Here", stack_info=True)
    assert all(line.startswith(INDENT) for line in log.lines[1:])


def test_the_first_lines_of_each_kind_are_written(log: Log) -> None:
    """A flood of one kind takes nothing from another."""
    for number in range(1000):
        log.logger.warning("Flood %d", number)
    log.logger.warning("Something else")
    assert log.lines[:10] == [f"WARNING test: Flood {number}" for number in range(10)]
    assert log.lines[-1] == "WARNING test: Something else"
    assert len(log.lines) == 11


@pytest.mark.parametrize("level", [logging.DEBUG, logging.INFO, logging.ERROR])
@pytest.mark.parametrize("size", [1, 100, 10**6])
def test_a_kind_is_bounded(log: Log, level: int, size: int) -> None:
    """No kind of line, whatever its level and length, fills the disk."""
    for _ in range(20_000):
        log.logger.log(level, "%s", "x" * size)
    assert len(log.text) < 2 * MAX_KIND_CHARS


def test_words_of_a_reply_are_all_there(log: Log) -> None:
    """With --debug, a text of 200 words that comes word by word is written whole."""
    for word in range(200):
        log.logger.debug("Text: %s", f" word{word}")
    assert len(log.lines) == 200


def test_texts_that_differ_are_one_kind(log: Log) -> None:
    """A library that puts what varies into the message itself is bounded as well."""
    for number in range(1000):
        log.logger.error(f"Task exception was never retrieved\nfuture: {number}")  # noqa: G004
    assert len(log.lines) == 10


def test_what_was_held_back_is_counted(log: Log) -> None:
    """With the next line of any kind, after a minute."""
    for number in range(1000):
        log.logger.warning("Flood %s", number)
    log.now = WINDOW_S
    log.logger.info("Anything")
    assert log.lines[10:] == [
        "WARNING test: Held back 990 more lines like this: Flood 999",
        "INFO test: Anything",
    ]
    log.logger.info("Anything")
    assert len(log.lines) == 13


def test_failures_of_different_kinds_are_told_apart(log: Log) -> None:
    """One that others can cause without end hides no other."""
    for _ in range(1000):
        log.logger.error("A reply failed: %s", VoiceNotFoundError("no such voice"))
    log.logger.error("A reply failed: %s", FishConnectionError("no network"))
    assert len(log.lines) == 11
    assert "no network" in log.lines[-1]


async def test_what_was_held_back_is_counted_in_a_quiet_house(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a minute, though nothing else is logged."""
    monkeypatch.setattr("wyoming_fish.logs.WINDOW_S", 0.01)
    told = asyncio.Event()

    def flush() -> None:
        if "Held back" in log.text:
            told.set()

    monkeypatch.setattr(log.handler, "flush", flush)
    for _ in range(30):
        log.logger.warning("Flood")
    log.now = 1.0
    await told.wait()
    assert log.lines[-1] == "WARNING test: Held back 20 more lines like this: Flood"


def test_what_was_held_back_is_counted_at_the_end(log: Log) -> None:
    """It is not lost if nothing else is logged."""
    for _ in range(30):
        log.logger.warning("Flood")
    log.handler.close()
    assert log.lines[-1] == "WARNING test: Held back 20 more lines like this: Flood"


@pytest.mark.parametrize("text", ["Küche 你好 🐟", "back\\slash", ""])
def test_what_can_be_read_stays_as_it_is(text: str) -> None:
    """Every language is written as it is."""
    assert printable(text) == text


Attack = Callable[[int], bytes]


def _event(event_type: str, **data: object) -> bytes:
    return json.dumps({"type": event_type, "data": data}).encode() + b"\n"


ATTACKS: dict[str, Attack] = {
    "a voice": lambda n: _event("synthesize", text="a", voice={"name": "\U000e0001" * 5_000}),
    "another voice": lambda n: _event("synthesize", text="a", voice={"name": f"{n}\n" * 9_000}),
    "no event": lambda n: b"rubbish\n",
    "an unknown event": lambda n: _event(HOSTILE.encode("ascii", "ignore").decode() + "t" * 60_000),
    "a text": lambda n: (
        _event("synthesize-start") + _event("synthesize-chunk", text="x\n" * 30_000)
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_nobody_can_fill_the_log(attack: str) -> None:
    """Whatever is sent, also with --debug, the log stays small, and each line is the server's."""
    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        environment = {**ENVIRONMENT, "FISH_API_KEY": "key", "FISH_BASE_URL": emulator.url}
        command = (sys.executable, "-m", "wyoming_fish", "--debug", "--uri=tcp://127.0.0.1:0")
        program = Program(*command, env=environment)
        try:
            ready = await asyncio.to_thread(program.wait_for, READY)
            port = int(ready[1].rpartition(":")[2])
            before = len(program.log)
            for number in range(60):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(ATTACKS[attack](number) + b"rubbish\n")
                await reader.read()
                writer.close()
        finally:
            assert await asyncio.to_thread(program.end) == 0
    written = program.log[before:]
    assert "more lines like this" in written
    # Several kinds of line, each within its budget.
    assert len(written) < 6 * MAX_KIND_CHARS
    assert _safe(written)
    assert not [line for line in written.splitlines() if line.startswith("2026-11-27 00:00:00")]
