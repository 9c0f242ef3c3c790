"""One client and its speech, over real sockets on both sides."""

import asyncio
import json
import logging

import pytest
from wyoming.event import Event
from wyoming.info import Describe, Info, SelectProgram
from wyoming.ping import Ping, Pong
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeVoice,
)

from wyoming_fish.emulator import Emulator, EmulatorSettings, Fault, decode_code_voice

from ...support.server import Serving, check_envelope, receive, stream

TEXT = "Good night. The doors are locked, and it is 19.5 °C in the «Küche» 🌙."
CLEAN = TEXT.replace(" 🌙", "")


@pytest.mark.parametrize(("text", "heard"), [("raw", TEXT), ("clean", CLEAN)])
async def test_streamed_and_plain_in_any_order(serving: Serving, text: str, heard: str) -> None:
    """One connection carries replies of both kinds, each whole and in one envelope."""
    settings = EmulatorSettings(voice="code", frame=0.05, odd_frames=True)
    async with serving(settings, f"--text-mode={text}") as served, served.client() as client:
        for number in range(3):
            await stream(client, [f"{number}. ", *TEXT])
            reply = await receive(client, "synthesize-stopped")
            check_envelope(reply, 44100, streamed=True)
            assert decode_code_voice(reply.pcm) == f"{number}. {heard}"
            await client.write_event(Synthesize(TEXT).event())
            reply = await receive(client, "audio-stop")
            check_envelope(reply, 44100, streamed=False)
            assert decode_code_voice(reply.pcm) == heard


async def test_replies_in_the_order_of_asking(serving: Serving) -> None:
    """What is asked for before the last reply is done waits its turn."""
    async with serving(EmulatorSettings(voice="code")) as served, served.client() as client:
        await client.write_event(Synthesize("one").event())
        await stream(client, ["tw", "o"])
        await client.write_event(Synthesize("three").event())
        replies = [
            await receive(client, "audio-stop"),
            await receive(client, "synthesize-stopped"),
            await receive(client, "audio-stop"),
        ]
    assert [decode_code_voice(reply.pcm) for reply in replies] == ["one", "two", "three"]


async def test_twelve_clients_at_once(serving: Serving) -> None:
    """Twelve at once under a limit of five: every one hears its own text, whole."""
    settings = EmulatorSettings(voice="code", frame=0.05, odd_frames=True, concurrency=5)
    async with serving(settings) as served:

        async def one(number: int) -> str:
            text = f"{number}: {TEXT}"
            async with served.client() as client:
                if number % 2:
                    await stream(client, list(text))
                    reply = await receive(client, "synthesize-stopped")
                else:
                    await client.write_event(Synthesize(text).event())
                    reply = await receive(client, "audio-stop")
                check_envelope(reply, 44100, streamed=bool(number % 2))
                return decode_code_voice(reply.pcm)

        heard = await asyncio.gather(*(one(number) for number in range(12)))
        assert heard == [f"{number}: {CLEAN}" for number in range(12)]
        assert served.emulator.errors == []


@pytest.mark.parametrize("pieces", [[], [""], [" ", "\n"]])
async def test_nothing_to_say(serving: Serving, pieces: list[str]) -> None:
    """Blank text ends properly, without audio and without Fish."""
    async with serving(EmulatorSettings(voice="code")) as served, served.client() as client:
        await stream(client, pieces)
        reply = await receive(client, "synthesize-stopped")
        check_envelope(reply, 44100, streamed=True)
        await client.write_event(Synthesize("".join(pieces)).event())
        reply = await receive(client, "audio-stop")
        check_envelope(reply, 44100, streamed=False)
        assert served.emulator.sessions == []


async def test_audio_comes_while_text_is_written(serving: Serving) -> None:
    """The first audio is there before the text has ended."""
    settings = EmulatorSettings(voice="code", code_samples=4)
    async with serving(settings) as served, served.client() as client:
        await client.write_event(SynthesizeStart().event())
        await client.write_event(SynthesizeChunk("Once upon a time. And").event())
        first = await receive(client, "audio-chunk")
        await client.write_event(SynthesizeChunk(" then.").event())
        await client.write_event(SynthesizeStop().event())
        rest = await receive(client, "synthesize-stopped")
    assert decode_code_voice(first.pcm + rest.pcm, 4) == "Once upon a time. And then."


async def test_leaving_frees_the_session(serving: Serving) -> None:
    """The session of a client that leaves ends, during text and during audio."""
    settings = EmulatorSettings(voice="code", frame=0.02, pace=0.05)
    async with serving(settings) as served:
        async with served.client() as client:
            await client.write_event(SynthesizeStart().event())
            await client.write_event(SynthesizeChunk("Once upon a time. Then").event())
            await served.emulator.wait_for(lambda e: e.sessions_open == 1)
        await served.emulator.wait_for(lambda e: e.sockets_open == 0)
        async with served.client() as client:
            await client.write_event(Synthesize(TEXT * 20).event())
            await receive(client, "audio-chunk")
        await served.emulator.wait_for(lambda e: e.sockets_open == 0)
    assert [session.outcome for session in served.emulator.sessions] == ["left", "left"]


