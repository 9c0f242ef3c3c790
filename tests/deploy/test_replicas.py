"""Two servers behind HAProxy, under load: one is killed, one is taken away."""

import asyncio
import contextlib
import itertools
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest
from wyoming.client import AsyncTcpClient

from tests.support.processes import READY, Program, server
from tests.support.server import Reply, check_envelope, receive, stream
from wyoming_fish.emulator import Emulator, EmulatorSettings, decode_code_voice

from .balancer import Balancer, free_port

# Clients at once, each of which asks for one reply after another.
CLIENTS = 8

TEXT = "Good evening, and welcome home. The lamps in the kitchen are on. It will rain until nine."


class House(NamedTuple):
    balancer: Balancer
    replicas: list[Program]


class Crowd:
    """Clients that ask for replies without pause."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._numbers = itertools.count()
        self.whole: list[int] = []
        self.cut: list[Reply] = []
        self.stopping = False
        self._changed = asyncio.Condition()

    async def keep_asking(self) -> None:
        while not self.stopping:
            await self.ask()

    async def ask(self) -> None:
        number = next(self._numbers)
        text = f"{TEXT} This is number {number}."
        reply = Reply([])
        with contextlib.suppress(ConnectionError):
            async with AsyncTcpClient("127.0.0.1", self._port) as client:
                await stream(client, [text])
                reply = await receive(client, "synthesize-stopped")
        if reply.types[-1:] == ["synthesize-stopped"] and "error" not in reply.types:
            check_envelope(reply, 44100, streamed=True)
            assert decode_code_voice(reply.pcm) == text
            self.whole.append(number)
        else:
            # What looks like the end is the end, though one event may be missing after it.
            assert "audio-stop" not in reply.types or decode_code_voice(reply.pcm) == text
            self.cut.append(reply)
        async with self._changed:
            self._changed.notify_all()

    async def wait_for(self, whole: int) -> None:
        """Wait until so many more replies are whole."""
        goal = len(self.whole) + whole
        async with self._changed, asyncio.timeout(40):
            await self._changed.wait_for(lambda: len(self.whole) >= goal)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Two servers that HAProxy has found well."""
    settings = EmulatorSettings(voice="code", frame=0.02, pace=0.05, concurrency=50)
    async with Emulator(settings) as emulator:
        ports = [free_port(), free_port()]
        with contextlib.ExitStack() as programs:
            replicas = [
                programs.enter_context(
                    server(
                        f"--uri=tcp://127.0.0.1:{port}",
                        *("--api-key=key", f"--base-url={emulator.url}", "--concurrency=20"),
                    )
                )
                for port in ports
            ]
            for replica in replicas:
                await asyncio.to_thread(replica.wait_for, READY)
            balancer = programs.enter_context(Balancer(tmp_path, ports))
            for name in ("voice1", "voice2"):
                await balancer.wait_until(name, "UP")
            yield House(balancer, replicas)
            # Before the emulator, whose loop this is.
            await asyncio.to_thread(programs.close)


@contextlib.asynccontextmanager
async def _crowd(house: House) -> AsyncIterator[Crowd]:
    crowd = Crowd(house.balancer.port)
    async with asyncio.TaskGroup() as clients:
        for _ in range(CLIENTS):
            clients.create_task(crowd.keep_asking())
        await crowd.wait_for(CLIENTS)
        yield crowd
        crowd.stopping = True


async def test_killed(house: House) -> None:
    """When one is killed, what it was saying ends; all else is whole, and goes to the other."""
    async with _crowd(house) as crowd:
        _, under_way = (await house.balancer.servers())["voice1"]
        assert under_way > 0
        house.replicas[0].signal(signal.SIGKILL)
        await house.balancer.wait_until("voice1", "DOWN", 0)
        cut = len(crowd.cut)
        await crowd.wait_for(2 * CLIENTS)
        assert (await house.balancer.servers())["voice2"][0] == "UP"
    assert 0 < cut <= CLIENTS
    assert len(crowd.cut) == cut
    assert all("Spoke a reply: " in replica.log for replica in house.replicas)


async def test_drained(house: House) -> None:
    """One that gets no new clients any more, and is stopped when it has none, loses no reply.

    Nothing of HAProxy's own questions is in the servers' logs.
    """
    async with _crowd(house) as crowd:
        await house.balancer.tell("set server voices/voice1 state drain")
        await house.balancer.wait_until("voice1", "DRAIN", 0)
        house.replicas[0].signal(signal.SIGTERM)
        assert await asyncio.to_thread(house.replicas[0].wait) == 0
        await crowd.wait_for(2 * CLIENTS)
    assert crowd.cut == []
    for replica in house.replicas:
        lines = re.findall(
            r"^.* INFO wyoming_fish\.[\w.]+: (?:Ready|Spoke|Stopping)\b.*$",
            replica.log,
            re.MULTILINE,
        )
        assert lines == replica.log.splitlines()


async def test_stopped(house: House) -> None:
    """One that is just told to stop says what it has begun; new clients go to the other.

    Who is being let in at that very moment may be turned away, before anything is heard.
    """
    async with _crowd(house) as crowd:
        house.replicas[0].signal(signal.SIGTERM)
        assert await asyncio.to_thread(house.replicas[0].wait) == 0
        cut = len(crowd.cut)
        await crowd.wait_for(2 * CLIENTS)
    assert len(crowd.cut) == cut <= 1
    assert not [reply for reply in crowd.cut if "audio-start" in reply.types]
