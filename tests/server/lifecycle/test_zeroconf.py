"""`--zeroconf`: the server is found on the local network."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from wyoming.client import AsyncTcpClient
from wyoming.info import Describe, Info
from zeroconf import IPVersion, ServiceBrowser, ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from tests.support.hosts import Host, two_hosts
from tests.support.processes import READY, ROOT, Program, server
from wyoming_fish.cli.options import Options
from wyoming_fish.server.zeroconf import SERVICE, reachable

# Seconds until something is to be seen: the package's own pauses add up to one or two.
LIMIT = 20.0


@pytest.fixture
def hosts() -> Iterator[tuple[Host, Host]]:
    """Two hosts on one local network."""
    with two_hosts() as hosts:
        yield hosts


class Watcher:
    """What Home Assistant's own zeroconf would see; `changes` in their order."""

    def __init__(self, zeroconf: AsyncZeroconf) -> None:
        self._zeroconf = zeroconf
        self.changes: asyncio.Queue[tuple[ServiceStateChange, str]] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def handle(
            zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
        ) -> None:
            del zeroconf, service_type
            change = (state_change, name.removesuffix(f".{SERVICE}"))
            loop.call_soon_threadsafe(self.changes.put_nowait, change)

        self._browser = ServiceBrowser(zeroconf.zeroconf, SERVICE, handlers=[handle])

    async def wait_for(self, wanted: ServiceStateChange, name: str) -> None:
        async with asyncio.timeout(LIMIT):
            while await self.changes.get() != (wanted, name):
                pass

    async def resolve(self, name: str) -> tuple[set[str], int | None]:
        """The addresses and the port of a service."""
        info = AsyncServiceInfo(SERVICE, f"{name}.{SERVICE}")
        assert await info.async_request(self._zeroconf.zeroconf, 3000)
        return set(info.parsed_addresses(IPVersion.All)), info.port

    def stop(self) -> None:
        self._browser.cancel()


@contextlib.asynccontextmanager
async def _watching() -> AsyncIterator[Watcher]:
    async with AsyncZeroconf() as zeroconf:
        watcher = Watcher(zeroconf)
        try:
            yield watcher
        finally:
            await asyncio.to_thread(watcher.stop)


def _server_on(host: Host, port: int, *flags: str) -> Program:
    uri = f"--uri=tcp://0.0.0.0:{port}"
    return Program(*host.prefix, sys.executable, "-m", "wyoming_fish", "--demo", uri, *flags)


def test_found(hosts: tuple[Host, Host]) -> None:
    """Another host finds it by name, at its real addresses, and no more when it has stopped."""
    here, there = hosts

    async def find() -> None:
        async with _watching() as watcher:
            await watcher.wait_for(ServiceStateChange.Added, "Kitchen")
            addresses, port = await watcher.resolve("Kitchen")
            assert addresses == {here.ipv4, here.ipv6}
            assert port == 10210
            for address in addresses:
                async with AsyncTcpClient(address, port) as client:
                    await client.write_event(Describe().event())
                    event = await client.read_event()
                    assert event
                    assert Info.from_event(event).tts[0].name == "wyoming-fish"
            program.signal(signal.SIGTERM)
            await watcher.wait_for(ServiceStateChange.Removed, "Kitchen")

    with _server_on(here, 10210, "--zeroconf", "Kitchen") as program:
        program.wait_for(READY)
        there.run(find)
        assert program.wait() == 0
        program.wait_for(f'Announcing the server as "Kitchen" at {here.ipv4}, {here.ipv6}')
        assert "Traceback" not in program.log
        assert "WARNING" not in program.log


def test_two_of_a_name(hosts: tuple[Host, Host]) -> None:
    """The second server of a name gets a number, and each is found at its own address."""
    here, there = hosts

    async def find() -> None:
        async with _watching() as watcher:
            await watcher.wait_for(ServiceStateChange.Added, "Kitchen-2")
            assert await watcher.resolve("Kitchen-2") == ({there.ipv4, there.ipv6}, 10211)
            assert await watcher.resolve("Kitchen") == ({here.ipv4, here.ipv6}, 10210)

    with _server_on(here, 10210, "--zeroconf", "Kitchen") as first:
        first.wait_for('Announcing the server as "Kitchen"')
        with _server_on(there, 10211, "--zeroconf", "Kitchen") as second:
            second.wait_for('Announcing the server as "Kitchen-2"')
            there.run(find)


