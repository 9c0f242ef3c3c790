"""The command `wyoming-fish-say`: speaks a text through any Wyoming text-to-speech server.

The text is streamed if the server supports it. Otherwise it is sent as a whole.
"""

import argparse
import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Final, NoReturn

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeStopped,
    SynthesizeVoice,
)

from .. import __version__
from ..printable import printable
from ..wav import WavError, WavFile
from .text_sources import paced, read_text

__all__ = ["main"]

# Seconds to wait for an error after the end of the audio: both are sent together.
LATE_ERROR_S: Final = 0.1

DEFAULT_URI: Final = "tcp://127.0.0.1:10210"

# Seconds to connect, and for the Info of the server: neither needs the cloud.
CONNECT_TIMEOUT_S: Final = 10.0
# Seconds without progress until it prints a notice.
NOTICE_AFTER_S: Final = 0.8
# Seconds without an event after the whole text was sent: longer than any model needs.
SILENCE_TIMEOUT_S: Final = 60.0

# What the wyoming package raises for an event whose fields make no sense.
MALFORMED: Final = (AttributeError, KeyError, TypeError, ValueError, RecursionError)

NO_WYOMING: Final = "The server does not speak Wyoming. Check the host and the port."


class SayError(Exception):
    """The text was not spoken. The text of the error is a message for people."""


class SayClient:
    """Sends one text to a server, and writes its audio."""

    def __init__(self, client: AsyncClient, output: WavFile) -> None:
        """Take a connected client."""
        self._client = client
        self._output = output
        self._text_began: float | None = None
        self._text_ended: float | None = None
        self._first_audio: float | None = None
        self._silence_timeout = asyncio.timeout(None)
        self._notice: asyncio.TimerHandle | None = None

    async def speak(self, text: AsyncIterator[str], voice: str | None) -> None:
        """Send the text and write the audio as they arrive. Raises SayError."""
        streaming = await self._supports_streaming()
        wanted = SynthesizeVoice(name=voice) if voice else None
        try:
            async with self._silence_timeout, asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send(text, wanted, streaming=streaming))
                tasks.create_task(self._receive(streaming=streaming))
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        except TimeoutError:
            message = f"The server sent nothing for {SILENCE_TIMEOUT_S:.0f} s. Check its log."
            raise SayError(message) from None
        finally:
            self._end_notice()

    def timeline(self) -> str:
        """Return the events in order, one a line, with their time in ms from the first text."""
        began = self._text_began or 0.0
        times = {
            "text ends": self._text_ended,
            "first audio": self._first_audio,
            "audio ends": monotonic(),
        }
        known = sorted((at - began, name) for name, at in times.items() if at is not None)
        return "\n".join(f"{1000 * at:6.0f} ms  {name}" for at, name in known)

    async def _supports_streaming(self) -> bool:
        """Request the server's Info. Raises SayError if it is not a text-to-speech server."""
        await self._client.write_event(Describe().event())
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                with _notice("Waiting for the server"):
                    while (event := await self._read()) and not Info.is_type(event.type):
                        pass
        except TimeoutError:
            event = None
        if event is None:
            raise SayError(NO_WYOMING)
        try:
            programs = [program for program in Info.from_event(event).tts if program.installed]
        except MALFORMED as error:
            raise SayError(NO_WYOMING) from error
        if not programs:
            raise SayError("The server has no text-to-speech voice. Check the host and the port.")
        # Home Assistant counts only the first one, too.
        return bool(programs[0].supports_synthesize_streaming)

    async def _send(
        self, text: AsyncIterator[str], voice: SynthesizeVoice | None, *, streaming: bool
    ) -> None:
        pieces: list[str] = []
        # If the server has closed the connection, ``_receive`` has its last message.
        with suppress(ConnectionError):
            if streaming:
                await self._client.write_event(SynthesizeStart(voice=voice).event())
            async for piece in text:
                if any("\ud800" <= letter <= "\udfff" for letter in piece):
                    raise SayError("The text is not valid UTF-8. Save it as UTF-8.")
                self._text_began = self._text_began or monotonic()
                pieces.append(piece)
                if streaming:
                    await self._client.write_event(SynthesizeChunk(text=piece).event())
            whole = "".join(pieces)
            if not whole.strip():
                raise SayError("The text is empty. Enter a text.")
            self._text_ended = monotonic()
            self._rearm_idle_timeout()
            if self._first_audio is None:
                self._notice = _notice_later("Waiting for the first audio")
            # For a streaming server, this event is for compatibility only.
            await self._client.write_event(Synthesize(text=whole, voice=voice).event())
            if streaming:
                await self._client.write_event(SynthesizeStop().event())

    async def _receive(self, *, streaming: bool) -> None:
        is_speaking = False
        while (event := await self._read()) is not None:
            self._rearm_idle_timeout()
            if Error.is_type(event.type):
                raise SayError(f"The server reports an error: {event.data.get('text')}")
            if SynthesizeStopped.is_type(event.type):
                is_speaking = False
                break
            if AudioStop.is_type(event.type):
                is_speaking = False
                # A streaming server may send one of these for each sentence.
                if not streaming:
                    break
            elif AudioStart.is_type(event.type):
                is_speaking = True
            elif AudioChunk.is_type(event.type):
                is_speaking = True
                await self._add(event)
        await self._check_whole(streaming=streaming)
        if self._text_ended is None or is_speaking:
            raise SayError("The server closed the connection during the speech. Check its log.")
        if not self._output.size:
            raise SayError(
                "The server sent no audio. The text may have nothing to speak. If it has, check "
                "the log of the server."
            )

    async def _check_whole(self, *, streaming: bool) -> None:
        """Raise SayError if an error follows the end of the audio, which is then incomplete."""
        if not streaming:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(LATE_ERROR_S):
                event = await self._read()
            if event is not None and Error.is_type(event.type):
                raise SayError(f"The server reports an error: {event.data.get('text')}")

    async def _read(self) -> Event | None:
        """Return the next event; None at the end of the connection. Raises SayError."""
        try:
            return await self._client.read_event()
        except (OSError, EOFError):
            return None
        except MALFORMED as error:
            raise SayError(NO_WYOMING) from error

    async def _add(self, event: Event) -> None:
        try:
            chunk = AudioChunk.from_event(event)
        except KeyError as error:
            raise SayError(f"The server sent audio without the field {error}.") from error
        if not chunk.audio:
            return
        self._first_audio = self._first_audio or monotonic()
        self._end_notice()
        # Now it waits for the player, not for the server.
        self._silence_timeout.reschedule(None)
        # In a thread: a player that reads slowly must not delay the text.
        try:
            await asyncio.to_thread(self._output.write, chunk)
        except WavError as error:
            raise SayError(str(error)) from error
        self._rearm_idle_timeout()
        if sys.stderr.isatty():
            print(f"\r{self._output.seconds:6.1f} s of speech", end="", file=sys.stderr, flush=True)

    def _rearm_idle_timeout(self) -> None:
        if self._text_ended is not None:
            self._silence_timeout.reschedule(asyncio.get_running_loop().time() + SILENCE_TIMEOUT_S)

    def _end_notice(self) -> None:
        if self._notice is not None:
            self._notice.cancel()


