"""`python -m wyoming_fish.emulator`: a Fish Audio on localhost until Ctrl-C or SIGTERM."""

import argparse
import asyncio
import re
import signal
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import get_args

from . import VOICES, EmulatedVoice, Emulator, EmulatorSettings
from .settings import AfterFinish, Split, VoiceName


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal. Gives the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    settings = EmulatorSettings(
        voice=options.voice,
        key=options.key,
        concurrency=options.concurrency,
        handshake=options.handshake,
        first_audio=options.first_audio,
        pace=options.pace,
        split=options.split,
        after_finish=options.after_finish,
        voices=(*VOICES, *options.account_voice),
    )
    try:
        settings = replace(settings, **dict(options.set))
    except ValueError as error:
        parser.error(str(error))
    try:
        asyncio.run(_serve(settings, options.port))
    except (OSError, RuntimeError) as error:
        print(f"The emulator cannot start: {error}", file=sys.stderr)  # noqa: T201 - a command
        return 1
    return 0


async def _serve(settings: EmulatorSettings, port: int) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    async with Emulator(settings, port=port) as emulator:
        print(emulator.url, flush=True)  # noqa: T201 - who started it waits for this line
        await ended.wait()


def _parser() -> argparse.ArgumentParser:
    defaults = EmulatorSettings()
    parser = argparse.ArgumentParser(
        prog="python -m wyoming_fish.emulator",
        description="Emulate Fish Audio on this machine. Prints its address when it is ready.",
    )
    parser.add_argument("--port", type=int, default=0, help="port (default: 0, a free port)")
    parser.add_argument(
        "--voice",
        choices=get_args(VoiceName),
        help="voice (default: espeak if its packages are installed, otherwise tone)",
    )
    parser.add_argument(
        "--handshake",
        type=_seconds,
        default=defaults.handshake,
        help="seconds until a websocket is open",
    )
    parser.add_argument(
        "--first-audio",
        type=_seconds,
        default=defaults.first_audio,
        help="seconds before the first audio of each chunk of text",
    )
    parser.add_argument(
        "--pace",
        type=_seconds,
        default=defaults.pace,
        help="seconds that a second of audio takes",
    )
    parser.add_argument(
        "--split",
        choices=get_args(Split),
        default=defaults.split,
        help="where text is cut: at chunk_length, also at ends of sentences, or never",
    )
    parser.add_argument(
        "--concurrency",
        type=int,
        default=defaults.concurrency,
        help="maximum number of simultaneous sessions",
    )
    parser.add_argument(
        "--after-finish",
        choices=get_args(AfterFinish),
        default=defaults.after_finish,
        help="state of a connection after finish",
    )
    parser.add_argument(
        "--account-voice",
        type=_voice,
        action="append",
        default=[],
        metavar="ID=TITLE",
        help="one more voice of the account; repeatable",
    )
    parser.add_argument(
        "--set",
        type=_setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another setting of EmulatorSettings (a number, a text, true or false); repeatable",
    )
    parser.add_argument("--key", help="the only API key that is accepted (default: any)")
    return parser


def _voice(text: str) -> EmulatedVoice:
    voice_id, _, title = text.partition("=")
    if not re.fullmatch("[0-9a-f]{32}", voice_id) or not title:
        raise argparse.ArgumentTypeError(f"{text} is not a voice: 32 hexadecimal digits = a title")
    return EmulatedVoice(voice_id, title, mine=True, visibility="private")


def _setting(text: str) -> tuple[str, bool | float | int | str]:
    """One of the plain settings, by the type of its default."""
    name, _, value = text.partition("=")
    defaults = {
        field.name: getattr(EmulatorSettings(), field.name) for field in fields(EmulatorSettings)
    }
    default = defaults.get(name)
    try:
        if isinstance(default, bool):
            return name, {"true": True, "false": False}[value]
        if isinstance(default, int):
            return name, int(value)
        if isinstance(default, float) or name == "idle_timeout":
            return name, _seconds(value)
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError(f"{value} is not a value of {name}") from None
    if not isinstance(default, str):
        raise argparse.ArgumentTypeError(f"there is no plain setting {name}")
    return name, value


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a length of time in seconds")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