def test_addresses_change(hosts: tuple[Host, Host]) -> None:
    """When the host gets another address, that is the one that others find."""
    here, there = hosts
    moved = "192.168.77.9"

    async def find() -> None:
        async with _watching() as watcher:
            await watcher.wait_for(ServiceStateChange.Added, "Kitchen")
            assert await watcher.resolve("Kitchen") == ({here.ipv4}, 10210)
            here.ip("address", "delete", f"{here.ipv4}/24", "dev", "lan")
            here.ip("address", "add", f"{moved}/24", "dev", "lan")
            here.ip("route", "replace", "default", "dev", "lan")
            await asyncio.to_thread(
                program.wait_for, f'Announcing the server as "Kitchen" at {moved}$'
            )
            await watcher.wait_for(ServiceStateChange.Updated, "Kitchen")
            async with asyncio.timeout(LIMIT):
                # What is older than what it has heard last, it forgets a second later, unseen.
                while await watcher.resolve("Kitchen") != ({moved}, 10210):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)

    code = (
        "import asyncio, logging; from wyoming_fish.server import zeroconf;"
        "logging.basicConfig(level='INFO'); zeroconf.CHECK_INTERVAL_S = 0.05;"
        "asyncio.run(zeroconf.advertise('Kitchen', ['0.0.0.0'], 10210))"
    )
    with Program(*here.prefix, sys.executable, "-c", code) as program:
        there.run(find)


def test_reachable(hosts: tuple[Host, Host]) -> None:
    """A wildcard stands for the addresses of its kind that lead to others, and for no more."""
    here, _ = hosts
    here.ip("link", "add", "docker0", "type", "veth", "peer", "name", "container")
    here.ip("link", "set", "container", "up")
    here.ip("address", "add", "172.17.0.1/16", "dev", "docker0")
    here.ip("link", "set", "docker0", "up")

    async def look(*listening: str) -> list[str]:
        return reachable(listening)

    def seen(*listening: str) -> list[str]:
        return here.run(lambda: look(*listening))

    assert seen("0.0.0.0", "::") == [here.ipv4, here.ipv6]  # noqa: S104
    assert seen("0.0.0.0") == [here.ipv4]  # noqa: S104
    assert seen("::") == [here.ipv6]
    # Where nothing leads further, all of its own count.
    here.ip("route", "delete", "default")
    assert seen("0.0.0.0") == ["172.17.0.1", here.ipv4]  # noqa: S104
    here.ip("link", "set", "docker0", "down")
    here.ip("address", "flush", "dev", "lan")
    here.ip("address", "flush", "dev", "docker0")
    assert seen("0.0.0.0", "::") == []  # noqa: S104


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.168.5.6", ["192.168.5.6"]),
        ("fd00::7", ["fd00::7"]),
        ("127.0.0.1", []),
        ("127.0.1.1", []),
        ("::1", []),
        ("169.254.3.4", []),
        ("fe80::1%lo", []),
    ],
)
def test_one_address(host: str, expected: list[str]) -> None:
    """A server that listens at one address is announced at that one, or not at all."""
    assert reachable([host]) == expected


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:0", "tcp://localhost:0", "unix://{}/sock"])
def test_refused(address: str, tmp_path: Path) -> None:
    """Where nobody else could reach it, the server says so in a sentence, and ends with 1."""
    uri = address.format(tmp_path)
    with server("--demo", "--uri", uri, "--zeroconf") as program:
        program.wait_for("wyoming-fish: --zeroconf needs an address that other machines can reach")
        assert program.wait() == 1
        assert "Traceback" not in program.log
        assert "does not have that address" not in program.log


def test_names() -> None:
    """The name is what is given, or one with the machine's own."""

    def name(*arguments: str, **environ: str) -> str | None:
        return Options.parse(["--demo", *arguments], environ).zeroconf

    assert name() is None
    assert name("--zeroconf", "Kitchen") == "Kitchen"
    assert name(WYOMING_FISH_ZEROCONF="Küche. Oben") == "Küche. Oben"
    assert name("--zeroconf") == name("--zeroconf", "--debug")
    assert (name("--zeroconf") or "").startswith(f"Wyoming Fish on {socket.gethostname()}"[:63])


@pytest.mark.parametrize("name", ["a" * 64, "ü" * 32, "line\nbreak"])
def test_bad_names(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that cannot be announced is refused at the start."""
    with pytest.raises(SystemExit):
        Options.parse(["--demo", "--zeroconf", name], {})
    assert "63 bytes" in capsys.readouterr().err


def test_without_the_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the package is not installed, it says what to install."""
    monkeypatch.setattr("wyoming_fish.cli.parsers.find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        Options.parse(["--demo", "--zeroconf"], {})
    advice = "In the environment of the server, run: pip install 'wyoming-fish[zeroconf]'"
    assert advice in capsys.readouterr().err


def test_only_where_it_is_used() -> None:
    """The server does without the package unless it is to be announced."""
    code = "import sys, wyoming_fish.cli.run_server; sys.exit('zeroconf' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
