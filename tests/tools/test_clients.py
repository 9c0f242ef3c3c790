"""Other people's Wyoming programs, as they are published, against our server."""

import re
import sys
import wave
from io import BytesIO
from pathlib import Path
from urllib.parse import quote
from urllib.request import Request, urlopen

import pytest

from tests.support.processes import Program, run_to_end

BIN = Path(sys.executable).parent

# Seconds of what it takes to say a short sentence.
LEAST, MOST = 1.0, 10.0


def _run(*command: str) -> str:
    done = run_to_end(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _host_and_port(uri: str) -> str:
    return "127.0.0.1:" + uri.rpartition(":")[2]


def test_bench_info(demo_server: str) -> None:
    """wyoming-bench finds a streaming text-to-speech service and its voices."""
    shown = _run(str(BIN / "wyoming-bench"), "info", _host_and_port(demo_server))
    assert "(synthesize streaming)" in shown
    assert re.search(r"voice \S+ \[.*\ben\b.*\]", shown)


def test_bench_tts(demo_server: str) -> None:
    """wyoming-bench measures both ways of asking without a failure."""
    shown = _run(
        *(str(BIN / "wyoming-bench"), "tts", _host_and_port(demo_server)),
        *("--rounds", "2", "--mode", "both", "--texts", "The lamps in the kitchen are on."),
    )
    for mode in ("non_streaming", "streaming"):
        assert f"[{mode}] ok=2 fail=0" in shown
    seconds = [float(found) for found in re.findall(r"Audio +mean=([\d.]+)s", shown)]
    assert len(seconds) == 2
    assert all(LEAST < each < MOST for each in seconds)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_http_bridge(method: str, demo_server: str) -> None:
    """Wyoming's own HTTP bridge answers a request with a WAV file of speech."""
    text = "The lamps in the kitchen are on."
    command = (sys.executable, "-m", "wyoming.http.tts_server", "--uri", demo_server)
    with Program(*command, "--host", "127.0.0.1", "--port", "0") as bridge:
        address = bridge.wait_for(r"Running on (http://127\.0\.0\.1:\d+)")[1]
        url = f"{address}/api/text-to-speech"
        plain = {"Content-Type": "text/plain"}
        request = {
            "GET": Request(f"{url}?text={quote(text)}"),
            "POST": Request(url, text.encode(), plain),
        }[method]
        with urlopen(request, timeout=30) as response:
            body = response.read()
    with wave.open(BytesIO(body)) as file:
        assert LEAST < file.getnframes() / file.getframerate() < MOST


def test_health_check(demo_server: str, unused_tcp_port: int) -> None:
    """Piper's health check calls the server healthy, and a port without one unhealthy."""
    command = (sys.executable, "-m", "wyoming_piper.health_check", "--uri")
    _run(*command, demo_server)
    with pytest.raises(AssertionError, match="unhealthy"):
        _run(*command, f"tcp://127.0.0.1:{unused_tcp_port}")
