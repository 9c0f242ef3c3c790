import asyncio
import io
import os
import pty
import re
import sys
import wave
from dataclasses import dataclass
from pathlib import Path

import pytest
from wyoming.audio import AudioChunk
from wyoming.error import Error
from wyoming.event import Event
from wyoming.tts import SynthesizeStopped

from tests.support.listening import listening
from tests.support.processes import ROOT
from tests.tools.saying import start_say
from tests.tools.scripted_server import RATE, START, STOP, Client, Script, audio, wyoming_server


@dataclass
class Said:
    status: int
    output: bytes
    errors: str


async def _say(*arguments: str, text: bytes = b"") -> Said:
    process = await start_say(*arguments)
    output, errors = await process.communicate(text)
    assert process.returncode is not None
    return Said(process.returncode, output, errors.decode())


def _frames(path: Path) -> bytes:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (RATE, 2, 1)
        return bytes(file.readframes(file.getnframes()))


async def test_streams_words(tmp_path: Path) -> None:
    """A streaming server gets word by word what adds up to the text, then the whole of it."""
    seen: list[Event] = []

    async def script(client: Client) -> None:
        await client.until("synthesize-stop")
        await client.send(START, audio(b"\1\0" * 800), STOP, SynthesizeStopped())
        seen.extend(client.events)

    wav = tmp_path / "a.wav"
    async with wyoming_server(script) as uri:
        said = await _say(
            *("One  two,\nthree. ", "--uri", uri),
            *("--pace", "200", "--voice", "Anna", "--output", str(wav)),
        )
    assert said.status == 0, said.errors
    assert _frames(wav) == b"\1\0" * 800
    start, *chunks, whole, stop = seen[1:]
    assert (start.type, stop.type) == ("synthesize-start", "synthesize-stop")
    assert start.data["voice"] == {"name": "Anna"}
    assert [chunk.data["text"] for chunk in chunks] == ["One", "  two,", "\nthree.", " "]
    assert whole.data == {"text": "One  two,\nthree. ", "voice": {"name": "Anna"}}


async def test_plain_server(tmp_path: Path) -> None:
    """A server that does not stream gets the whole text at once, and ends at audio-stop."""
    seen: list[Event] = []
    done = asyncio.Event()

    async def script(client: Client) -> None:
        seen.append(await client.until("synthesize"))
        await client.send(START, audio(b"\1\0"), audio(b"\2\0"), STOP)
        await done.wait()

    wav = tmp_path / "a.wav"
    async with wyoming_server(script, streaming=False) as uri:
        said = await _say("One two.", "--uri", uri, "--pace", "200", "--output", str(wav))
        done.set()
    assert said.status == 0, said.errors
    assert seen[0].data == {"text": "One two."}
    assert _frames(wav) == b"\1\0\2\0"


async def test_several_envelopes(tmp_path: Path) -> None:
    """Audio that comes with a start and a stop for each sentence is one file, up to the end."""

    async def script(client: Client) -> None:
        await client.until("synthesize-stop")
        await client.send(START, audio(b"\1\0"), STOP, START, audio(b"\2\0"), STOP)

    wav = tmp_path / "a.wav"
    async with wyoming_server(script) as uri:
        said = await _say("One. Two.", "--uri", uri, "--output", str(wav))
    assert said.status == 0, said.errors
    assert _frames(wav) == b"\1\0\2\0"


async def test_lines_of_standard_input(tmp_path: Path) -> None:
    """Each line of standard input is on its way before the next one is written."""
    first_line = asyncio.Event()

    async def script(client: Client) -> None:
        assert (await client.until("synthesize-chunk")).data["text"] == "One.\n"
        first_line.set()
        assert (await client.until("synthesize-chunk")).data["text"] == "Two."
        await client.until("synthesize-stop")
        await client.send(START, audio(b"\1\0"), STOP, SynthesizeStopped())

    async with wyoming_server(script) as uri:
        process = await start_say("--uri", uri, "--output", str(tmp_path / "a.wav"))
        assert process.stdin
        process.stdin.write(b"One.\n")
        await first_line.wait()
        _, errors = await process.communicate(b"Two.")
    assert process.returncode == 0, errors


