"""Voice satellites of Home Assistant, with a wake word, words and a speaker that are the test's.

Each has a speech-to-text of its own, which understands what the test says.
"""

import asyncio
import signal
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import ClassVar, Final

from wyoming.asr import Transcript
from wyoming.audio import AudioChunk
from wyoming.event import async_read_event, async_write_event
from wyoming.info import AsrModel, AsrProgram, Attribution, Info
from wyoming.wake import Detection

from script.home_assistant import PYTHON
from tests.e2e.home_assistant import WITH_FFMPEG
from tests.support.listening import Serve, listening
from tests.support.processes import ENVIRONMENT, ROOT, Program

_FOLDER: Final = Path(__file__).parent
# script/setup satellite installs it.
_WYOMING_SATELLITE: Final = ROOT / ".cache" / "satellite"

_SPEECH_TO_TEXT: Final = Info(
    asr=[
        AsrProgram(
            *("scripted", Attribution("", ""), True, None, None),
            models=[
                AsrModel(*("scripted", Attribution("", ""), True, None, None), languages=["en"])
            ],
        )
    ]
)
# 64 ms of s16le at 16,000 Hz, which every microphone hears.
_SILENCE: Final = AudioChunk(16000, 2, 1, bytes(2048))

# The codes that a FLAC frame begins with (RFC 9639, section 9.1).
_FLAC_SYNCS: Final = (b"\xff\xf8", b"\xff\xf9")


