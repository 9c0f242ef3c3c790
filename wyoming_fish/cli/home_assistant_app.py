"""The command `wyoming-fish-app`: the server as an app of Home Assistant's Supervisor.

The Supervisor writes the options into a file that only root can read. When the app registers, the
Supervisor lets Home Assistant discover the voice: https://developers.home-assistant.io/docs/apps
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp

from ..uri import DEFAULT_URI, ListenAddress
from . import run_server
from .flags import FLAGS

__all__ = ["arguments_of", "main", "register_with_supervisor"]

_LOGGER = logging.getLogger(__name__)

OPTIONS_FILE: Final = Path("/data/options.json")
SUPERVISOR: Final = "http://supervisor"

# The user and the group of the image.
USER: Final = 10210

# Seconds for an answer of the Supervisor, and to the next try after each failure.
ANSWER_TIMEOUT_S: Final = 10.0
RETRY_DELAYS_S: Final = (1.0, 5.0, 15.0, 60.0)


def main() -> int:
    """Run the server with the app's options until it is stopped; the exit status is its own."""
    try:
        options = json.loads(OPTIONS_FILE.read_text())
    except (OSError, ValueError) as error:
        print(
            f"wyoming-fish-app: Cannot read the options of the app: {error}. Restart the app.",
            file=sys.stderr,
        )
        return 1
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(USER)
        os.setuid(USER)
    return run_server.run(arguments_of(options), register_with_supervisor)


def arguments_of(options: Mapping[str, Any]) -> list[str]:
    """Return the flags for the options of the app. An empty option counts as not set."""
    arguments = []
    for flag in FLAGS:
        value = options.get(flag.key)
        if value is True:
            arguments.append(flag.name)
        elif value is not None and value is not False and value != "":
            arguments.append(f"{flag.name}={value}")
    return arguments


async def register_with_supervisor() -> None:
    """Register the voice with the Supervisor; retry until the Supervisor accepts or refuses."""
    # The host name: after a restart, the container can have another address.
    uri = f"tcp://{socket.gethostname()}:{ListenAddress.parse(DEFAULT_URI).port}"
    delays = iter(RETRY_DELAYS_S)
    while True:
        try:
            status = await _post({"service": "wyoming", "config": {"uri": uri}})
        except (aiohttp.ClientError, TimeoutError) as error:
            # The repr of the error can have the headers of the request, and so the token.
            reason = f"the Supervisor does not answer ({type(error).__name__} {error})"
        else:
            if status == 200:
                _LOGGER.info("Registered with Home Assistant as %s", uri)
                return
            reason = f"the Supervisor answered {status}"
            if status < 500:
                break
        if (delay := next(delays, None)) is None:
            break
        await asyncio.sleep(delay)
    _LOGGER.error(
        "Cannot register with Home Assistant as %s: %s. Restart the app, or add the voice by hand.",
        *(uri, reason),
    )


async def _post(message: dict[str, Any]) -> int:
    """Send a discovery message to the Supervisor, and return the HTTP status."""
    headers = {"Authorization": f"Bearer {os.environ.get('SUPERVISOR_TOKEN', '')}"}
    timeout = aiohttp.ClientTimeout(ANSWER_TIMEOUT_S)
    async with (
        aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
        session.post(f"{SUPERVISOR}/discovery", json=message) as response,
    ):
        return response.status