async def test_a_client_that_waits_has_a_socket_warmed(serving: Serving) -> None:
    """Who connects and waits will speak; who only looks in, as Home Assistant does, will not."""
    flags = ("--ready-connections=1", "--pool-idle-timeout=0.05")
    async with serving(EmulatorSettings(voice="tone"), *flags) as served:
        await served.emulator.wait_for(lambda e: e.sockets_opened == 1 and e.sockets_open == 0)
        async with served.client() as client:
            await client.write_event(Describe().event())
            assert await client.read_event()
            async with served.client():
                await served.emulator.wait_for(lambda e: e.sockets_open == 1)
        assert served.emulator.sockets_opened == 2


async def test_describe_ping_and_the_unknown(serving: Serving) -> None:
    """Questions are answered while a reply is spoken; what is unknown is passed over."""
    settings = EmulatorSettings(voice="code")
    async with serving(settings) as served, served.client() as client:
        await client.write_event(SynthesizeStart().event())
        await client.write_event(SelectProgram("wyoming-fish").event())
        await client.write_event(Event("something-new", {"a": 1}, b"payload"))
        await client.write_event(Ping("there?").event())
        assert await client.read_event() == Pong("there?").event()
        await client.write_event(Ping().event())
        assert await client.read_event() == Pong().event()
        await client.write_event(Describe().event())
        event = await client.read_event()
        assert event is not None
        assert Info.is_type(event.type)
        await client.write_event(SynthesizeStop().event())
        check_envelope(await receive(client, "synthesize-stopped"), 44100, streamed=True)


async def test_a_reply_that_breaks_off_before_its_text_ends(serving: Serving) -> None:
    """A first piece can be a whole sentence: a text that goes on is none that is kept."""
    settings = EmulatorSettings(voice="code", frame=0.05, faults=[Fault("audio", "close", at=1)])
    async with serving(settings) as served, served.client() as client:
        await client.write_event(SynthesizeStart().event())
        await client.write_event(SynthesizeChunk("Good night. The door is open. And").event())
        reply = await receive(client, "no such event")
        assert reply.types[-3:] == ["audio-stop", "synthesize-stopped", "error"]


@pytest.mark.parametrize("pieces", [1, 2])
async def test_a_reply_that_breaks_off(serving: Serving, pieces: int) -> None:
    """Audio that has begun is ended before the error, so that satellites end it too.

    A text in one piece is a message, whose audio Home Assistant would keep: its error comes first.
    """
    fault = Fault("audio", "close", at=2)
    settings = EmulatorSettings(voice="code", frame=0.05, faults=[fault])
    async with serving(settings) as served, served.client() as client:
        await stream(client, [TEXT[:20], TEXT[20:]] if pieces == 2 else [TEXT])
        reply = await receive(client, "no such event")
        ending = [kind for kind in reply.types if kind not in ("audio-start", "audio-chunk")]
        if pieces == 2:
            assert ending == ["audio-stop", "synthesize-stopped", "error"]
        else:
            assert ending == ["error", "synthesize-stopped"]
        assert reply.error.code == "broken-stream"


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault("upgrade", 401), "key-refused"),
        (Fault("upgrade", 402), "no-credit"),
        (Fault("audio", "drop", at=2), "broken-stream"),
    ],
)
async def test_an_error_ends_the_connection(
    serving: Serving, fault: Fault, code: str, streamed: bool
) -> None:
    """An error comes with text and code; then synthesize-stopped if streamed; then the end."""
    settings = EmulatorSettings(voice="code", frame=0.05, faults=[fault])
    async with serving(settings) as served, served.client() as client:
        if streamed:
            await stream(client, [TEXT])
        else:
            await client.write_event(Synthesize(TEXT).event())
        reply = await receive(client, "no such event")
        assert reply.types[-2 if streamed else -1 :] == [
            "error",
            *(["synthesize-stopped"] if streamed else []),
        ]
        assert "audio-stop" not in reply.types
        assert reply.error.code == code
        assert reply.error.text.endswith(".")


async def test_voices(serving: Serving) -> None:
    """A voice is chosen by id, listed or not, or by title; an unknown one is an error."""
    settings = EmulatorSettings(voice="tone")
    own = next(v for v in settings.voices if v.mine)
    public = next(v for v in settings.voices if not v.mine)
    async with serving(settings, f"--voice={own.id}") as served:
        await served.emulator.wait_for(lambda e: len(e.requests) > 0)
        for name in (None, own.id, public.id):
            async with served.client() as client:
                await stream(client, ["Hi."], SynthesizeVoice(name=name))
                check_envelope(await receive(client, "synthesize-stopped"), 44100, streamed=True)
        async with served.client() as client:
            await client.write_event(Synthesize("Hi", voice=SynthesizeVoice("nobody")).event())
            assert (await receive(client, "error")).error.code == "voice-not-found"
        used = [session.request.get("reference_id") for session in served.emulator.sessions]
        assert used == [own.id, own.id, public.id]


