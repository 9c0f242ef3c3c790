"""A real user beside the soak's attackers: `python -m tests.soak.user PORT ADDRESS`.

It has a process of its own, so that what the attackers cost their own process does not count.
For each reply it prints the milliseconds from the end of the text to the first audio, or what was
wrong.
"""

import asyncio
import sys

from wyoming.event import Event, async_read_event, async_write_event
from wyoming.tts import SynthesizeChunk, SynthesizeStart, SynthesizeStop

from wyoming_fish.emulator import decode_code_voice

TEXT = "Good night. The doors are locked."
# Seconds between two replies, and to the end of one.
PAUSE_S = 0.1
REPLY_TIMEOUT_S = 90.0


async def _ask(port: int, address: str) -> str:
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
    try:
        for part in (SynthesizeStart(), SynthesizeChunk(TEXT), SynthesizeStop()):
            await async_write_event(part.event(), writer)
        began, first, pcm = loop.time(), 0.0, b""
        event: Event | None
        while (event := await async_read_event(reader)) is not None:
            if event.payload and not pcm:
                first = loop.time() - began
            pcm += event.payload or b""
            if event.type == "error":
                return f"wrong: {event.data}"
            if event.type == "synthesize-stopped":
                heard = decode_code_voice(pcm, allow_silence=True)
                return f"{first * 1000:.1f}" if heard == TEXT else f"wrong: heard {heard!r}"
        return "wrong: the connection ended"
    finally:
        writer.close()


async def main(port: int, address: str) -> None:
    """Ask for one reply after another, until the process is ended."""
    while True:
        try:
            async with asyncio.timeout(REPLY_TIMEOUT_S):
                print(await _ask(port, address), flush=True)
        except (TimeoutError, OSError, ValueError) as error:
            print(f"wrong: {error!r}", flush=True)
        await asyncio.sleep(PAUSE_S)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
