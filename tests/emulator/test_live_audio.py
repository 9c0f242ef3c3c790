import asyncio
import io
import struct
import wave
from array import array

import pytest
import soundfile

from tests.emulator.client import emulated, live
from wyoming_fish.emulator import EmulatorSettings, decode_code_voice


async def test_audio_events_tell_the_time() -> None:
    """Audio and finish carry the milliseconds since the session began, which only grow."""
    async with emulated(first_audio=0.03) as emulator, live(emulator) as socket:
        await socket.start()
        await socket.text("One. ")
        await socket.flush()
        await socket.text("Two. ")
        await socket.stop()
        times = [(await socket.receive())["time"] for _ in range(3)]
        # Rounding takes up to a millisecond off a difference.
        assert 30 <= times[0] <= times[1] - 29 <= times[2] - 29


async def test_frames_are_as_long_as_told() -> None:
    """Audio is cut into events of `frame` seconds."""
    async with emulated(frame=0.05) as emulator, live(emulator) as socket:
        await socket.start(sample_rate=8000)
        await socket.text("x" * 10)
        await socket.stop()
        heard, _ = await socket.rest()
        assert [len(audio) for audio in heard] == [800, 800, 800]


async def test_odd_frames_split_samples() -> None:
    """With odd_frames events have odd sizes, single bytes among them, and lose nothing."""
    text = "All that was written is heard. " * 3
    async with emulated(odd_frames=True) as emulator, live(emulator) as socket:
        await socket.start()
        await socket.text(text)
        await socket.stop()
        heard, _ = await socket.rest()
        sizes = [len(audio) for audio in heard]
        assert all(size % 2 for size in sizes[:-1])
        assert 1 in sizes
        assert len(set(sizes)) > 3
        assert decode_code_voice(b"".join(heard)) == text


async def test_wav_has_one_header_of_unknown_length() -> None:
    """WAV is one placeholder header before the first audio, then PCM, whatever the chunks."""
    async with emulated() as emulator, live(emulator) as socket:
        await socket.start(format="wav", sample_rate=24000)
        await socket.text("One. ")
        await socket.flush()
        first = await socket.audio()
        assert struct.unpack("<4sI4s", first[:12]) == (b"RIFF", 4294967076, b"WAVE")
        assert struct.unpack("<4sI", first[36:44]) == (b"data", 4294967040)
        with wave.open(io.BytesIO(first)) as header:
            assert (header.getframerate(), header.getnchannels(), header.getsampwidth()) == (
                24000,
                1,
                2,
            )
        await socket.text("Two.")
        await socket.stop()
        heard, _ = await socket.rest()
        assert decode_code_voice(first[44:] + b"".join(heard)) == "One. Two."


async def test_pcm_may_begin_with_a_header() -> None:
    """With riff each session of PCM begins with the header of WAV."""
    async with emulated(riff=True) as emulator, live(emulator) as socket:
        for _ in range(2):
            heard = await socket.say("Hello.")
            assert heard.startswith(b"RIFF")
            assert decode_code_voice(heard[44:]) == "Hello."


async def test_mp3_is_one_stream() -> None:
    """MP3, Fish's default format, is given whole: its frames add up to the speech."""
    async with emulated(voice="tone") as emulator, live(emulator) as socket:
        await socket.start(format=None)
        await socket.text("Several words of some length.")
        await socket.stop()
        heard, _ = await socket.rest()
        audio = b"".join(heard)
        assert audio[0] == 0xFF
        assert audio[1] & 0xE0 == 0xE0
        seconds = len(audio) / (128_000 / 8)
        assert 1.7 < seconds < 2.1


async def test_the_end_of_a_flush_is_kept_back() -> None:
    """With hold_back the end of flushed text comes only after the next text, flush or stop."""
    text, kept = "One. ", 120 * 2 * 2
    seconds = kept / 2 / 44100
    async with emulated(hold_back=seconds) as emulator, live(emulator) as socket:
        for release in (socket.flush, lambda: socket.text("t"), socket.stop):
            await socket.start()
            await socket.text(text)
            await socket.flush()
            first = await socket.audio()
            assert decode_code_voice(first) == "One"
            await release()
            assert decode_code_voice(await socket.audio()) == ". "
            if release != socket.stop:
                await socket.stop()
            _, finish = await socket.rest()
            assert finish["reason"] == "stop"


async def test_handshake_takes_its_time() -> None:
    """The upgrade is answered after `handshake` seconds."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with emulated(handshake=0.05) as emulator, live(emulator):
        assert loop.time() - begun >= 0.05


async def test_each_chunk_waits_for_the_model() -> None:
    """Before each chunk first_audio passes, then pace for each second after its first event."""
    async with (
        emulated(voice="code", first_audio=0.03, pace=0.1, frame=0.1) as emulator,
        live(emulator) as socket,
    ):
        await socket.start(sample_rate=8000)
        await socket.text("x" * 20)  # 0.3 s of audio: three events
        await socket.flush()
        await socket.text("y")
        await socket.flush()
        times = [(await socket.receive())["time"] for _ in range(4)]
        assert times[0] >= 30
        assert times[1] >= 39
        assert times[2] >= 49
        assert times[3] >= 79


async def test_settings_may_change_meanwhile() -> None:
    """Each session goes by the settings of its start."""
    async with emulated() as emulator, live(emulator) as socket:
        assert not (await socket.say("Hello.")).startswith(b"RIFF")
        emulator.settings.riff = True
        assert (await socket.say("Hello.")).startswith(b"RIFF")
        emulator.settings = EmulatorSettings(voice="tone")
        assert len(await socket.say("Hello.")) == 2 * (5 * 2646 + 2646)


async def test_opus_is_one_stream() -> None:
    """A session in Opus is one Ogg stream that is as long and as loud as the speech."""
    text = "Several words of some length. "
    async with emulated(voice="tone") as emulator, live(emulator) as socket:
        wanted = array("h", await socket.say(text, text, format="pcm", sample_rate=32000))
        await socket.start(format="opus")
        for _ in range(2):
            await socket.text(text)
            await socket.flush()
        await socket.stop()
        heard, finish = await socket.rest()
    assert finish["reason"] == "stop"
    samples, rate = soundfile.read(io.BytesIO(b"".join(heard)), dtype="int16")
    assert rate == 48000
    assert len(samples) / rate == pytest.approx(len(wanted) / 32000, abs=0.001)
    loudness = sum(map(abs, wanted)) / len(wanted)
    assert sum(map(abs, samples.tolist())) / len(samples) == pytest.approx(loudness, rel=0.1)


async def test_nothing_said_is_nothing_encoded() -> None:
    """An empty session in Opus has no audio, not even a header."""
    async with emulated() as emulator, live(emulator) as socket:
        assert await socket.say(format="opus") == b""
