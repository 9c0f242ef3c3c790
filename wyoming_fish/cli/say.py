"""The command `wyoming-fish-say`: speaks a text through any Wyoming text-to-speech server.

A server that takes text while it is being written gets it so; another gets the whole of it.
"""

import argparse
import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
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

from ..printable import printable
from ..wav import WavError, WavFile
from .text_sources import from_argument, paced, read_standard_input

__all__ = ["main"]

# Seconds to wait for an error behind the end of the audio: both are sent together.
LATE_ERROR_S: Final = 0.1

DEFAULT_URI: Final = "tcp://127.0.0.1:10210"

# Seconds to connect, and again to answer the first question: neither needs the cloud.
CONNECT_TIMEOUT_S: Final = 10.0
# Seconds after which it says what it is waiting for: people begin to wonder.
NOTICE_AFTER_S: Final = 0.8
# Seconds without any event once the server has the whole text: longer than any model thinks.
SILENCE_TIMEOUT_S: Final = 60.0

# What the wyoming package raises for an event whose fields make no sense.
MALFORMED: Final = (AttributeError, KeyError, TypeError, ValueError, RecursionError)
NOT_WYOMING: Final = "The server sent what is no Wyoming event."


class SayError(Exception):
    """The text was not spoken; the error's own text says why, in a sentence."""


class SpokenReply:
    """One text on its way to a server, and its speech on the way back."""

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
        """Send the text as it comes and write the audio as it comes. Raises SayError."""
        streaming = await self._takes_streams()
        wanted = SynthesizeVoice(name=voice) if voice else None
        try:
            async with self._silence_timeout, asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send(text, wanted, streaming=streaming))
                tasks.create_task(self._receive(streaming=streaming))
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        except TimeoutError:
            raise SayError(
                f"The server has been silent for {SILENCE_TIMEOUT_S:.0f} seconds."
            ) from None
        finally:
            self._end_notice()

    def timeline(self) -> str:
        """Return what happened when, in ms from the first text on: a line each, in order."""
        began = self._text_began or 0.0
        times = {
            "text ends": self._text_ended,
            "first audio": self._first_audio,
            "audio ends": monotonic(),
        }
        known = sorted((at - began, name) for name, at in times.items() if at is not None)
        return "\n".join(f"{1000 * at:6.0f} ms  {name}" for at, name in known)

    async def _takes_streams(self) -> bool:
        """Ask the server what it is. Raises SayError where it is no text-to-speech server."""
        await self._client.write_event(Describe().event())
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                with _notice("Waiting for the server to say what it is"):
                    while (event := await self._read()) and not Info.is_type(event.type):
                        pass
        except TimeoutError:
            event = None
        if event is None:
            raise SayError("What answers there is no Wyoming server.")
        try:
            programs = [program for program in Info.from_event(event).tts if program.installed]
        except MALFORMED as error:
            raise SayError(NOT_WYOMING) from error
        if not programs:
            raise SayError("The server does not offer text-to-speech.")
        # Home Assistant counts only the first one, too.
        return bool(programs[0].supports_synthesize_streaming)

    async def _send(
        self, text: AsyncIterator[str], voice: SynthesizeVoice | None, *, streaming: bool
    ) -> None:
        pieces: list[str] = []
        # A server that has gone is seen by the reader, which knows what it said last.
        with suppress(ConnectionError):
            if streaming:
                await self._client.write_event(SynthesizeStart(voice=voice).event())
            async for piece in text:
                if any("\ud800" <= letter <= "\udfff" for letter in piece):
                    raise SayError("The text is not valid UTF-8.")
                self._text_began = self._text_began or monotonic()
                pieces.append(piece)
                if streaming:
                    await self._client.write_event(SynthesizeChunk(text=piece).event())
            whole = "".join(pieces)
            if not whole.strip():
                raise SayError("There is nothing to say.")
            self._text_ended = monotonic()
            self._rearm_idle_timeout()
            if self._first_audio is None:
                self._notice = _notice_later("Waiting for the first audio")
            # To a streaming server this is for the sake of older readers only.
            await self._client.write_event(Synthesize(text=whole, voice=voice).event())
            if streaming:
                await self._client.write_event(SynthesizeStop().event())

    async def _receive(self, *, streaming: bool) -> None:
        sounding = False
        while (event := await self._read()) is not None:
            self._rearm_idle_timeout()
            if Error.is_type(event.type):
                raise SayError(f"The server reports an error: {event.data.get('text')}")
            if SynthesizeStopped.is_type(event.type):
                sounding = False
                break
            if AudioStop.is_type(event.type):
                sounding = False
                # A streaming server may send one of these for each sentence.
                if not streaming:
                    break
            elif AudioStart.is_type(event.type):
                sounding = True
            elif AudioChunk.is_type(event.type):
                sounding = True
                await self._add(event)
        await self._check_whole(streaming=streaming)
        if self._text_ended is None or sounding:
            raise SayError("The server closed the connection before the end of the speech.")
        if not self._output.size:
            raise SayError("The server ended without any audio.")

    async def _check_whole(self, *, streaming: bool) -> None:
        """Raise SayError if an error follows the end of a stream: its audio is not complete."""
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
            raise SayError(NOT_WYOMING) from error

    async def _add(self, event: Event) -> None:
        try:
            chunk = AudioChunk.from_event(event)
        except KeyError as error:
            raise SayError(f"The server sent audio without its {error}.") from error
        if not chunk.audio:
            return
        self._first_audio = self._first_audio or monotonic()
        self._end_notice()
        # It is the player that is waited for now.
        self._silence_timeout.reschedule(None)
        # In a thread, since a player that reads slowly must not hold up the text.
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
    """Speak, and return what happened when. Raises SayError."""
    text = from_argument(arguments.text) if arguments.text else read_standard_input()
    if arguments.pace:
        text = paced(text, arguments.pace)

    client = AsyncClient.from_uri(arguments.uri, connect_timeout=CONNECT_TIMEOUT_S)
    try:
        with _notice(f"Connecting to {arguments.uri}"):
            await client.connect()
    except OSError as error:
        # asyncio's own text names the address once more, as Python writes it; names have no errno.
        number = error.errno or 0
        reason = os.strerror(number) if number > 0 else error.strerror or str(error) or "no answer"
        raise SayError(f"Cannot connect to {arguments.uri}: {reason}.") from error
    try:
        with WavFile(arguments.output) as output:
            reply = SpokenReply(client, output)
            await reply.speak(text, arguments.voice)
            timeline = reply.timeline()
    finally:
        with suppress(OSError):
            async with asyncio.timeout(1):
                await client.disconnect()
    return f"{timeline}\n{output.seconds:.2f} s of speech in {output.name}"


