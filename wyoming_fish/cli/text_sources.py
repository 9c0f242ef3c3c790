"""The text of `wyoming-fish-say`: an argument or standard input, at a given pace."""

import asyncio
import re
import sys
import threading
from collections.abc import AsyncIterator

__all__ = ["paced", "read_text"]


async def read_text(argument: str | None) -> AsyncIterator[str]:
    """Yield ``argument``; without one, the lines of standard input as they arrive."""
    if argument:
        yield argument
        return
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue(maxsize=1)

    def read() -> None:
        for line in sys.stdin:
            asyncio.run_coroutine_threadsafe(lines.put(line), loop).result()
        asyncio.run_coroutine_threadsafe(lines.put(None), loop).result()

    # A daemon thread: nothing can interrupt its read of a terminal at the end of the program.
    threading.Thread(target=read, daemon=True).start()
    while (line := await lines.get()) is not None:
        yield line


async def paced(text: AsyncIterator[str], words_per_second: float) -> AsyncIterator[str]:
    """Yield the words of the text, with the spaces before them, as a language model writes."""
    async for piece in text:
        for word in re.findall(r"\s*\S+|\s+", piece):
            await asyncio.sleep(1 / words_per_second)
            yield word
