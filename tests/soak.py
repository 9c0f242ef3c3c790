"""`script/soak [minutes]`: many clients that come, go, stall and break, while Fish fails at random.

Each way to speak has a server in a process of its own; see ways.py. Every reply has to be whole, or
an error that some failure amid its audio accounts for. In the end there must be no session, no
socket and no memory more than before.
"""

import asyncio
import contextlib
import random
import sys
from collections.abc import Sequence
from time import monotonic

from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop

from tests.ways import CODE_SAMPLES, WAYS, Way, way
from wyoming_fish.emulator import decode_code_voice

CLIENTS = 24
# Seconds after which a reply counts as hung: longer than any deadline of the server's.
HUNG = 90.0
# Files that a server may have open at one moment and not at another: a warm socket, the connection
# to the account, clients that are just being closed. A leak would be one for each of thousands.
FILES = 4
# Megabytes that a server may have grown by: its allocator's, not its own.
GROWTH = 8.0

WORDS = (
    "the a kitchen lights are off, and 21.5 degrees warm. Good night! Ja? 好的。 «Öl» well".split(
        " "
    )
)


class Soak:
    """One run."""

    def __init__(self, ways: Sequence[Way], chance: random.Random) -> None:
        self._ways = ways
        self._chance = chance

    async def run(self, seconds: float) -> None:
        """Let all clients have their way for so long."""
        until = monotonic() + seconds
        async with asyncio.TaskGroup() as tasks:
            failing = [tasks.create_task(way.failing.fail(self._chance)) for way in self._ways]
            clients = [tasks.create_task(self._client(until)) for _ in range(CLIENTS)]
            await asyncio.wait(clients)
            for task in failing:
                task.cancel()

    async def _client(self, until: float) -> None:
        behaviours = (
            self._listen,
            self._listen,
            self._listen,
            self._leave,
            self._stall,
            self._rave,
        )
        while monotonic() < until:
            behaviour, way = self._chance.choice(behaviours), self._chance.choice(self._ways)
            with contextlib.suppress(ConnectionError):
                async with AsyncTcpClient("127.0.0.1", way.port) as client:
                    try:
                        async with asyncio.timeout(HUNG):
                            way.outcomes[await behaviour(client)] += 1
                    except TimeoutError:
                        way.outcomes["hung"] += 1

    def _text(self) -> str:
        return " ".join(self._chance.choices(WORDS, k=self._chance.randint(1, 60)))

    async def _ask(self, client: AsyncTcpClient, text: str) -> bool:
        """Ask for a text, streamed (true) or plain."""
        if self._chance.random() < 0.3:
            await client.write_event(Synthesize(text).event())
            return False
        await client.write_event(SynthesizeStart().event())
        at = 0
        while at < len(text):
            size = self._chance.randint(1, 40)
            await client.write_event(SynthesizeChunk(text[at : at + size]).event())
            at += size
            await asyncio.sleep(self._chance.uniform(0, 0.01))
        await client.write_event(SynthesizeStop().event())
        return True

    async def _listen(self, client: AsyncTcpClient) -> str:
        """Ask, listen to the end, and judge what was heard."""
        text = self._text()
        streamed = await self._ask(client, text)
        pcm, failed = b"", False
        with contextlib.suppress(ConnectionError):
            while (event := await client.read_event()) is not None:
                pcm += event.payload or b""
                failed = failed or Error.is_type(event.type)
                if event.type == ("synthesize-stopped" if streamed else "audio-stop"):
                    break
            else:
                return "errors" if failed else "dropped without an error"
        if failed:
            return "errors"
        try:
            heard = decode_code_voice(pcm, CODE_SAMPLES, allow_silence=True)
        except ValueError:
            heard = ""
        # What is blank at the very end is not spoken.
        return "whole" if heard.strip() == text.strip() else "lost or doubled"

    async def _leave(self, client: AsyncTcpClient) -> str:
        """Ask, and leave at some moment."""
        await self._ask(client, self._text())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._chance.uniform(0, 0.2)):
                while await client.read_event() is not None:
                    pass
        return "left"

    async def _stall(self, client: AsyncTcpClient) -> str:
        """Ask for much, and read nothing of it for a while."""
        await client.write_event(Synthesize(self._text() * 20).event())
        await asyncio.sleep(self._chance.uniform(0, 1))
        return "stalled"

    async def _rave(self, client: AsyncTcpClient) -> str:
        """Send what is no event, or one out of order."""
        assert client._writer is not None  # noqa: SLF001 - the package writes events only
        rubbish = (
            b"GET / HTTP/1.1\r\n\r\n",
            b'{"type": "synthesize-chunk", "data": {"text": "x"}}\n',
            b'{"type": "synthesize", "data": {"text": 5}}\n',
            b'{"type": "x", "payload_length": 99999999999}\n',
            self._chance.randbytes(200) + b"\n",
        )
        client._writer.write(self._chance.choice(rubbish))  # noqa: SLF001
        with contextlib.suppress(ConnectionError):
            await client.read_event()
        return "raved"


async def soak(seconds: float, seed: int) -> list[str]:
    """Run it and print what came of it; gives what is wrong, in sentences."""
    chance = random.Random(seed)  # noqa: S311
    wrong = []
    async with contextlib.AsyncExitStack() as stack:
        ways = [await stack.enter_async_context(way(name, chance)) for name in WAYS]
        run = Soak(ways, chance)
        # What is allocated once for all is allocated now.
        await run.run(min(10.0, seconds / 4))
        await asyncio.gather(*(each.remember() for each in ways))
        await run.run(seconds)
        grown = await asyncio.gather(*(each.grown() for each in ways))
        for each, more in zip(ways, grown, strict=True):
            wrong += [f"{each.name}: {sentence}" for sentence in _judge(each, *more)]
    return wrong


def _judge(way: Way, grown: float, left: int) -> list[str]:
    """Print what came of it; what is wrong with it."""
    outcomes, amid = way.outcomes, way.failing.amid
    print(f"{way.name}: {way.failing.struck} failures of Fish, {amid} of them amid the audio;")
    print(
        "   ", ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items())), end=";\n"
    )
    print(f"    {grown:.1f} MB more memory in the end, {left} more open files", flush=True)
    wrong = [
        f"{outcomes[name]} replies were {name}."
        for name in ("hung", "dropped without an error", "lost or doubled")
        if outcomes[name]
    ]
    if outcomes["errors"] > amid:
        wrong.append(f"{outcomes['errors']} errors for {amid} failures amid the audio.")
    if grown > GROWTH:
        wrong.append(f"the server has grown by {grown:.1f} MB.")
    if left > FILES:
        wrong.append(f"{left} files are still open.")
    if not outcomes["whole"]:
        wrong.append("no reply was whole.")
    _, traceback, story = way.program.log.partition("Traceback")
    if traceback:
        wrong.append(f"the server's log has a traceback:{story[:3000]}")
    return wrong


def main() -> None:
    """Run for as many minutes as the first argument says, or one."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    seed = random.randrange(2**32)  # noqa: S311
    print(f"Soaking for {minutes:g} minutes with seed {seed}", flush=True)
    wrong = asyncio.run(soak(60 * minutes, seed))
    print("\n".join(wrong) or "Nothing is wrong.")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
