"""Two hosts of one's own on this machine: network namespaces, joined by a virtual cable."""

import asyncio
import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest

T = TypeVar("T")


class Host(NamedTuple):
    """One of the two; its network has the loopback and `lan`."""

    name: str
    ipv4: str
    ipv6: str

    @property
    def prefix(self) -> tuple[str, ...]:
        """The words before a command that make it run there."""
        return ("ip", "netns", "exec", self.name)

    def ip(self, *words: str) -> None:
        """Change its network, with `ip`."""
        _ip("-netns", self.name, *words)

    def run(self, there: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine in an event loop of its own, whose sockets are this host's."""

        def run() -> T:
            with Path("/run/netns", self.name).open() as network:
                # A thread may have another network than the rest of its process.
                if ctypes.CDLL(None, use_errno=True).setns(network.fileno(), 0) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            return asyncio.run(there())

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(run).result()


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Make them; the test is skipped where only root may, and this is not root."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("Networks of one's own need root and the program ip")
    hosts = (
        Host(f"fish-{os.getpid()}-1", "192.168.77.1", "fd77::1"),
        Host(f"fish-{os.getpid()}-2", "192.168.77.2", "fd77::2"),
    )
    try:
        for host in hosts:
            _ip("netns", "add", host.name)
        one, other = (("name", "lan", "netns", host.name) for host in hosts)
        _ip("link", "add", *one, "type", "veth", "peer", *other)
        for host in hosts:
            host.ip("link", "set", "lo", "up")
            host.ip("link", "set", "lan", "up")
            host.ip("address", "add", f"{host.ipv4}/24", "dev", "lan")
            # Without waiting until nobody else has claimed the address.
            host.ip("address", "add", f"{host.ipv6}/64", "dev", "lan", "nodad")
            host.ip("route", "add", "default", "dev", "lan")
        yield hosts
    finally:
        for host in hosts:
            subprocess.run(("ip", "netns", "delete", host.name), check=False, capture_output=True)


def _ip(*words: str) -> None:
    subprocess.run(("ip", *words), check=True)