async def run(arguments: argparse.Namespace) -> None:
    """Speak, and print what happened when, or exit with what went wrong."""
    try:
        _print_last(await say(arguments))
    except SayError as error:
        _print_last(printable(str(error)))
        _exit(1)
    except asyncio.CancelledError:
        # By Ctrl-C.
        _exit(130)


def main() -> None:
    """Run the command; its exit status is 1 where the text was not wholly spoken."""
    parser = argparse.ArgumentParser(
        prog="wyoming-fish-say",
        description="Speak a text through a Wyoming server.",
        allow_abbrev=False,
    )
    parser.add_argument("text", nargs="?", help="without it, standard input is spoken as it comes")
    parser.add_argument("--uri", default=DEFAULT_URI, type=_uri, help="(default: %(default)s)")
    parser.add_argument("--voice", help="a voice's name, as the server lists it")
    parser.add_argument(
        *("--output", "-o"),
        default="speech.wav",
        help="a WAV file, or - for standard output (default: %(default)s)",
    )
    parser.add_argument(
        "--pace",
        type=_pace,
        metavar="WORDS_PER_SECOND",
        help="send the text word by word, as a language model writes it",
    )
    arguments, unknown = parser.parse_known_args()
    if unknown:
        # Not repeated: next to a mistyped option there may be a key.
        parser.error("there is an unknown argument. Put a text of several words in quotation marks")
    if arguments.output == "-" and sys.stdout.isatty():
        parser.error("--output - is for a player or a file, not for a terminal")
    asyncio.run(run(arguments))


def _uri(value: str) -> str:
    with suppress(ValueError):
        if re.fullmatch(r"tcp://[^@]+|unix://.+", value):
            AsyncClient.from_uri(value)
            return value
    raise argparse.ArgumentTypeError("it is tcp://HOST:PORT or unix://PATH")


def _pace(value: str) -> float:
    with suppress(ValueError):
        if (words_per_second := float(value)) > 0:
            return words_per_second
    raise argparse.ArgumentTypeError("it is a number above 0")


@contextmanager
def _notice(text: str) -> Iterator[None]:
    """Print ``text`` if what is done within ``with`` takes long."""
    timer = _notice_later(text)
    try:
        yield
    finally:
        timer.cancel()


def _notice_later(text: str) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(NOTICE_AFTER_S, _print_last, f"{text} …")


def _exit(status: int) -> NoReturn:
    """Exit now: Python would wait for a name that cannot be looked up, or a player that hangs."""
    sys.stderr.flush()
    os._exit(status)


def _print_last(text: str) -> None:
    """Print, over the line that showed how far the speech was."""
    print(f"\r\033[K{text}" if sys.stderr.isatty() else text, file=sys.stderr)


if __name__ == "__main__":
    main()
