"""Every flag: its environment variable, its default, its reading and its line of help."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, NoReturn

from .. import __version__
from ..fish.settings import FISH_URL, SAMPLE_RATES, SPEEDS, VOLUMES, Backend, Latency
from ..uri import DEFAULT_URI, URI_VARIABLE, ListenAddress
from .parsers import (
    count,
    folder,
    http_address,
    instance_name,
    log_format,
    number,
    one_of,
    path,
    remote,
    seconds,
    switch,
    voice,
)

__all__ = ["FLAGS", "Flag", "read_flags"]

# What says whose account it is, and what is in it: the demo has its own.
_ACCOUNT_FIELDS: Final = ("api_key", "api_key_file", "base_url", "voice")
# One of these as a flag overrides both variables.
_KEY_FIELDS: Final = ("api_key", "api_key_file")

# What can be repeated of an argument that is not an option: words of letters, or one letter.
_OPTION_NAME: Final = re.compile(r"--[a-z]+(-[a-z]+)*(?=$|=)|-[a-z]")


class Flag(NamedTuple):
    """One option as it is given from outside; a switch needs no value."""

    name: str
    variable: str
    """Empty where there is none."""
    default: str | None
    """As it would be written; None where there is none."""
    help: str
    read: Callable[[str], Any] = str
    """Makes the value of what is written. Raises ValueError, whose text goes on from the name."""
    alone: str | None = None
    """What the flag means without a value; None where it needs one."""

    @property
    def field(self) -> str:
        """Its name in Options."""
        return self.name.lstrip("-").replace("-", "_")


FLAGS: Final = (
    Flag(
        "--uri",
        URI_VARIABLE,
        DEFAULT_URI,
        "tcp://HOST:PORT, unix://PATH or stdio://",
        ListenAddress.parse,
    ),
    Flag("--api-key", "FISH_API_KEY", None, "the key; the machine's other users can see flags"),
    Flag("--api-key-file", "FISH_API_KEY_FILE", None, "a file that holds the key", path),
    Flag("--base-url", "FISH_BASE_URL", FISH_URL, "the address of another Fish Audio server"),
    Flag("--backend", "FISH_BACKEND", Backend.S2_1_PRO, ", ".join(Backend), one_of(*Backend)),
    Flag(
        "--voice",
        "FISH_VOICE",
        None,
        "a voice ID, or the address of the voice's page; several, separated by commas, are the "
        "speakers of a dialog; default: Fish Audio's default voice",
        voice,
    ),
    Flag("--latency", "FISH_LATENCY", Latency.BALANCED, ", ".join(Latency), one_of(*Latency)),
    Flag(
        "--sample-rate",
        "FISH_SAMPLE_RATE",
        "44100",
        f"hertz: {', '.join(map(str, SAMPLE_RATES))}",
        one_of(*SAMPLE_RATES),
    ),
    Flag("--speed", "FISH_SPEED", "1.0", "0.5 to 2", number(*SPEEDS)),
    Flag("--volume", "FISH_VOLUME", "0", "decibels, -20 to 20", number(*VOLUMES)),
    Flag(
        "--text",
        "FISH_TEXT",
        "clean",
        "clean: markdown, emoji, links and thoughts are not read out, SSML is followed; raw: what "
        "comes is sent",
        one_of("clean", "raw"),
    ),
    Flag(
        "--cues",
        "FISH_CUES",
        "known",
        "known: act words like Fish Audio's own in brackets, and say all others; free: act any "
        "phrase",
        one_of("known", "free"),
    ),
    Flag(
        "--emoji",
        "FISH_EMOJI",
        "drop",
        "drop, or name: say in English what each one is, unless the text is in another language",
        one_of("drop", "name"),
    ),
    Flag(
        "--urls",
        "FISH_URLS",
        "host",
        "host: say of a bare address its host alone; or drop",
        one_of("host", "drop"),
    ),
    Flag("--code", "FISH_CODE", "", "a text to say in place of a block of code"),
    Flag("--style", "FISH_STYLE", "", "a cue for all that is said, such as calm or whispering"),
    Flag(
        "--pronunciations",
        "FISH_PRONUNCIATIONS",
        None,
        'a file with lines such as "word: spoken as" and "word: /N IY1 S/"',
        path,
    ),
    Flag(
        "--trusted",
        "FISH_TRUSTED",
        "0",
        "let Fish's own tokens, <|speaker:1|> and <|phoneme_start|>, pass from the text",
        switch,
    ),
    Flag(
        "--concurrency",
        "FISH_CONCURRENCY",
        None,
        "sessions at once, at the most (default: 5, or what Fish tells)",
        count(1),
    ),
    Flag("--warm", "FISH_WARM", "1", "sockets kept open for the next replies; 0: none", count(0)),
    Flag(
        "--quiet-time",
        "FISH_QUIET_TIME",
        "600",
        "seconds without use until they are closed",
        seconds(0),
    ),
    Flag(
        "--bridge",
        "FISH_BRIDGE",
        "2.5",
        "seconds without audio until silence is sent; 0: never",
        seconds(0),
    ),
    Flag(
        "--resume",
        "FISH_RESUME",
        "0",
        "go on where a reply breaks off between two sentences; Fish then tells which words it says",
        switch,
    ),
    Flag(
        "--ignore-unknown-voices",
        "WYOMING_FISH_IGNORE_UNKNOWN_VOICES",
        "0",
        "speak with --voice when a client asks for a voice that is not listed, such as one of "
        "Piper's",
        switch,
    ),
    Flag(
        "--fallback-uri",
        "WYOMING_FISH_FALLBACK_URI",
        None,
        "a Wyoming voice for when Fish cannot speak",
        remote,
    ),
    Flag("--cache", "WYOMING_FISH_CACHE", None, "a folder to keep announcements in", folder),
    Flag(
        "--cache-size",
        "WYOMING_FISH_CACHE_SIZE",
        "200",
        "megabytes that it may have; what was used the longest ago goes first",
        count(1),
    ),
    Flag(
        "--http",
        "WYOMING_FISH_HTTP",
        None,
        "HOST:PORT, or a port for this machine alone: a page to watch it, /readyz, /metrics",
        http_address,
    ),
    Flag(
        "--zeroconf",
        "WYOMING_FISH_ZEROCONF",
        None,
        "announce it on the local network, by this name or one with the machine's",
        instance_name,
        alone="",
    ),
    Flag("--max-connections", "WYOMING_FISH_MAX_CONNECTIONS", "200", "clients at once", count(1)),
    Flag("--max-per-address", "WYOMING_FISH_MAX_PER_ADDRESS", "100", "of one address", count(1)),
    Flag(
        "--max-characters-per-hour",
        "WYOMING_FISH_MAX_CHARACTERS_PER_HOUR",
        "200000",
        "characters of text sent to Fish Audio in an hour; 0: no limit",
        count(0),
    ),
    Flag(
        "--max-characters-per-hour-per-address",
        "WYOMING_FISH_MAX_CHARACTERS_PER_HOUR_PER_ADDRESS",
        "100000",
        "the same for each client address; 0: no limit",
        count(0),
    ),
    Flag(
        "--idle-time",
        "WYOMING_FISH_IDLE_TIME",
        "300",
        "seconds that a client may be idle; 0: for ever",
        seconds(0),
    ),
    Flag(
        "--write-timeout",
        "WYOMING_FISH_WRITE_TIMEOUT",
        "30",
        "seconds for a client to read",
        seconds(0.1),
    ),
    Flag(
        "--max-text",
        "WYOMING_FISH_MAX_TEXT",
        "200000",
        "characters that a client may have waiting to be spoken",
        count(1),
    ),
    Flag(
        "--log-format",
        "WYOMING_FISH_LOG_FORMAT",
        "%(asctime)s %(levelname)s %(name)s: %(message)s",
        "as Python's logging takes it",
        log_format,
    ),
    Flag(
        "--demo",
        "WYOMING_FISH_DEMO",
        "0",
        "speak with a built-in emulator of Fish Audio: no key, no network; FISH_API_KEY, "
        "FISH_BASE_URL and FISH_VOICE are ignored",
        switch,
    ),
    Flag("--debug", "WYOMING_FISH_DEBUG", "0", "log more, the text that is spoken too", switch),
)


class _Parser(argparse.ArgumentParser):
    """Tells what is wrong in two lines, without the 15 of its usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\nTo see all options, run: {self.prog} --help\n")


