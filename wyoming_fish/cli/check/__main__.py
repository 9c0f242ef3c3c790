"""The command `wyoming-fish-check`: its flags, its output, and its exit status."""

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
from ...fish import TIMESTAMP_BACKENDS, proxy_for
from ...fish.errors import FishError, SettingsError
from ...fish.settings import Backend, Endpoint, SpeechSettings
from ...logs import set_up_logging
from ...printable import printable
from ..command_line import read_flags
from ..demo import demo
from ..flags import FLAGS, Flag
from ..options import SPEECH_FLAGS, endpoint_of, speech_of
from ..parsers import seconds, switch
from .diagnostics import CheckResult, CheckStatus, Diagnostics
from .probe import run_probe
from .probe_wire import ProbeWaits

__all__ = ["main"]

_KEYS: Final = ("api_key", "api_key_file", "base_url", *SPEECH_FLAGS, "resume", "demo")
_FLAGS: Final = (
    *(flag for flag in FLAGS if flag.key in _KEYS),
    Flag("--json", "", "0", "print one JSON object at the end", switch),
    Flag(
        "--probe",
        "",
        "0",
        "measure what Fish Audio does not document, for a report; costs about 2 cents",
        switch,
    ),
    Flag(
        "--probe-idle",
        "",
        f"{ProbeWaits.idle_s:g}",
        "seconds that --probe leaves a connection idle",
        seconds(0),
    ),
)

_COLORS: Final = {CheckStatus.OK: "32", CheckStatus.WARNING: "33", CheckStatus.FAILED: "1;31"}


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Run the checks and print them. Returns 0 without errors, else 1.

    If an option is not valid, exits with 2.
    """
    parser, values = read_flags(
        "wyoming-fish-check",
        "Check the connection to Fish Audio: network, API key, credit, voice, and two spoken "
        "sentences. The options are those of the server.",
        _FLAGS,
        arguments,
        environ,
    )
    try:
        endpoint, keyless = _endpoint(values)
        speech = speech_of(values, None if values["demo"] else endpoint)
    except (FishError, ValueError) as error:
        parser.error(str(error))
    # A server's answer can have characters that the terminal cannot show.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
    set_up_logging(logging.WARNING)
    if values["probe"]:
        if keyless is not None and not values["demo"]:
            parser.error(str(keyless))
        if speech.backend in TIMESTAMP_BACKENDS:
            # On the plain socket another model would speak, and be billed.
            parser.error(
                f"--probe cannot use --backend {speech.backend}. Use another backend: the probe "
                f"asks about {Backend.DRAMA_3} by itself."
            )
        try:
            return asyncio.run(_probe(values, speech, endpoint))
        except KeyboardInterrupt:
            return 130
    show: Callable[[CheckResult], None] | None = None
    if not values["json"]:
        print(f"wyoming-fish {__version__}, {_server(values)}", flush=True)
        show = partial(_print, colored=sys.stdout.isatty() and not environ.get("NO_COLOR"))
    try:
        results = asyncio.run(_run_checks(values, speech, endpoint, keyless, show))
    except KeyboardInterrupt:
        return 130
    wrong = sum(result.state is CheckStatus.FAILED for result in results)
    if values["json"]:
        about = {
            "version": __version__,
            "server": _server(values),
            "backend": speech.backend,
            "voice": speech.voice,
            "ok": not wrong,
            "checks": [asdict(result) for result in results],
        }
        print(json.dumps(about, indent=2))
    else:
        print(_summary(results, wrong))
    return 1 if wrong else 0


def _endpoint(values: Mapping[str, Any]) -> tuple[Endpoint, FishError | None]:
    """Return the server, and the error of its API key if it has no usable one.

    Raises FishError if its address, or the address of the proxy, is not valid.
    """
    keyless = Endpoint("none", values["base_url"])
    proxy_for(keyless.base_url)
    try:
        return endpoint_of(values), None
    except FishError as error:
        return keyless, error
    except ValueError as error:
        return keyless, SettingsError(str(error))


async def _probe(values: Mapping[str, Any], speech: SpeechSettings, endpoint: Endpoint) -> int:
    """Print the probe's report. The estimate is not part of it."""
    async with contextlib.AsyncExitStack() as stack:
        if values["demo"]:
            endpoint = await stack.enter_async_context(demo())
        show = partial(print, flush=True)
        tell = partial(print, file=sys.stderr, flush=True)
        waits = ProbeWaits(idle_s=values["probe_idle"])
        return await run_probe(endpoint, speech, show, tell, waits, json_wanted=values["json"])


async def _run_checks(
    values: Mapping[str, Any],
    speech: SpeechSettings,
    endpoint: Endpoint,
    keyless: FishError | None,
    show: Callable[[CheckResult], None] | None,
) -> list[CheckResult]:
    """Run the checks, and show each result immediately, if so wanted."""
    results = []
    async with contextlib.AsyncExitStack() as stack:
        if values["demo"]:
            endpoint, keyless = await stack.enter_async_context(demo()), None
        context = await asyncio.to_thread(ssl.create_default_context)
        diagnostics = Diagnostics(endpoint, speech, context, keyless, values["resume"] or None)
        checks = await stack.enter_async_context(contextlib.aclosing(diagnostics.examine()))
        async for result in checks:
            if show is not None:
                show(result)
            results.append(result)
    return results


def _server(values: Mapping[str, Any]) -> str:
    """The address of the server. It has no password: Endpoint refuses one."""
    return "demo" if values["demo"] else str(values["base_url"])


def _print(result: CheckResult, *, colored: bool) -> None:
    state = f"{result.state:7}"
    if colored:
        state = f"\033[{_COLORS[result.state]}m{state}\033[0m"
    took = "" if result.seconds is None else f"{1000 * result.seconds:.0f} ms"
    text = printable(result.text)
    print(f"{state}  {result.name:11}  {took:>8}  {text}", flush=True)


def _summary(results: Sequence[CheckResult], wrong: int) -> str:
    warnings = sum(result.state is CheckStatus.WARNING for result in results)
    if wrong:
        return f"Failed: {wrong}. Dependent checks were skipped. Fix the error, then check again."
    return f"No errors. Warnings: {warnings}." if warnings else "No errors."


if __name__ == "__main__":
    sys.exit(main())