async def say(arguments: argparse.Namespace) -> str:
    """Speak, and return the timeline. Raises SayError."""
    text = read_text(arguments.text)
    if arguments.pace:
        text = paced(text, arguments.pace)

    client = AsyncClient.from_uri(arguments.uri, connect_timeout=CONNECT_TIMEOUT_S)
    try:
        with _notice(f"Connecting to {arguments.uri}"):
            await client.connect()
    except OSError as error:
        # asyncio's text repeats the address in Python's form. Errors of names have no errno.
        number = error.errno or 0
        reason = os.strerror(number) if number > 0 else error.strerror or str(error) or "no answer"
        raise SayError(
            f"Cannot connect to {arguments.uri}: {reason}. Start the server, or set its address "
            "with --uri."
        ) from error
    try:
        with WavFile(arguments.output) as output:
            reply = SayClient(client, output)
            await reply.speak(text, arguments.voice)
            timeline = reply.timeline()
    finally:
        with suppress(OSError):
            async with asyncio.timeout(1):
                await client.disconnect()
    return f"{timeline}\n{output.seconds:.2f} s of speech in {output.name}"


async def run(arguments: argparse.Namespace) -> None:
    """Speak, and print the timeline; or print the error and exit."""
    try:
        _print_last(await say(arguments))
    except SayError as error:
        _print_last(printable(str(error)))
        _exit(1)
    except asyncio.CancelledError:
        # By Ctrl-C.
        _exit(130)


def main() -> None:
    """Run the command; its exit status is 1 if the text was not completely spoken."""
    parser = argparse.ArgumentParser(
        prog="wyoming-fish-say",
        description="Speak a text through a Wyoming server.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "text", nargs="?", help="text to speak (default: standard input, as it arrives)"
    )
    parser.add_argument(
        "--uri", default=DEFAULT_URI, type=_uri, help="address of the server (default: %(default)s)"
    )
    parser.add_argument("--voice", help="name of a voice, as the server lists it")
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument(
        *("--output", "-o"),
        type=_output,
        default="speech.wav",
        help="WAV file, or - for standard output (default: %(default)s)",
    )
    pace_help = "words to send in a second (default: all words immediately)"
    parser.add_argument("--pace", type=_pace, metavar="WORDS", help=pace_help)
    arguments, unknown = parser.parse_known_args()
    if unknown:
        # Not repeated: next to a mistyped option there may be a key.
        parser.error("unknown argument. Put a text of several words in quotation marks.")
    if arguments.output == "-" and sys.stdout.isatty():
        parser.error("--output - cannot be a terminal. Redirect it to a file or a player.")
    asyncio.run(run(arguments))


def _uri(value: str) -> str:
    with suppress(ValueError):
        if re.fullmatch(r"tcp://[^@]+|unix://.+", value):
            AsyncClient.from_uri(value)
            return value
    raise argparse.ArgumentTypeError("must be tcp://HOST:PORT or unix://PATH")


def _output(value: str) -> str:
    # Under another ending, players would not expect a WAV file.
    if Path(value).suffix.lower() in ("", ".wav"):
        return value
    raise argparse.ArgumentTypeError("must be a WAV file, such as speech.wav, or -")


def _pace(value: str) -> float:
    with suppress(ValueError):
        if (words_per_second := float(value)) > 0:
            return words_per_second
    raise argparse.ArgumentTypeError("must be a number above 0")


@contextmanager
def _notice(text: str) -> Iterator[None]:
    """Print ``text`` if the code within ``with`` takes longer than NOTICE_AFTER_S."""
    timer = _notice_later(text)
    try:
        yield
    finally:
        timer.cancel()


def _notice_later(text: str) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(NOTICE_AFTER_S, _print_last, f"{text} …")


def _exit(status: int) -> NoReturn:
    """Exit now: Python would wait for a name lookup or a player that hangs."""
    sys.stderr.flush()
    os._exit(status)


def _print_last(text: str) -> None:
    """Print over the line that shows the progress."""
    print(f"\r\033[K{text}" if sys.stderr.isatty() else text, file=sys.stderr)


if __name__ == "__main__":
    main()