async def test_unknown_voices(serving: Serving, caplog: pytest.LogCaptureFixture) -> None:
    """By request a client that names another service's voice hears the configured one."""
    flag = "--ignore-unknown-voices"
    async with serving(EmulatorSettings(voice="code"), flag) as served, served.client() as client:
        for name in ("en_US-amy-medium", "de_DE-thorsten-high"):
            await stream(client, [TEXT], SynthesizeVoice(name=name))
            reply = await receive(client, "synthesize-stopped")
            check_envelope(reply, 44100, streamed=True)
            assert decode_code_voice(reply.pcm) == CLEAN
        used = [session.request.get("reference_id") for session in served.emulator.sessions]
        assert used == [None, None]
    assert "en_US-amy-medium" in caplog.text


@pytest.mark.parametrize("language", ["en", "en-US", "de-DE", "xx"])
async def test_a_language_alone(serving: Serving, language: str) -> None:
    """Any voice speaks any language: a client that names only one hears the configured voice."""
    async with serving(EmulatorSettings(voice="code")) as served, served.client() as client:
        await stream(client, [TEXT], SynthesizeVoice(language=language))
        assert decode_code_voice((await receive(client, "synthesize-stopped")).pcm) == CLEAN


async def test_each_piece_goes_on_immediately(serving: Serving) -> None:
    """No piece of a text waits for the next one, nor for the text's end."""
    async with serving(EmulatorSettings(voice="code")) as served, served.client() as client:
        await client.write_event(SynthesizeStart().event())
        # What follows begins the next sentence, so that this one has certainly ended.
        for piece, sentences in (("It is late. A", 1), ("ll is well. S", 2)):
            await client.write_event(SynthesizeChunk(piece).event())

            def is_sent(emulator: Emulator, sentences: int = sentences) -> bool:
                return any("".join(s.texts).count(".") == sentences for s in emulator.sessions)

            await served.emulator.wait_for(is_sent)


@pytest.mark.parametrize(
    "events",
    [
        [SynthesizeChunk("text").event()],
        [SynthesizeStop().event()],
        [SynthesizeStart().event(), SynthesizeStart().event()],
        [SynthesizeStart().event(), Event("synthesize-chunk", {"text": 5})],
        [Event("synthesize", {"text": None})],
        [Event("synthesize", {})],
        [Event("synthesize", {"text": "x", "voice": 7})],
        [Event("synthesize-start", {"voice": {"name": []}})],
        [Event("ping", {"text": {}})],
    ],
)
async def test_events_that_make_no_sense(
    serving: Serving, events: list[Event], caplog: pytest.LogCaptureFixture
) -> None:
    """They get an error and the end, and one line in the log; the server goes on."""
    caplog.set_level(logging.INFO)
    async with serving(EmulatorSettings(voice="code")) as served:
        async with served.client() as client:
            for event in events:
                await client.write_event(event)
            reply = await receive(client, "no such event")
            assert reply.error.code == "invalid-event"
            # A client that has begun to stream waits for it.
            streaming = events[0].type == "synthesize-start"
            assert reply.types == ["error", *(["synthesize-stopped"] if streaming else [])]
        async with served.client() as client:
            await client.write_event(Synthesize(TEXT).event())
            assert decode_code_voice((await receive(client, "audio-stop")).pcm) == CLEAN
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [record.exc_info for record in warnings] == [None]


async def test_bytes_that_are_no_event(serving: Serving) -> None:
    """Garbage gets an error event and the end, whatever it promises to send."""
    async with serving(EmulatorSettings(voice="code")) as served:
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", b'{"type":"x","payload_length":10e11}\n'):
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
            writer.write(garbage)
            answer = await reader.read()
            assert json.loads(answer.splitlines()[0])["type"] == "error"
            writer.close()
            await writer.wait_closed()


async def test_one_line_in_the_log(serving: Serving, caplog: pytest.LogCaptureFixture) -> None:
    """Each reply logs its voice, backend, length and times, and never its text."""
    caplog.set_level(logging.INFO)
    async with serving(EmulatorSettings(voice="code")) as served, served.client() as client:
        await client.write_event(Synthesize(TEXT).event())
        await receive(client, "audio-stop")
    (line,) = [m for m in caplog.messages if m.startswith("Spoke")]
    assert "voice default, backend s2.1-pro" in line
    assert f"{len(TEXT)} characters" in line
    assert "first audio" in line
    assert "Küche" not in caplog.text
