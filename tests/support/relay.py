"""A relay in front of a server, whose connections die unseen or are hung up."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from tests.support.listening import listening

__all__ = ["Flow", "Relay"]

# Seconds without a byte after which a connection is idle: routers forget those first.
IDLE_S: Final = 0.1


class Flow:
    """One connection through the relay."""

    def __init__(self, *ends: asyncio.StreamWriter) -> None:
        self.ends = ends
        self.last_byte = _now()
        self.is_websocket = False
        self.dead = False
        """Whether what comes is dropped, while both ends believe that they are connected."""
        self.ended = asyncio.Event()
        """Set when both ends have closed it."""

    async def pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Pass one direction on to its end."""
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                self.last_byte = _now()
                self.is_websocket |= data.startswith(b"HTTP/1.1 101")
                if not self.dead:
                    sink.write(data)
                    await sink.drain()
        sink.close()


class Relay:
    """Passes everything on to a port of this machine."""

    def __init__(self, port: int) -> None:
        self.url = ""
        self.hangs_up = False
        """Whether new connections are accepted and closed."""
        self.port = port
        """Where everything goes."""
        self._flows: set[Flow] = set()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["Relay"]:
        """Listen, on any port."""
        async with listening(self._serve) as port:
            self.url = f"http://127.0.0.1:{port}"
            yield self
            # Clients may keep theirs for later.
            for flow in self._flows:
                for end in flow.ends:
                    end.close()

    def swallow(self) -> int:
        """From now on, drop what comes through idle connections and one other; gives their number.

        New connections work.
        """
        living = [flow for flow in self._flows if not flow.dead]
        idle = [flow for flow in living if _now() - flow.last_byte >= IDLE_S]
        busy = [flow for flow in living if flow not in idle]
        for flow in (dying := idle + busy[:1]):
            flow.dead = True
        return len(dying)

    def swallow_websockets(self) -> list[Flow]:
        """From now on, drop what comes through the websockets of now; gives them."""
        dying = [flow for flow in self._flows if flow.is_websocket and not flow.dead]
        for flow in dying:
            flow.dead = True
        return dying

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.hangs_up:
            return
        back, forth = await asyncio.open_connection("127.0.0.1", self.port)
        self._flows.add(flow := Flow(writer, forth))
        try:
            await asyncio.gather(flow.pass_on(reader, forth), flow.pass_on(back, writer))
        finally:
            self._flows.discard(flow)
            flow.ended.set()
            forth.close()


def _now() -> float:
    return asyncio.get_running_loop().time()
