"""Where `wyoming-fish-say` has its text from: an argument or standard input, at some pace."""

import asyncio
import re
import sys
import threading
from collections.abc import AsyncIterator

__all__ = ["from_argument", "paced", "read_standard_input"]


async def read_standard_input() -> AsyncIterator[str]:
    """Yield the lines of standard input as they come."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue(maxsize=1)

    def read() -> None:
        for line in sys.stdin:
            asyncio.run_coroutine_threadsafe(lines.put(line), loop).result()
        asyncio.run_coroutine_threadsafe(lines.put(None), loop).result()

    # Nothing can interrupt a read of a terminal, so it must not hold up the end of the program.
    threading.Thread(target=read, daemon=True).start()
    while (line := await lines.get()) is not None:
        yield line


async def from_argument(text: str) -> AsyncIterator[str]:
    """Yield the text, which is there at once."""
    yield text


async def paced(text: AsyncIterator[str], words_per_second: float) -> AsyncIterator[str]:
    """Yield the words of the text, with the spaces before them, as a language model writes."""
    async for piece in text:
        for word in re.findall(r"\s*\S+|\s+", piece):
            await asyncio.sleep(1 / words_per_second)
            yield word
