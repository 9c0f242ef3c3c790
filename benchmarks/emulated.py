"""`python -m benchmarks.emulated [--split …] …`: the emulated Fish Audio of the benchmarks.

It prints its address, and then a line for each websocket that is opened.
"""

import argparse
import asyncio
from functools import partial
from itertools import count
from typing import Final, get_args

from wyoming_fish.emulator import Emulator, EmulatorSettings
from wyoming_fish.emulator.settings import Split
from wyoming_fish.emulator.voices import DEFAULT_FREQUENCY
from wyoming_fish.emulator.voices.tone import speak_tones

from .player import RATE
from .texts import MODEL

# Seconds of the websocket's upgrade, and of the model for a second of audio, as they were
# measured at Fish Audio's by its users.
HANDSHAKE: Final = 0.33
PACE: Final = 0.13

# Seconds of audio in an event: the measured 0.46, and a little, so that an event never ends just
# where a silence begins.
FRAME: Final = 0.4637

SOCKET: Final = "socket"


async def main() -> None:
    """Serve until the end of the process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--split", choices=get_args(Split), default="length")
    parser.add_argument("--concurrency", type=int, default=1000)
    parser.add_argument("--instant", action="store_true", help="without any of Fish's time")
    chosen = parser.parse_args()
    slow = 0.0 if chosen.instant else 1.0
    settings = EmulatorSettings(
        voice="tone",
        concurrency=chosen.concurrency,
        handshake=HANDSHAKE * slow,
        first_audio=MODEL * slow,
        pace=PACE * slow,
        frame=FRAME,
        split=chosen.split,
    )
    # The tones of words are made once; no word that is measured is to wait for that.
    every_length = " ".join("x" * letters for letters in range(1, 16))
    speak_tones(every_length, RATE, 1.0, 0.0, DEFAULT_FREQUENCY)
    async with Emulator(settings) as emulator:
        print(emulator.url, flush=True)
        for number in count():
            await emulator.wait_for(partial(_has_opened, number + 1))
            print(SOCKET, flush=True)


def _has_opened(number: int, emulator: Emulator) -> bool:
    return emulator.sockets_opened >= number


if __name__ == "__main__":
    asyncio.run(main())
