"""The command: its flags, what it prints, and its exit status."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import ssl
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any, Final

from ... import __version__
from ...fish import proxy_for
from ...fish.errors import FishError, SettingsError
from ...fish.settings import Endpoint, SpeechSettings
from ...logs import set_up_logging
from ...printable import printable
from ..demo import demo
from ..flags import FLAGS, Flag, read_flags
from ..options import SPEECH_FLAGS, endpoint_of, speech_of
from ..parsers import switch
from .diagnostics import CheckResult, CheckStatus, Diagnostics

__all__ = ["main"]

_FIELDS: Final = ("api_key", "api_key_file", "base_url", *SPEECH_FLAGS, "resume", "demo")
_FLAGS: Final = (
    *(flag for flag in FLAGS if flag.field in _FIELDS),
    Flag("--json", "", "0", "print one JSON object, at the end", switch),
)

_COLOURS: Final = {CheckStatus.OK: "32", CheckStatus.WARNING: "33", CheckStatus.WRONG: "1;31"}


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Examine and print. 0: all is well, or there are only warnings; 1: something is wrong.

    Exits with 2 for a flag or variable that cannot be read.
    """
    parser, values = read_flags(
        "wyoming-fish-check",
        "Look for what keeps Fish Audio from speaking here: the key, the credit, the voice, the "
        "way to Fish, and a sentence of speech, twice. Takes the server's flags and variables.",
        _FLAGS,
        arguments,
        environ,
    )
    try:
        endpoint, keyless = _endpoint(values)
        speech = speech_of(values, None if values["demo"] else endpoint)
    except (FishError, ValueError) as error:
        parser.error(str(error))
    # What a server's answer has in it may be more than the terminal can show.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    set_up_logging(logging.WARNING)
    show: Callable[[CheckResult], None] = _pass_over
    if not values["json"]:
        print(f"wyoming-fish {__version__}, {_server(values)}", flush=True)
        show = partial(_print, coloured=sys.stdout.isatty() and not environ.get("NO_COLOR"))
    try:
        findings = asyncio.run(_examine(values, speech, endpoint, keyless, show))
    except KeyboardInterrupt:
        return 130
    wrong = sum(finding.state is CheckStatus.WRONG for finding in findings)
    if values["json"]:
        about = {
            "version": __version__,
            "server": _server(values),
            "backend": speech.backend,
            "voice": speech.voice,
            "well": not wrong,
            "findings": [asdict(finding) for finding in findings],
        }
        print(json.dumps(about, indent=2))
    else:
        print(_summary(findings, wrong))
    return 1 if wrong else 0


def _endpoint(values: Mapping[str, Any]) -> tuple[Endpoint, FishError | None]:
    """The server, and why it has no key that could be used.

    Raises FishError for an address of it, or of the proxy on the way, that is not valid.
    """
    keyless = Endpoint("none", values["base_url"])
    proxy_for(keyless.base_url)
    try:
        return endpoint_of(values), None
    except FishError as error:
        return keyless, error
    except ValueError as error:
        return keyless, SettingsError(str(error))


async def _examine(
    values: Mapping[str, Any],
    speech: SpeechSettings,
    endpoint: Endpoint,
    keyless: FishError | None,
    show: Callable[[CheckResult], None],
) -> list[CheckResult]:
    """Examine, and show each finding as it comes."""
    findings = []
    async with contextlib.AsyncExitStack() as stack:
        if values["demo"]:
            endpoint, keyless = await stack.enter_async_context(demo()), None
        context = await asyncio.to_thread(ssl.create_default_context)
        doctor = Diagnostics(endpoint, speech, context, keyless, values["resume"] or None)
        examination = await stack.enter_async_context(contextlib.aclosing(doctor.examine()))
        async for finding in examination:
            show(finding)
            findings.append(finding)
    return findings


def _server(values: Mapping[str, Any]) -> str:
    """The server's address. There is no password in it: Endpoint has refused one."""
    return "demo" if values["demo"] else str(values["base_url"])


def _print(finding: CheckResult, *, coloured: bool) -> None:
    state = f"{finding.state:7}"
    if coloured:
        state = f"\033[{_COLOURS[finding.state]}m{state}\033[0m"
    took = "" if finding.seconds is None else f"{1000 * finding.seconds:.0f} ms"
    text = printable(finding.text)
    print(f"{state}  {finding.name:11}  {took:>8}  {text}", flush=True)


def _pass_over(finding: CheckResult) -> None:
    """All are shown at the end."""


def _summary(findings: Sequence[CheckResult], wrong: int) -> str:
    warnings = sum(finding.state is CheckStatus.WARNING for finding in findings)
    if wrong:
        return f"Wrong: {wrong}. What depends on it was not looked at; mend it, and check again."
    return f"All is well. Warnings: {warnings}." if warnings else "All is well."


if __name__ == "__main__":
    sys.exit(main())