def read_flags(
    program: str,
    description: str,
    flags: Iterable[Flag],
    arguments: Sequence[str] | None,
    environ: Mapping[str, str],
) -> tuple[argparse.ArgumentParser, dict[str, Any]]:
    """Read ``arguments`` (None: the program's own), then ``environ`` for what no flag says.

    Gives the parser, for what is wrong besides, and the values by their field. Prints what is
    wrong with a value and what is allowed, and exits with 2.
    """
    parser = _Parser(
        prog=program,
        description=description,
        epilog="Flags override environment variables. Blank variables are ignored.",
        allow_abbrev=False,
        exit_on_error=False,
    )
    flags = tuple(flags)
    for flag in flags:
        without_value: dict[str, Any] = {"action": "store_const", "const": "1"}
        with_or_without: dict[str, Any] = {"nargs": "?", "const": flag.alone}
        variable = f" [{flag.variable}]" if flag.variable else ""
        parser.add_argument(
            flag.name,
            help=f"{flag.help}{variable}".replace("%", "%%"),
            **(without_value if flag.read is switch else {}),
            **({} if flag.alone is None else with_or_without),
        )
    parser.add_argument("--version", action="version", version=__version__)
    try:
        known, unknown = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        # argparse's own message quotes the value.
        name = error.argument_name
        needs = any(flag.name == name and flag.read is not switch for flag in flags)
        parser.error(f"{name} {'needs a' if needs else 'takes no'} value")
    if unknown:
        # Only what has the form of an option's name: next to a mistyped --api-key there is the key.
        names = [match[0] for given in unknown if (match := _OPTION_NAME.match(given))]
        parser.error(f"unrecognized arguments: {', '.join(names) or 'a value without an option'}")
    chosen = vars(known)
    values: dict[str, Any] = {}
    # The demo first: it decides which variables count.
    for flag in sorted(flags, key=lambda flag: flag.field != "demo"):
        given, name = chosen[flag.field], flag.name
        if given is None:
            is_ignored = (values.get("demo") and flag.field in _ACCOUNT_FIELDS) or (
                flag.field in _KEY_FIELDS and any(chosen[field] for field in _KEY_FIELDS)
            )
            found = "" if is_ignored else _unquoted(environ.get(flag.variable, ""))
            given, name = found or flag.default, flag.variable
        if not (given or "").strip() and flag.alone is None:
            # `--voice=` and the like: what a script leaves of a variable that is not set.
            given = flag.default
        try:
            values[flag.field] = None if given is None else flag.read(given.strip())
        except ValueError as error:
            parser.error(f"{name} {error}")
    return parser, values


def _unquoted(value: str) -> str:
    """A variable without the quotation marks that Docker's env files leave around it."""
    value = value.strip()
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1].strip() if quoted else value
