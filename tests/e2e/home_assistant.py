"""A real Home Assistant: its process, and what a browser uses of it, REST and websocket."""

import json
import os
import shutil
import socket
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse

from script.home_assistant import HASS, VENV, VERSION
from tests.support.processes import ENVIRONMENT, Program

# Where the system has no ffmpeg, one lies beside Home Assistant.
WITH_FFMPEG = ENVIRONMENT | {"PATH": f"{os.environ['PATH']}:{VENV / 'bin'}"}

CUSTOM_COMPONENTS = Path(__file__).parent / "custom_components"

# Before this release, only configuration.yaml has the address that Home Assistant serves at.
STORES_ADDRESS = tuple(map(int, VERSION.split("."))) >= (2026, 10)

# Bytes of an ID3 tag's own head (ID3v2, section 3.1), which comes before any audio.
TAG_HEAD = 10

CONFIGURATION = """\
assist_pipeline:
config:
ffmpeg:
logger:
  default: info
"""


class HomeAssistant:
    """A person who is logged in."""

    def __init__(
        self,
        session: ClientSession,
        websocket: ClientWebSocketResponse,
        tokens: Mapping[str, Any],
    ) -> None:
        """Take a session with a base URL and a token, and a websocket that has logged in."""
        self.tokens = tokens
        """What Home Assistant answered to the login: a browser keeps them."""
        self._session = session
        self._websocket = websocket
        self._last_id = 0
        self._events: deque[dict[str, Any]] = deque()

    async def post(self, path: str, **body: Any) -> Any:
        """Return the JSON that answers a JSON request."""
        async with self._session.post(path, json=body) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def reload(self, entry_id: str) -> None:
        """Reload an entry."""
        done = await self.post(f"/api/config/config_entries/entry/{entry_id}/reload")
        assert not done["require_restart"]

    async def call_service(
        self, domain: str, service: str, entity_id: str, **service_data: Any
    ) -> None:
        """Call a service (an action) on an entity, and wait for its end."""
        await self.call(
            "call_service",
            domain=domain,
            service=service,
            target={"entity_id": entity_id},
            service_data=service_data,
        )

    async def delete(self, path: str) -> None:
        """Delete what is at this address."""
        async with self._session.delete(path) as response:
            assert response.status == 200, await response.text()

    async def fetch(self, path: str) -> AsyncGenerator[bytes]:
        """Yield what comes from this address, as it comes."""
        async with self._session.get(path) as response:
            assert response.status == 200, await response.text()
            async for piece in response.content.iter_any():
                yield piece

    async def status(self, path: str) -> int:
        """Return the HTTP status of this address."""
        async with self._session.get(path) as response:
            return response.status

    async def call(self, command: str, **fields: Any) -> Any:
        """Send a websocket command and return its result."""
        self._last_id += 1
        await self._websocket.send_json({"id": self._last_id, "type": command, **fields})
        while (message := await self._websocket.receive_json())["type"] != "result":
            self._events.append(message)
        assert message["success"], message
        return message["result"]

    async def event(self) -> dict[str, Any]:
        """Return the next event of what a command has subscribed to."""
        message = self._events.popleft() if self._events else await self._websocket.receive_json()
        event: dict[str, Any] = message["event"]
        return event

    @asynccontextmanager
    async def again(self) -> AsyncIterator["HomeAssistant"]:
        """Connect once more, as another device of the same person."""
        async with _connected(self._session, self.tokens) as other:
            yield other

    async def add_integration(self, domain: str, **answers: Any) -> str:
        """Go through an integration's flow; return the id of the new entry."""
        url = "/api/config/config_entries/flow"
        step = await self.post(url, handler=domain)
        if step["type"] == "form":
            step = await self.post(f"{url}/{step['flow_id']}", **answers)
        assert step["type"] == "create_entry", step
        entry_id: str = step["result"]["entry_id"]
        return entry_id

    async def entity(self, entry_id: str, domain: str) -> str:
        """Return the id of an entry's first entity of this domain."""
        entities = await self.call("config/entity_registry/list")
        return next(
            str(entity["entity_id"])
            for entity in entities
            if entity["config_entry_id"] == entry_id
            and entity["entity_id"].startswith(f"{domain}.")
        )

    async def add_pipeline(
        self, name: str, engine: str, voice: str | None = None, stt_engine: str | None = None
    ) -> str:
        """Make an assistant of the storyteller and a voice; return its id."""
        pipeline = await self.call(
            "assist_pipeline/pipeline/create",
            name=name,
            conversation_engine="conversation.storyteller",
            tts_engine=engine,
            tts_voice=voice,
            **dict.fromkeys(("language", "conversation_language", "tts_language"), "en"),
            stt_engine=stt_engine,
            stt_language="en" if stt_engine else None,
            **dict.fromkeys(("wake_word_entity", "wake_word_id")),
        )
        return str(pipeline["id"])

    async def add_fish_audio(self, url: str, voice: str) -> str:
        """Add our integration with a voice of the account's at ``url``; return the entry's id."""
        flow = "/api/config/config_entries/flow"
        step = await self.post(flow, handler="wyoming_fish")
        for step_id, answer in (
            ("user", {"api_key": "key", "advanced": {"base_url": url}}),
            ("search", {"self_only": True}),
            (
                "voice",
                {
                    "voice": voice,
                    "backend": "s2.1-pro",
                    "latency": "low",
                    "speed": 1,
                    "sampling": {},
                    "text_processing": {},
                },
            ),
        ):
            assert step["step_id"] == step_id, step
            step = await self.post(f"{flow}/{step['flow_id']}", **answer)
        assert step["type"] == "create_entry", step
        entry_id: str = step["result"]["entry_id"]
        return entry_id


