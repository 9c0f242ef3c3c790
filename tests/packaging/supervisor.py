"""What Home Assistant's Supervisor takes of an app: its rules of 2026-08, and its discovery API.

Source: https://developers.home-assistant.io/docs/apps/configuration, and the Supervisor's own
`apps/validate.py`, `apps/options.py` and `api/discovery.py`. It passes over keys that it does not
know; here they are mistakes.
"""

import re
from collections.abc import Mapping
from typing import Any, Self

import voluptuous as vol
from aiohttp import web

SWITCH = vol.Boolean()

# The type of an option, as it is written in `schema`.
OPTION = re.compile(
    r"(?P<type>bool|email|url|port|device|str|password|int|float|match|list)"
    r"(?:\((?P<limits>.+)\))?(?P<optional>\?)?"
)
RANGE = re.compile(r"(-?\d*\.?\d*),(-?\d*\.?\d*)")

CONFIG = vol.Schema(
    {
        vol.Required("name"): str,
        # What is not a string may not be what was written: 1.10 is 1.1.
        vol.Required("version"): vol.All(str, vol.Match(r"^\d+\.\d+\.\d+$")),
        vol.Required("slug"): vol.Match(r"^[-_.A-Za-z0-9]+$"),
        vol.Required("description"): str,
        vol.Required("arch"): vol.All([vol.In(("amd64", "aarch64"))], vol.Unique()),
        "url": vol.Url(),
        "stage": vol.In(("stable", "experimental", "deprecated")),
        "startup": vol.In(("initialize", "system", "services", "application", "once")),
        "boot": vol.In(("auto", "manual", "manual_only")),
        "init": SWITCH,
        "ports": {vol.Match(r"^\d+(?:/tcp|/udp)?$"): vol.Maybe(vol.All(int, vol.Range(1, 65535)))},
        "discovery": [str],
        "map": [
            {
                vol.Required("type"): vol.In(("addon_config", "share", "media", "ssl")),
                "read_only": bool,
                "path": vol.Match(r"^/\w"),
            }
        ],
        "options": dict,
        "schema": {str: vol.Match(f"^(?:{OPTION.pattern})$")},
    }
)

TRANSLATION = vol.Schema(
    {
        "configuration": {str: {vol.Required("name"): str, "description": str}},
        "network": {str: str},
    }
)

REPOSITORY = vol.Schema({vol.Required("name"): str, "url": vol.Url(), "maintainer": str})


def options(config: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What the Supervisor would write into options.json: the defaults and what a person gives.

    Raises vol.Invalid where it would not start the app.
    """
    fields = {}
    for name, written in config["schema"].items():
        optional = written.endswith("?")
        marker = vol.Optional(name) if optional else vol.Required(name)
        fields[marker] = _validator(written)
    checked: dict[str, Any] = vol.Schema(fields)({**config["options"], **given})
    return checked


def edges(written: str) -> list[Any]:
    """The values at the edges of what an option may be; none where it has no edges."""
    kind, limits = _parse(written)
    if kind == "list":
        return limits.split("|")
    if kind in ("int", "float") and (span := RANGE.fullmatch(limits)):
        return [float(edge) if kind == "float" else int(edge) for edge in span.groups() if edge]
    return []


def _parse(written: str) -> tuple[str, str]:
    match = OPTION.fullmatch(written)
    assert match, written
    return match["type"], match["limits"] or ""


def _validator(written: str) -> Any:
    kind, limits = _parse(written)
    if kind == "list":
        return vol.All(vol.Coerce(str), vol.In(limits.split("|")))
    if kind == "match":
        return vol.Match(limits)
    if kind in ("int", "float"):
        coerce = vol.Coerce(int if kind == "int" else float)
        span = RANGE.fullmatch(limits)
        least, most = (
            (float(edge) if edge else None for edge in span.groups()) if span else (None,) * 2
        )
        return vol.All(coerce, vol.Range(least, most))
    return {"bool": SWITCH, "url": vol.Url(), "str": str, "password": str}[kind]


class Supervisor:
    """Its discovery API on localhost: `POST /discovery` of an app that lists the service."""

    def __init__(self, config: Mapping[str, Any], token: str, *failures: int) -> None:
        """``failures`` are the statuses that come before its first proper answer."""
        self.url = ""
        self.messages: list[dict[str, Any]] = []
        self.requests = 0
        self._config = config
        self._token = token
        self._failures = list(failures)
        app = web.Application()
        app.router.add_post("/discovery", self._discovery)
        self._runner = web.AppRunner(app)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _discovery(self, request: web.Request) -> web.Response:
        self.requests += 1
        if self._failures:
            return web.json_response({"result": "error"}, status=self._failures.pop(0))
        if request.headers.get("Authorization") != f"Bearer {self._token}":
            return web.json_response({"result": "error"}, status=401)
        message = vol.Schema({vol.Required("service"): str, vol.Required("config"): dict})(
            await request.json()
        )
        if message["service"] not in self._config["discovery"]:
            return web.json_response({"result": "error"}, status=403)
        self.messages.append(message)
        return web.json_response({"result": "ok", "data": {"uuid": "0" * 32}})
