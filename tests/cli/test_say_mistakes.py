"""The command `wyoming-fish-say` with a key in the wrong place, and with servers that are none."""

import asyncio
import json

import pytest

from tests.support.listening import listening
from wyoming_fish import __version__
from wyoming_fish.cli.say import main

from ..tools.saying import start_say

KEY = "s3cret-passw0rd-0123456789"


@pytest.mark.parametrize(
    "arguments",
    [
        [f"--api-key={KEY}", "Hi."],
        ["--api-key", KEY, "Hi."],
        ["Hi.", KEY],
        ["Hi.", "--uri", KEY],
        ["Hi.", "--uri", f"tcp://fish:{KEY}"],
        ["Hi.", "--pace", KEY],
    ],
)
def test_a_key_is_not_repeated(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever it is given to, the error names what is wrong without it."""
    monkeypatch.setattr("sys.argv", ["wyoming-fish-say", *arguments])
    with pytest.raises(SystemExit):
        main()
    said = "".join(capsys.readouterr())
    assert "error: " in said
    assert KEY not in said


@pytest.mark.parametrize("info", [{"tts": 5}, {"tts": [None]}, {"tts": [{"name": 1}]}])
async def test_a_server_that_does_not_say_what_it_is(info: dict[str, object]) -> None:
    """It is an error in a sentence."""
    event = json.dumps({"type": "info", "data": info}).encode() + b"\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(event)

    async with listening(serve) as port:
        process = await start_say("Hi.", "--uri", f"tcp://127.0.0.1:{port}")
        _, errors = await process.communicate()
    assert process.returncode == 1
    assert errors == b"The server does not speak Wyoming. Check the host and the port.\n"


@pytest.mark.parametrize("name", ["speech.mp3", "Speech.OGG"])
async def test_an_output_that_is_not_wav(name: str) -> None:
    """A name of another format is refused: the file would be a WAV."""
    process = await start_say("Hi.", "--output", name)
    _, errors = await process.communicate()
    assert process.returncode == 2
    assert b"--output/-o: must be a WAV file, such as speech.wav, or -" in errors


async def test_version() -> None:
    """It prints its version, and speaks nothing."""
    process = await start_say("--version")
    printed, _ = await process.communicate()
    assert (process.returncode, printed.decode()) == (0, f"{__version__}\n")


async def test_no_server(unused_tcp_port: int) -> None:
    """It is an error that says what to do."""
    uri = f"tcp://127.0.0.1:{unused_tcp_port}"
    process = await start_say("Hi.", "--uri", uri)
    _, errors = await process.communicate()
    assert process.returncode == 1
    advice = "Start the server, or set its address with --uri."
    assert errors.decode().endswith(f"Cannot connect to {uri}: Connection refused. {advice}\n")