async def test_standard_output() -> None:
    """With `-` the audio comes out as a WAV of unknown length while it is still being spoken."""
    first_audio = asyncio.Event()

    async def script(client: Client) -> None:
        await client.until("synthesize-stop")
        await client.send(START, audio(b"\1\0"))
        await first_audio.wait()
        await client.send(audio(b"\2\0"), STOP, SynthesizeStopped())

    async with wyoming_server(script) as uri:
        process = await start_say("One.", "--uri", uri, "--output", "-")
        assert process.stdout
        header = await process.stdout.readexactly(44)
        samples = await process.stdout.readexactly(2)
        first_audio.set()
        rest, errors = await process.communicate()
    assert process.returncode == 0, errors
    assert samples + rest == b"\1\0\2\0"
    assert header[40:44] == b"\xff\xff\xff\xff"
    with wave.open(io.BytesIO(header)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (RATE, 2, 1)


@pytest.mark.parametrize(
    ("text", "last_event"),
    [(["One."], "synthesize-stop"), ([], "synthesize-start")],
    ids=["text is sent", "text is awaited"],
)
async def test_error(text: list[str], last_event: str, tmp_path: Path) -> None:
    """An error is printed on one line, also while text is awaited; the cut audio is not kept."""

    async def script(client: Client) -> None:
        await client.until(last_event)
        await client.send(START, audio(b"\1\0"), Error("The wallet\n\x1b[2J is empty.", "402"))

    wav = tmp_path / "a.wav"
    async with wyoming_server(script) as uri:
        process = await start_say("--uri", uri, "--output", str(wav), *text)
        assert process.stdin
        assert process.stderr
        # Standard input stays open all the while.
        errors = await process.stderr.read()
        await process.wait()
        process.stdin.close()
    assert process.returncode == 1
    assert errors.decode() == "The server reports an error: The wallet\\n\\x1b[2J is empty.\n"
    assert not wav.exists()


async def _hang_up(client: Client) -> None:
    await client.until("synthesize-stop")


async def _hang_up_during_audio(client: Client) -> None:
    await client.until("synthesize-stop")
    await client.send(START, audio(b"\1\0"))


async def _hang_up_during_text(client: Client) -> None:
    await client.until("synthesize-chunk")
    await client.send(START, audio(b"\1\0"), STOP)


async def _stop_during_text(client: Client) -> None:
    await client.until("synthesize-chunk")
    await client.send(START, audio(b"\1\0"), STOP, SynthesizeStopped())


async def _stop_without_audio(client: Client) -> None:
    await client.until("synthesize-stop")
    await client.send(START, STOP, SynthesizeStopped())


async def _change_the_rate(client: Client) -> None:
    await client.until("synthesize-stop")
    await client.send(START, audio(b"\1\0"), AudioChunk(16000, 2, 1, b"\2\0"), STOP)
    await client.send(SynthesizeStopped())


async def _send_audio_without_a_rate(client: Client) -> None:
    await client.until("synthesize-stop")
    client.writer.write(b'{"type": "audio-chunk", "payload_length": 2}\n\1\0')


async def _send_no_event(client: Client) -> None:
    await client.until("synthesize-stop")
    client.writer.write(b"[1]\n")


@pytest.mark.parametrize("script", [_hang_up_during_text, _stop_during_text])
async def test_end_during_text(script: Script, tmp_path: Path) -> None:
    """A server that ends before the text does has failed, whatever it calls that."""
    wav = tmp_path / "a.wav"
    async with wyoming_server(script) as uri:
        process = await start_say("--uri", uri, "--output", str(wav))
        assert process.stdin
        assert process.stderr
        process.stdin.write(b"One.\n")
        errors = await process.stderr.read()
        await process.wait()
        process.stdin.close()
    assert process.returncode == 1
    assert errors == b"The server closed the connection during the speech. Check its log.\n"
    assert not wav.exists()


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (_hang_up, "sent no audio"),
        (_hang_up_during_audio, "closed the connection during the speech"),
        (_stop_without_audio, "sent no audio"),
        (_change_the_rate, "changed the format"),
        (_send_audio_without_a_rate, "without the field 'rate'"),
        (_send_no_event, "does not speak Wyoming"),
    ],
)
async def test_broken_reply(script: Script, sentence: str, tmp_path: Path) -> None:
    """A reply that is not whole is a failure in one sentence, and leaves no file."""
    wav = tmp_path / "a.wav"
    async with wyoming_server(script) as uri:
        said = await _say("One two.", "--uri", uri, "--output", str(wav))
    assert said.status == 1
    assert re.fullmatch(f"The server .*{sentence}.*\\.\n", said.errors)
    assert not wav.exists()


