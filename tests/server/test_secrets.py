"""A proxy's password: used, and nowhere to be seen."""

import asyncio
import json
import subprocess
import sys

import aiohttp
import pytest
from wyoming.client import AsyncTcpClient
from wyoming.tts import Synthesize

from tests.gateways import ForwardProxy, forward_proxy
from tests.processes import ENVIRONMENT, READY, ROOT, Program

from .conftest import receive

SECRET = "s3cret-passw0rd"  # noqa: S105 - of nothing


@pytest.mark.parametrize(
    "proxy",
    [
        ForwardProxy(login="user:another"),
        ForwardProxy(tunnels=403),
        ForwardProxy(tunnels=502),
        None,
    ],
)
async def test_a_proxys_password_is_nowhere_to_be_seen(proxy: ForwardProxy | None) -> None:
    """Not in the event, the log, the page or the check, however the proxy refuses."""
    async with forward_proxy(1, proxy or ForwardProxy()) as standing:
        port = standing.port if proxy else 1
        environment = {
            **ENVIRONMENT,
            "https_proxy": f"http://user:{SECRET}@127.0.0.1:{port}",
            "no_proxy": "",
            "FISH_API_KEY": "key",
            "FISH_BASE_URL": "https://fish.invalid",
        }
        command = (sys.executable, "-m", "wyoming_fish", "--debug", "--http=127.0.0.1:0")
        program = Program(
            *command,
            *("--uri=tcp://127.0.0.1:0", "--fallback-uri=tcp://127.0.0.1:1"),
            env=environment,
        )
        try:
            ready = await asyncio.to_thread(program.wait_for, READY)
            page = await asyncio.to_thread(program.wait_for, r"The page is at (\S+)")
            async with AsyncTcpClient("127.0.0.1", int(ready[1].rpartition(":")[2])) as client:
                await client.write_event(Synthesize("Good night.").event())
                told = (await receive(client, "error")).error.text
            async with aiohttp.ClientSession(page[1]) as web:
                for path in ("/readyz", "/metrics", "/api/state"):
                    async with web.get(path) as response:
                        told += await response.text()
        finally:
            await asyncio.to_thread(program.end)
        check = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "wyoming_fish.check", "--json"),
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        checked, _ = await check.communicate()
    assert json.loads(checked)["well"] is False
    assert f"The proxy 127.0.0.1:{port}" in told
    for shown in (told, program.log, checked.decode()):
        assert SECRET not in shown
