"""The log on standard error: safe to read in a terminal, and bounded whatever others send.

Other people's input reaches the log: names of voices, texts, answers of servers, in lines of this
package as in those of the libraries. So one handler bounds all of them, and no caller has to.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from logging import LogRecord
from time import monotonic
from types import TracebackType
from typing import Final, TextIO, TypeAlias

from .printable import printable

__all__ = ["LogFormatter", "LogHandler", "set_up_logging"]

_ExcInfo: TypeAlias = (
    tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
)

# Characters of one line of a traceback, and of all of them: its last 100 lines or so. What happened
# is said at its end.
MAX_TRACEBACK_LINE_CHARS: Final = 500
MAX_TRACEBACK_CHARS: Final = 8000

# Begins each further line of a record, so that no text in it looks like a record of its own.
INDENT: Final = "    "

# Each kind of line may have so many characters in so many seconds: at most 1.2 MB an hour. That
# is a line for each of 130 replies a minute, or a text of 200 words with --debug.
WINDOW_S: Final = 60.0
MAX_KIND_CHARS: Final = 20_000

# Characters of a line's message that are quoted when others like it were held back.
MAX_TOLD_CHARS: Final = 200

# A warning or an error costs at least this: after ten in a minute, the next one is not news.
MIN_WARNING_COST_CHARS: Final = 2000


def set_up_logging(level: int, line_format: str = "%(levelname)s: %(message)s") -> None:
    """Write the log of the whole program to standard error, unless it has a log already."""
    handler = LogHandler(sys.stderr)
    handler.setFormatter(LogFormatter(line_format))
    logging.basicConfig(level=level, handlers=[handler])


class LogFormatter(logging.Formatter):
    """Escapes and cuts what a record says: it can neither forge a line nor fill the disk."""

    def formatMessage(self, record: LogRecord) -> str:  # noqa: N802 - logging's own name
        """Return the record's line."""
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: _ExcInfo) -> str:  # noqa: N802
        """Return the end of the traceback, indented."""
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802
        """Return the end of the stack, indented."""
        return _indented(super().formatStack(stack_info))


def _indented(text: str) -> str:
    # A line of a traceback is long only if an error's text is: the whole is cut first, since it
    # can have millions of lines.
    end = text[-MAX_TRACEBACK_CHARS:]
    cut = ["…"] if len(text) > len(end) else []
    lines = [printable(line, MAX_TRACEBACK_LINE_CHARS) for line in end.split("\n")]
    return "\n".join(INDENT + line for line in (*cut, *lines))


@dataclass(slots=True)
class _LineKind:
    """The lines of one place in the code, and what may still be written of them."""

    logger: str
    level: int
    last: str = ""
    """The beginning of the last message that was held back."""
    window_end: float = 0.0
    """By the handler's clock."""
    chars_left: int = 0
    held_back: int = 0


class LogHandler(logging.StreamHandler[TextIO]):
    """Writes to ``stream``, within a budget for each kind of line; says how many it held back.

    A kind is a place in the code and the type of the error that it tells, so their number is
    bounded. The first lines of each are always written. ``clock`` gives seconds.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = monotonic) -> None:
        super().__init__(stream)
        self._clock = clock
        self._kinds: dict[tuple[object, ...], _LineKind] = {}

    def emit(self, record: LogRecord) -> None:
        """Write the record, or count it."""
        now = self._clock()
        self._tell_held_back()
        arguments = record.args if isinstance(record.args, tuple) else ()
        errors = (type(each) for each in arguments if isinstance(each, BaseException))
        place = (record.pathname, record.lineno, *errors)
        if place not in self._kinds:
            self._kinds[place] = _LineKind(record.name, record.levelno)
        kind = self._kinds[place]
        if now >= kind.window_end:
            kind.window_end, kind.chars_left = now + WINDOW_S, MAX_KIND_CHARS
        if kind.chars_left <= 0:
            if not kind.held_back:
                self._tell_later(kind.window_end - now)
            kind.held_back += 1
            kind.last = record.getMessage()[:MAX_TOLD_CHARS]
            return
        chars = self._write(record)
        is_warning = record.levelno >= logging.WARNING
        kind.chars_left -= max(chars, MIN_WARNING_COST_CHARS) if is_warning else chars

    def close(self) -> None:
        """Say what is held back, and end."""
        self._tell_held_back(at_the_end=True)
        super().close()

    def _tell_later(self, seconds: float) -> None:
        # In a quiet house the next line may come tomorrow.
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop().call_later(seconds, self._tell_held_back)

    def _tell_held_back(self, *, at_the_end: bool = False) -> None:
        now = self._clock()
        for kind in self._kinds.values():
            if kind.held_back and (at_the_end or now >= kind.window_end):
                text = "Held back %d more lines like this: %s"
                arguments = (kind.held_back, kind.last)
                kind.held_back = 0
                self._write(LogRecord(kind.logger, kind.level, __file__, 0, text, arguments, None))

    def _write(self, record: LogRecord) -> int:
        """Write the record; return its length."""
        try:
            line = self.format(record)
            self.stream.write(line + self.terminator)
            self.flush()
        except Exception:  # noqa: BLE001 - logging's own way to treat what keeps it from writing
            self.handleError(record)
            return 0
        return len(line)
