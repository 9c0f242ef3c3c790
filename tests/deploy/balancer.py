"""A real HAProxy with the configuration of deploy/, before servers of this machine."""

import asyncio
import contextlib
import csv
import io
import os
import shutil
import socket
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Self

import pytest

from tests.support.processes import ROOT, Program

UNPACKED = ROOT / ".cache" / "haproxy" / "haproxy"


@cache
def haproxy() -> tuple[str, ...]:
    """The command; the test is skipped where HAProxy cannot be had."""
    done = subprocess.run(
        [ROOT / "script" / "setup", "haproxy"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()[-1]
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return (shutil.which("haproxy") or str(UNPACKED),)


def free_port() -> int:
    """A port that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


class Balancer:
    """HAProxy within ``with``, before servers that it calls voice1, voice2 and so on."""

    def __init__(self, folder: Path, ports: Sequence[int]) -> None:
        """Start it with the configuration of deploy/, but with addresses of this machine."""
        self.port = free_port()
        self._admin = free_port()
        text = (ROOT / "deploy" / "haproxy.cfg").read_text()
        servers = "\n".join(
            f"    server voice{number} 127.0.0.1:{port}" for number, port in enumerate(ports, 1)
        )
        (template,) = (line for line in text.splitlines() if "server-template" in line)
        changes = {
            template: servers,
            "bind :::10210 v4v6": f"bind 127.0.0.1:{self.port}",
            "ipv4@127.0.0.1:9999": f"ipv4@127.0.0.1:{self._admin}",
        }
        for old, new in changes.items():
            assert text.count(old) == 1
            text = text.replace(old, new)
        file = folder / "haproxy.cfg"
        file.write_text(text)
        self._program = Program(*haproxy(), "-db", "-f", str(file))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._program.end()

    @property
    def log(self) -> str:
        """All that it has logged."""
        return self._program.log

    async def tell(self, command: str) -> str:
        """Say a command to its own socket, and return the answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._admin)
        writer.write(f"{command}\n".encode())
        answer = (await reader.read()).decode()
        writer.close()
        return answer

    async def servers(self) -> Mapping[str, tuple[str, int]]:
        """Each server's status, and the connections that it has now."""
        table = await self.tell("show stat")
        rows = csv.DictReader(io.StringIO(table.removeprefix("# ")))
        return {
            row["svname"]: (row["status"], int(row["scur"]))
            for row in rows
            if row["svname"].startswith("voice")
        }

    async def wait_until(self, server: str, status: str, connections: int | None = None) -> None:
        """Wait until a server has that status, and no more than so many connections."""
        async with asyncio.timeout(20):
            while True:
                # It does not listen at once.
                with contextlib.suppress(ConnectionRefusedError):
                    now, current = (await self.servers())[server]
                    if now == status and (connections is None or current <= connections):
                        return
                await asyncio.sleep(0.05)