async def test_no_server(unused_tcp_port: int) -> None:
    """Where nothing listens, a sentence says so."""
    uri = f"tcp://127.0.0.1:{unused_tcp_port}"
    said = await _say("One.", "--uri", uri)
    assert said.status == 1
    assert re.fullmatch(f"Cannot connect to {uri}: .*\n", said.errors)


async def test_no_wyoming_server() -> None:
    """Where something else listens, a sentence says so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with listening(serve) as port:
        said = await _say("One.", "--uri", f"tcp://127.0.0.1:{port}")
    assert (said.status, said.errors) == (
        1,
        "The server does not speak Wyoming. Check the host and the port.\n",
    )


async def test_nothing_to_say() -> None:
    """Blank text is refused."""

    async def script(client: Client) -> None:
        with pytest.raises(AssertionError, match="left"):
            await client.until("synthesize-stop")

    async with wyoming_server(script) as uri:
        said = await _say("--uri", uri, text=b" \n")
    assert (said.status, said.errors) == (1, "The text is empty. Enter a text.\n")


async def test_unwritable_output(tmp_path: Path) -> None:
    """Where the file cannot be written, a sentence says why."""

    async def script(client: Client) -> None:
        await client.until("synthesize-stop")
        await client.send(START, audio(b"\1\0"))

    async with wyoming_server(script) as uri:
        said = await _say("One.", "--uri", uri, "--output", str(tmp_path))
    assert said.status == 1
    assert said.errors == (
        f"The audio cannot be written to {tmp_path}: Is a directory. Check the folder and its "
        "permissions, or set another file with --output.\n"
    )


async def test_progress(tmp_path: Path) -> None:
    """On a terminal a line shows how much has been spoken; elsewhere there is none."""

    async def script(client: Client) -> None:
        await client.until("synthesize-stop")
        await client.send(START, audio(bytes(2 * RATE)), STOP, SynthesizeStopped())

    arguments = ["One.", "--output", str(tmp_path / "a.wav")]
    terminal, end = pty.openpty()
    async with wyoming_server(script) as uri:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "wyoming_fish.cli.say", *arguments, "--uri", uri),
            cwd=ROOT,
            stderr=end,
        )
        os.close(end)
        assert await process.wait() == 0
        seen = os.read(terminal, 4096)
        os.close(terminal)
        said = await _say(*arguments, "--uri", uri)
    assert b"\r   1.0 s of speech\r" in seen
    assert "\r" not in said.errors


@pytest.mark.parametrize("flags", [(), ("--pace", "20")], ids=["at once", "word by word"])
async def test_our_server(flags: tuple[str, ...], demo_server: str, tmp_path: Path) -> None:
    """Our own server speaks, and what happened when is printed."""
    wav = tmp_path / "a.wav"
    text = "The lamps are on. The oven is warm."
    said = await _say(text, "--uri", demo_server, "--output", str(wav), *flags)
    assert said.status == 0, said.errors
    with wave.open(str(wav)) as file:
        seconds = file.getnframes() / file.getframerate()
    assert 1 < seconds < 10
    moments = re.findall(r"^ *(\d+) ms  (.*)$", said.errors, re.MULTILINE)
    assert moments == sorted(moments, key=lambda moment: int(moment[0]))
    assert {name for _, name in moments} == {"text ends", "first audio", "audio ends"}
    assert f"{seconds:.2f} s of speech in {wav}" in said.errors


async def test_text_that_is_not_utf8() -> None:
    """Bytes that are not text are told in one line."""

    async def script(client: Client) -> None:
        assert b"synthesize-chunk" not in await client.reader.read()

    async with wyoming_server(script) as uri:
        said = await _say("--uri", uri, "--", os.fsdecode(b"Bad \xff bytes"))
    assert said.errors.splitlines()[-1].endswith("The text is not valid UTF-8. Save it as UTF-8.")
    assert said.status == 1