class Playback:
    """What a satellite gives to its speaker at one time."""

    def __init__(self) -> None:
        self.pieces: list[tuple[float, bytes]] = []
        """Each with its time: seconds of the monotonic clock."""
        self._has_ended = False
        self._changed = asyncio.Condition()

    @property
    def data(self) -> bytes:
        """All of it so far."""
        return b"".join(piece for _, piece in self.pieces)

    @property
    def longest_gap(self) -> float:
        """Seconds without a byte."""
        times = [at for at, _ in self.pieces]
        return max(late - early for early, late in pairwise(times))

    async def receive(self, reader: asyncio.StreamReader) -> None:
        """Receive it to its end."""
        try:
            while piece := await reader.read(65536):
                self.pieces.append((monotonic(), piece))
                await self._notify()
        finally:
            self._has_ended = True
            await self._notify()

    async def wait_for(self, has_come: Callable[[bytes], bool]) -> None:
        """Wait for a part of it."""
        async with self._changed:
            await self._changed.wait_for(lambda: has_come(self.data) or self._has_ended)
        assert has_come(self.data)

    async def wait_for_end(self) -> None:
        """Wait until the satellite has closed its speaker."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._has_ended)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


class Satellite(ABC):
    """A satellite's program, and what the test is for it."""

    integration: ClassVar[str]
    """The domain of Home Assistant's integration for it."""
    rate: ClassVar[int]
    """Hertz that it asks for."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.understood_at = 0.0
        """When the speech-to-text had understood what was said."""
        self.speech_to_text = 0
        """The port of its speech-to-text."""
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
            """The satellite's own port, each time it starts."""
        self._said = ""
        self._playbacks = asyncio.Queue[Playback | str]()
        self._has_started = asyncio.Event()
        self._is_connected = asyncio.Event()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run it."""
        async with AsyncExitStack() as stack:
            self.speech_to_text, speaker, *others = [
                await stack.enter_async_context(listening(serve))
                for serve in (self._serve_speech_to_text, self._serve_speaker, *self._services)
            ]
            self._command = self._make_command(speaker, *others)
            await self.start()
            try:
                yield
            finally:
                self.kill()

    async def start(self) -> None:
        """Start its program, for the first time or again."""
        self._has_started.clear()
        self._is_connected.clear()
        self._program = Program(*self._command, env=self._environment)
        await self._has_started.wait()

    def kill(self) -> None:
        """End its program without a farewell."""
        self._program.signal(signal.SIGKILL)
        self._program.wait()

    async def ask(self, text: str) -> Playback:
        """Say the wake word and ``text``; return the reply as it begins."""
        self._said = text
        await self.connected()
        await self._wake()
        return await self.next_playback()

    async def connected(self) -> None:
        """Wait until Home Assistant is connected."""
        await self._is_connected.wait()

    async def next_playback(self) -> Playback:
        """Return what the speaker plays next, as it begins."""
        playback = await self._playbacks.get()
        assert isinstance(playback, Playback), playback
        return playback

    def first_sound(self, playback: Playback) -> float:
        """Return the seconds from the words that were understood to the first sample."""
        data = b""
        for at, piece in playback.pieces:
            data += piece
            if self.has_sound(data):
                return at - self.understood_at
        raise AssertionError("there is no sample")

    @abstractmethod
    def has_sound(self, data: bytes) -> bool:
        """Whether the start of a playback has a sample."""

    @abstractmethod
    def decode(self, data: bytes) -> bytes:
        """Return the s16le mono PCM of a playback."""

    @property
    @abstractmethod
    def _services(self) -> tuple[Serve, ...]:
        """What the program connects to, beside the speaker."""

    @property
    @abstractmethod
    def _environment(self) -> dict[str, str]: ...

    @abstractmethod
    def _make_command(self, speaker: int, *services: int) -> list[str]: ...

    @abstractmethod
    async def _wake(self) -> None: ...

    async def _serve_speaker(self, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        playback = Playback()
        self._playbacks.put_nowait(playback)
        await playback.receive(reader)

    async def _serve_speech_to_text(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        has_answered = False
        while (event := await async_read_event(reader)) is not None:
            if event.type == "describe":
                await async_write_event(_SPEECH_TO_TEXT.event(), writer)
            elif event.type == "audio-chunk" and not has_answered:
                has_answered = True
                await async_write_event(Transcript(self._said).event(), writer)
                self.understood_at = monotonic()


class WyomingSatellite(Satellite):
    """Wyoming Satellite, with a program that plays PCM from a pipe, as `aplay` does."""

    integration = "wyoming"
    rate = 22050

    _microphone: asyncio.StreamWriter
    _wake_word: asyncio.StreamWriter

    def has_sound(self, data: bytes) -> bool:
        return bool(data)

    def decode(self, data: bytes) -> bytes:
        return data

    @property
    def _services(self) -> tuple[Serve, ...]:
        return self._serve_microphone, self._serve_wake_word, self._serve_events

    @property
    def _environment(self) -> dict[str, str]:
        return ENVIRONMENT | {"PYTHONPATH": str(_WYOMING_SATELLITE)}

    def _make_command(self, speaker: int, *services: int) -> list[str]:
        microphone, wake_word, events = (f"tcp://127.0.0.1:{port}" for port in services)
        return [
            *(sys.executable, str(_FOLDER / "wyoming_satellite_program.py")),
            *("--name", self.name, "--uri", f"tcp://127.0.0.1:{self.port}", "--no-zeroconf"),
            *("--mic-uri", microphone, "--wake-uri", wake_word, "--event-uri", events),
            *("--snd-command", f"bash -c 'exec cat >/dev/tcp/127.0.0.1/{speaker}'"),
        ]

    async def _wake(self) -> None:
        # A word of its own: neither the satellite nor Home Assistant takes it for an echo.
        word = f"{self.name} {self._said}"
        await async_write_event(Detection(word).event(), self._wake_word)

    async def _serve_microphone(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._microphone = writer
        self._has_started.set()
        await reader.read()

    async def _serve_wake_word(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._wake_word = writer
        await reader.read()

    async def _serve_events(self, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        while (event := await async_read_event(reader)) is not None:
            if event.type == "run-satellite":
                self._is_connected.set()
            elif event.type == "streaming-started":
                await async_write_event(_SILENCE.event(), self._microphone)
            elif event.type == "error":
                self._playbacks.put_nowait(str(event.data))


class EsphomeSatellite(Satellite):
    """A device with ESPHome's firmware for voice: see esphome_device.py."""

    integration = "esphome"
    rate = 48000

    _test: asyncio.StreamWriter

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._held = asyncio.Queue[str]()

    def has_sound(self, data: bytes) -> bool:
        return any(sync in data for sync in _FLAC_SYNCS)

    def decode(self, data: bytes) -> bytes:
        return convert(data, "-f", "flac", "-i", "pipe:")

    async def stop(self) -> None:
        """Stop the player, as a button on the device does."""
        await self._command_device("stop")

    async def ask_without_playing(self, text: str) -> str:
        """Say the wake word and ``text``; return the reply's URL when its text has ended."""
        self._said = text
        await self.connected()
        await self._command_device("hold")
        await self._wake()
        return await self._held.get()

    @property
    def _services(self) -> tuple[Serve, ...]:
        return (self._serve_test,)

    @property
    def _environment(self) -> dict[str, str]:
        return ENVIRONMENT

    def _make_command(self, speaker: int, *services: int) -> list[str]:
        ports = (str(port) for port in (self.port, speaker, *services))
        return [str(PYTHON), str(_FOLDER / "esphome_device.py"), self.name, *ports]

    async def _wake(self) -> None:
        await self._command_device("wake")

    async def _command_device(self, command: str) -> None:
        self._test.write(f"{command}\n".encode())
        await self._test.drain()

    async def _serve_test(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._test = writer
        self._has_started.set()
        async for line in reader:
            if line == b"subscribed\n":
                self._is_connected.set()
            elif line == b"VOICE_ASSISTANT_ERROR\n":
                self._playbacks.put_nowait(line.decode())
            elif line.startswith(b"held "):
                self._held.put_nowait(line.decode().split()[1])


def convert(data: bytes, *arguments: str) -> bytes:
    """Return what ffmpeg makes of ``data``: s16le mono PCM of the same rate, unless told."""
    return subprocess.run(
        ["ffmpeg", "-v", "error", *arguments, "-ac", "1", "-f", "s16le", "pipe:"],
        input=data,
        stdout=subprocess.PIPE,
        env=WITH_FFMPEG,
        check=True,
    ).stdout
