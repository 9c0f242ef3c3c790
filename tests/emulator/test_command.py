import signal
import subprocess
import sys

import aiohttp
import pytest

from tests.support.processes import ENVIRONMENT, ROOT, Program, run_to_end

COMMAND = (sys.executable, "-m", "wyoming_fish.emulator")


async def test_the_command_serves_until_it_is_told_to_end() -> None:
    """It prints its address once it listens, serves by its flags, and ends with 0 on SIGTERM."""
    flags = (
        *("--port", "0", "--voice", "tone", "--key", "right", "--concurrency", "3"),
        *("--handshake", "0", "--first-audio", "0.01", "--pace", "0.01"),
        *("--split", "sentence", "--after-finish", "close"),
        *("--account-voice", f"{'5' * 32}=Pearl", "--set", "limit_headers=false"),
        *("--set", "idle_timeout=20", "--set", "free_model=ended", "--set", "code_samples=50"),
    )
    with Program(*COMMAND, *flags) as program:
        url = program.wait_for(r"^(http://127\.0\.0\.1:\d+)$")[1]
        async with (
            aiohttp.ClientSession(headers={"Authorization": "Bearer right"}) as http,
            http.post(url + "/v1/tts", json={"text": "Hi.", "format": "pcm"}) as response,
        ):
            assert response.status == 200
            assert "ratelimit-limit-concurrency" not in response.headers
            assert len(await response.read()) == 2 * 3 * 2646
            async with http.get(f"{url}/model/{'5' * 32}") as voice:
                assert (await voice.json())["title"] == "Pearl"
            free = {"model": "s2.1-pro-free"}
            async with http.post(url + "/v1/tts", json={"text": "Hi."}, headers=free) as refused:
                assert refused.status == 402
        assert program.end() == 0
        assert program.log == f"{url}\n"


def test_the_command_ends_on_ctrl_c() -> None:
    """An interrupt ends it with 0 and without a traceback."""
    process = subprocess.Popen(
        (*COMMAND, "--voice", "tone"),
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=15)
    assert (process.returncode, rest, errors) == (0, "", "")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--voice", "opera"), "invalid choice"),
        (("--pace", "-1"), "not a length of time"),
        (("--first-audio", "nan"), "not a length of time"),
        (("--account-voice", "5=Pearl"), "32 hexadecimal digits"),
        (("--set", "voices=none"), "no plain setting voices"),
        (("--set", "__doc__=x"), "no plain setting __doc__"),
        (("--set", "riff=perhaps"), "perhaps is not a value of riff"),
        (("--set", "free_model=cheap"), "'cheap' is none of"),
    ],
)
def test_a_bad_flag_is_refused(flags: tuple[str, ...], message: str) -> None:
    """A flag that makes no sense ends the command with 2 and says why."""
    result = run_to_end(*COMMAND, *flags)
    assert result.returncode == 2
    assert message in result.stderr


def test_a_taken_port_is_told_in_a_sentence() -> None:
    """Where the port is taken the command ends with 1 and one line."""
    with Program(*COMMAND, "--voice", "tone") as program:
        port = program.wait_for(r"^http://127\.0\.0\.1:(\d+)$")[1]
        result = run_to_end(*COMMAND, "--voice", "tone", "--port", port)
    assert result.returncode == 1
    assert result.stderr.startswith("The emulator cannot start: ")
    assert len(result.stderr.splitlines()) == 1
