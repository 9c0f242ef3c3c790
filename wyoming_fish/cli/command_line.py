"""Reads options: from the command line, and from environment variables."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NoReturn

from .. import __version__
from .flags import Flag
from .parsers import switch

__all__ = ["read_flags"]

# The options of an account: the demo has its own.
_ACCOUNT_KEYS: Final = ("api_key", "api_key_file", "base_url", "voice")
# One of these as a flag overrides both variables.
_API_KEY_KEYS: Final = ("api_key", "api_key_file")

# The part of an unknown argument that an error may show: words of letters, or one letter.
_OPTION_NAME: Final = re.compile(r"--[a-z]+(-[a-z]+)*(?=$|=)|-[a-z]")


class _Parser(argparse.ArgumentParser):
    """Prints an error in two lines, without argparse's usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\nTo see all options, add --help.\n")


def read_flags(
    program: str,
    description: str,
    flags: Iterable[Flag],
    arguments: Sequence[str] | None,
    environ: Mapping[str, str],
) -> tuple[argparse.ArgumentParser, dict[str, Any]]:
    """Read ``arguments`` (None: the program's own), then ``environ`` for the other options.

    Returns the parser, for the caller's own errors, and the values by ``Flag.key``. If a value is
    not valid, prints the error and exits with 2.
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
        with_or_without: dict[str, Any] = {"nargs": "?", "const": flag.const}
        parser.add_argument(
            flag.name,
            help=_help(flag).replace("%", "%%"),
            **(without_value if flag.parse is switch else {}),
            **({} if flag.const is None else with_or_without),
        )
    parser.add_argument("--version", action="version", version=__version__)
    try:
        known, unknown = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        # argparse's own message quotes the value.
        name = error.argument_name
        needs_value = any(flag.name == name and flag.parse is not switch for flag in flags)
        parser.error(f"{name} {'needs a' if needs_value else 'takes no'} value")
    if unknown:
        # Show only the names of options: next to a mistyped --api-key there is the key.
        names = [match[0] for given in unknown if (match := _OPTION_NAME.match(given))]
        parser.error(f"unrecognized arguments: {', '.join(names) or 'a value without an option'}")
    chosen = vars(known)
    values: dict[str, Any] = {}
    # The demo first: it decides which variables count.
    for flag in sorted(flags, key=lambda flag: flag.key != "demo"):
        given, name = chosen[flag.key], flag.name
        if given is None:
            is_ignored = (values.get("demo") and flag.key in _ACCOUNT_KEYS) or (
                flag.key in _API_KEY_KEYS and any(chosen[key] for key in _API_KEY_KEYS)
            )
            found = "" if is_ignored else _unquoted(environ.get(flag.variable, ""))
            given, name = found or flag.default, flag.variable
        if not (given or "").strip() and flag.const is None:
            # `--voice=` and the like: a script leaves them if a variable is not set.
            given = flag.default
        try:
            values[flag.key] = None if given is None else flag.parse(given.strip())
        except ValueError as error:
            parser.error(f"{name} {error}")
    return parser, values


def _help(flag: Flag) -> str:
    """The help of a flag, with its default and its variable."""
    default = f" (default: {flag.default})" if flag.default and flag.parse is not switch else ""
    variable = f" [{flag.variable}]" if flag.variable else ""
    return f"{flag.help}{default}{variable}"


def _unquoted(value: str) -> str:
    """The value of a variable, without the quotation marks that Docker's env files leave."""
    value = value.strip()
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1].strip() if quoted else value