def has_audio(data: bytes) -> bool:
    """Whether the start of an MP3 has more than its ID3 tag."""
    if not data.startswith(b"ID3"[: len(data)]):
        return bool(data)
    if len(data) < TAG_HEAD:
        return False
    size = 0
    for byte in data[6:TAG_HEAD]:
        size = size << 7 | byte
    return len(data) > TAG_HEAD + size


def start_home_assistant(
    config: Path,
    *flags: str,
    archive: Path | None = None,
    more: str = "",
    prefix: Sequence[str] = (),
    env: Mapping[str, str] = WITH_FFMPEG,
) -> tuple[Program, str]:
    """Start Home Assistant in an empty folder and wait until it serves; return it and its URL.

    With our integration's ``archive``, that is installed, as HACS does it. ``more`` is added to its
    configuration, ``prefix`` are the words before its command, and ``env`` is its environment.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    if not STORES_ADDRESS:
        more += f"http:\n  server_host: 127.0.0.1\n  server_port: {port}\n"
    (config / "configuration.yaml").write_text(CONFIGURATION + more)
    shutil.copytree(CUSTOM_COMPONENTS, config / "custom_components")
    if archive is not None:
        shutil.unpack_archive(archive, config / "custom_components" / "wyoming_fish")
    (config / ".storage").mkdir(exist_ok=True)
    # An address in configuration.yaml would only be tried out, for five minutes. The other values
    # are Home Assistant's own, which it does not add to what is stored.
    http = {
        "server_host": ["127.0.0.1"],
        "server_port": port,
        "cors_allowed_origins": [],
        "ip_ban_enabled": True,
        "login_attempts_threshold": -1,
        "ssl_profile": "modern",
        "use_x_frame_options": True,
    }
    data = {"stable": http, "pending": None, "yaml_migration_done": True}
    stored = {"version": 2, "minor_version": 2, "key": "http", "data": data}
    (config / ".storage" / "http").write_text(json.dumps(stored))
    program = Program(
        *(*prefix, str(HASS), "--config", str(config), "--skip-pip", *flags),
        env=env,
    )
    try:
        program.wait_for("Home Assistant initialized", seconds=60)
    except BaseException:
        program.end()
        raise
    return program, f"http://127.0.0.1:{port}"


@asynccontextmanager
async def log_in(url: str) -> AsyncIterator[HomeAssistant]:
    """Make the first user of a new Home Assistant, and log in."""
    client_id = f"{url}/"
    user = {"name": "Ann", "username": "ann", "password": "secret"}
    async with ClientSession(url) as session:
        async with session.post(
            "/api/onboarding/users", json=user | {"client_id": client_id, "language": "en"}
        ) as response:
            code = (await response.json())["auth_code"]
        form = {"grant_type": "authorization_code", "code": code, "client_id": client_id}
        async with session.post("/auth/token", data=form) as response:
            tokens = await response.json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    async with (
        ClientSession(url, headers=headers) as session,
        _connected(session, tokens) as home_assistant,
    ):
        yield home_assistant


@asynccontextmanager
async def _connected(
    session: ClientSession, tokens: Mapping[str, Any]
) -> AsyncIterator[HomeAssistant]:
    async with session.ws_connect("/api/websocket") as websocket:
        assert (await websocket.receive_json())["type"] == "auth_required"
        await websocket.send_json({"type": "auth", "access_token": tokens["access_token"]})
        assert (await websocket.receive_json())["type"] == "auth_ok"
        yield HomeAssistant(session, websocket, tokens)
