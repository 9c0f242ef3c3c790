"""The command `wyoming-fish-say`, as a person starts it."""

import asyncio
import sys

from tests.support.processes import ENVIRONMENT, ROOT

# A program started in the background ignores Ctrl-C, and so do those that it starts.
PROGRAM = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from wyoming_fish.cli.say import main
main()
"""


async def start_say(*arguments: str) -> asyncio.subprocess.Process:
    """Start it, with pipes for all that it reads and prints."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, *arguments),
        cwd=ROOT,
        env=ENVIRONMENT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
