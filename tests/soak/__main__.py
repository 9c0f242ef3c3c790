"""`script/soak [minutes]`: many clients that come, go, stall and break, while Fish fails at random.

Each way to speak has a server in a process of its own; see ways.py. Every reply has to be whole, or
an error that a failure during its audio explains; a client that is refused reads why. In the
end there must be no session, no socket and no memory more than before. Beside them another server
is attacked, and its users must not feel it; see soak_attackers.py.
"""

import argparse
import asyncio
import contextlib
import random
import sys
from collections.abc import Sequence
from time import monotonic

from tests.soak.attackers import Attacked, attacked
from tests.soak.clients import FAILED_OUTCOMES, Clients
from tests.support.ways import WAYS, Way, way

CLIENTS = 24
# Lines of a server's log that are shown with a reply that was not as it should be.
LOG_LINES = 20
# Seconds after which a reply counts as hung: longer than any deadline of the server's.
HUNG = 90.0
# Files that a server may have open at one moment and not at another: a warm socket, the connection
# to the account, clients that are just being closed. A leak would be one for each of thousands.
FILES = 4
# Megabytes that a server may have grown by: its allocator's, not its own.
GROWTH = 8.0


class Soak:
    """One run."""

    def __init__(self, ways: Sequence[Way], attacked: Attacked, chance: random.Random) -> None:
        self._ways = ways
        self._attacked = attacked
        self._chance = chance
        self._clients = Clients(chance)

    async def run(self, seconds: float, *, attack: bool) -> None:
        """Let all clients have their way for so long, and the attackers if they are to."""
        until = monotonic() + seconds
        async with asyncio.TaskGroup() as tasks:
            failing = [
                tasks.create_task(fail(self._chance))
                for way in self._ways
                for fail in (way.failing.fail, way.line.fail)
            ]
            clients = [tasks.create_task(self._client(until)) for _ in range(CLIENTS)]
            if attack:
                await self._attacked.suffer(seconds, self._chance)
            else:
                await self._attacked.rest(seconds)
            await asyncio.wait(clients)
            for task in failing:
                task.cancel()

    async def _client(self, until: float) -> None:
        while monotonic() < until:
            way = self._chance.choice(self._ways)
            with contextlib.suppress(ConnectionError):
                try:
                    async with asyncio.timeout(HUNG):
                        way.outcomes[outcome := await self._clients.visit(way.port)] += 1
                    if outcome in FAILED_OUTCOMES:
                        print(f"{way.name}: {outcome}. The server's log ends with:", flush=True)
                        print("\n".join(way.program.log.splitlines()[-LOG_LINES:]), flush=True)
                except TimeoutError:
                    way.outcomes["hung"] += 1


async def soak(seconds: float, seed: int, *, by_time: bool) -> list[str]:
    """Run it and print what came of it; gives what is wrong, in sentences.

    ``by_time`` is whether the first audio of users is judged, which needs a machine for itself.
    """
    chance = random.Random(seed)  # noqa: S311
    wrong = []
    async with contextlib.AsyncExitStack() as stack:
        ways = [await stack.enter_async_context(way(name, chance)) for name in WAYS]
        target = await stack.enter_async_context(attacked())
        run = Soak(ways, target, chance)
        # What is allocated once for all is allocated now.
        await run.run(max(3.0, min(20.0, seconds / 4)), attack=False)
        await asyncio.gather(*(each.remember() for each in ways))
        await run.run(seconds, attack=True)
        grown = await asyncio.gather(*(each.grown() for each in ways))
        for each, more in zip(ways, grown, strict=True):
            wrong += [f"{each.name}: {sentence}" for sentence in _judge(each, *more)]
        wrong += target.judge(by_time=by_time)
    return wrong


def _judge(way: Way, grown: float, left: int) -> list[str]:
    """Print what came of it; what is wrong with it."""
    outcomes, line = way.outcomes, way.line
    in_audio = way.failing.in_audio + line.swallowed_in_reply
    print(
        f"{way.name}: {way.failing.struck} failures of Fish, {way.failing.in_audio} in the audio;"
    )
    print(
        f"    {line.swallowed} connections died silently, {line.swallowed_in_reply} during a reply;"
        f" {line.hung_up} times Fish hung up on all for a while;"
    )
    print(
        "   ", ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items())), end=";\n"
    )
    print(f"    {grown:.1f} MB more memory in the end, {left} more open files", flush=True)
    wrong = [f"{outcomes[name]} replies were {name}." for name in FAILED_OUTCOMES if outcomes[name]]
    if outcomes["errors"] > in_audio:
        wrong.append(f"{outcomes['errors']} errors for {in_audio} failures during replies.")
    if grown > GROWTH:
        wrong.append(f"the server has grown by {grown:.1f} MB.")
    if left > FILES:
        wrong.append(f"{left} files are still open.")
    if way.left_open:
        wrong.append("sessions or websockets are still open at Fish.")
    if not outcomes["whole"]:
        wrong.append("no reply was whole.")
    _, traceback, story = way.program.log.partition("Traceback")
    if traceback:
        wrong.append(f"the server's log has a traceback:{story[:3000]}")
    return wrong


def main() -> None:
    """Run for as many minutes as the first argument says, or one."""
    parser = argparse.ArgumentParser(
        prog="script/soak",
        description="Let many clients use five servers while Fish Audio and the network fail.",
    )
    parser.add_argument(
        "minutes", nargs="?", type=float, default=1.0, help="duration (default: 1 minute)"
    )
    minutes = parser.parse_args().minutes
    seed = random.randrange(2**32)  # noqa: S311
    print(f"Soaking for {minutes:g} minutes with seed {seed}", flush=True)
    wrong = asyncio.run(soak(60 * minutes, seed, by_time=True))
    print("\n".join(wrong) or "Nothing is wrong.")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
