"""`wyoming-fish-check --probe`: each question tells the readings of the documentation apart."""

import contextlib
import json
import re
import ssl
import sys
from decimal import Decimal
from typing import Any

import pytest

from tests.support.processes import ROOT, run_to_end
from wyoming_fish.cli.check.probe import Probe, run_probe
from wyoming_fish.cli.check.probe_wire import Answer, ProbeWaits
from wyoming_fish.emulator import VOICES, Emulator, EmulatorSettings, Fault
from wyoming_fish.fish.errors import FishConnectionError, VoiceNotFoundError
from wyoming_fish.fish.settings import Backend, Endpoint, Latency, SpeechSettings

KEY = "secret-key"
WAITS = ProbeWaits(idle_s=0.2, quiet_s=0.1, answer_s=5.0, close_s=0.05)

# What Fish Audio may be like, and its opposite.
USUAL: dict[str, Any] = {"pace": 0.002}
OPPOSITE: dict[str, Any] = {
    "pace": 2.0,
    "code_samples": 20,
    "frame": 0.02,
    "after_finish": "close",
    "idle_timeout": 0.1,
    "idle_sockets_count": True,
    "limit_headers": False,
    "split": "sentence",
    "riff": True,
    "odd_frames": True,
    "hold_back": 0.01,
    "late_labels": True,
    "early_words": True,
    "sentence_silence": 0.01,
    "free_model": "ended",
    "unknown_backend": "refused",
    "unknown_voice": "silent",
    "no_credit_at": "start",
}

# A question, two or more readings, and what it says of each.
READINGS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("upgrade", {}, "limit-reported"),
    ("upgrade", {"limit_headers": False}, "no-limit-reported"),
    ("reuse", {}, "stays-open"),
    ("reuse", {"after_finish": "close"}, "closes"),
    ("reuse", {"after_finish": "drop"}, "dropped"),
    ("idle", {}, "stays-open"),
    ("idle", {"after_finish": "close"}, "stays-open"),
    ("idle", {"idle_timeout": 0.1}, "closes"),
    ("idle-sockets", {}, "free"),
    ("idle-sockets", {"limit_at": "upgrade"}, "free"),
    ("idle-sockets", {"idle_sockets_count": True}, "counts"),
    ("idle-sockets", {"limit_headers": False}, "not-measured"),
    ("idle-sockets", {"concurrency": 50}, "not-asked"),
    ("limit", {}, "refused-at-start"),
    ("limit", {"limit_at": "upgrade"}, "refused-at-upgrade"),
    ("limit", {"concurrency": 15, "limit_headers": False}, "not-refused"),
    ("unknown-voice", {}, "error-event"),
    ("unknown-voice", {"unknown_voice": "finish-error"}, "finish-error"),
    ("unknown-voice", {"unknown_voice": "silent"}, "silent"),
    ("unknown-voice", {"unknown_voice": "default"}, "default-voice"),
    ("unknown-backend", {}, "accepted"),
    ("unknown-backend", {"unknown_backend": "refused"}, "refused"),
    ("no-credit", {}, "has-credit"),
    ("no-credit", {"credit": Decimal(0)}, "refused-at-upgrade"),
    ("no-credit", {"credit": Decimal(0), "no_credit_at": "start"}, "refused-at-start"),
    ("free-model", {}, "speaks"),
    ("free-model", {"credit": Decimal(0)}, "speaks"),
    ("free-model", {"free_model": "ended"}, "refused"),
    ("free-model", {"free_model": "billed", "credit": Decimal(0)}, "refused"),
    ("first-audio", {}, "normal"),
    ("first-audio", {"first_audio_by_latency": {"normal": 0.3}}, "balanced"),
    ("first-audio", {"first_audio_by_latency": {"normal": 0.3, "balanced": 0.2}}, "low"),
    ("rate", {"pace": 0.002}, "fast"),
    ("rate", {"pace": 4.0, "code_samples": 20, "frame": 0.02}, "slow"),
    ("frames", {}, "even"),
    ("frames", {"odd_frames": True}, "odd"),
    ("first-frame", {}, "samples"),
    ("first-frame", {"riff": True}, "riff"),
    ("first-frame", {"riff": True, "odd_frames": True}, "riff"),
    ("silence", {"voice": "tone"}, "short"),
    ("silence", {"voice": "tone", "sentence_silence": 1.5}, "long-pauses"),
    ("drama-silence", {"voice": "tone"}, "short"),
    ("drama-silence", {"voice": "tone", "drama_silence": 2.0}, "long-before"),
    ("drama-silence", {"voice": "tone", "drama_pause": 3.0}, "long-pauses"),
    ("cut", {}, "length"),
    ("cut", {"split": "sentence"}, "sentence"),
    ("cut", {"split": "never"}, "never"),
    ("held-back", {}, "given"),
    ("held-back", {"hold_back": 0.02}, "held-back"),
    ("held-back", {"hold_back": 9.0}, "nothing-given"),
    ("timing", {"frame": 0.1}, "exact"),
    ("timing", {"frame": 0.1, "late_labels": True}, "late-labels"),
    ("timing", {"frame": 0.1, "early_words": True}, "early-words"),
    ("timing", {"frame": 0.1, "early_words": True, "late_labels": True}, "early-and-late"),
    ("timing", {"frame": 0.1, "reading": "normalised"}, "exact"),
)


def probe_of(emulator: Emulator, backend: Backend = Backend.S2_1_PRO) -> Probe:
    """A probe of it, with a voice that it has."""
    endpoint = Endpoint(KEY, emulator.url)
    context = ssl.create_default_context()
    return Probe(endpoint, SpeechSettings(backend=backend, voice=VOICES[0].id), context, WAITS)


def emulated(**settings: Any) -> Emulator:
    """An emulator with the voice that encodes its text, unless told otherwise."""
    return Emulator(EmulatorSettings(**{"voice": "code", "key": KEY} | settings))


async def answer_of(emulator: Emulator, name: str) -> Answer:
    """The answer to one question."""
    probe = probe_of(emulator)
    (question,) = (each for each in probe.questions if each.name == name)
    return (await probe.ask(question)).answer


@pytest.mark.parametrize(("question", "settings", "reading"), READINGS)
async def test_each_reading_has_its_own_answer(
    question: str, settings: dict[str, Any], reading: str
) -> None:
    """The probe tells what the server is like, and leaves no socket or session behind."""
    async with emulated(**settings) as emulator:
        answer = await answer_of(emulator, question)
        assert (answer.reading, answer.facts) == (reading, answer.facts)
        assert answer.means.endswith(".")
        assert answer.advice.endswith(".")
        await emulator.wait_for(lambda e: (e.sockets_open, e.sessions_open) == (0, 0))


@pytest.mark.parametrize(
    ("question", "held", "settings", "reading"),
    [
        ("idle-sockets", 5, {}, "not-measured"),
        ("idle-sockets", 5, {"limit_at": "upgrade"}, "not-measured"),
        ("idle-sockets", 5, {"limit_headers": False}, "not-measured"),
        ("idle-sockets", 5, {"idle_sockets_count": True}, "not-measured"),
        ("idle-sockets", 4, {}, "free"),
        ("idle-sockets", 4, {"idle_sockets_count": True}, "counts"),
        ("limit", 5, {}, "refused-at-start"),
        ("limit", 5, {"limit_at": "upgrade"}, "refused-at-upgrade"),
        ("limit", 4, {}, "refused-at-start"),
    ],
)
async def test_other_programs_use_the_account(
    question: str, held: int, settings: dict[str, Any], reading: str
) -> None:
    """A refusal because of other programs' sessions is not taken for one of idle sockets."""
    async with emulated(**settings) as emulator, contextlib.AsyncExitStack() as stack:
        other = probe_of(emulator).client
        for _ in range(held):
            connection = await stack.enter_async_context(other.socket())
            await other.session(connection)
        await emulator.wait_for(lambda e: e.sessions_open == held)
        answer = await answer_of(emulator, question)
        assert answer.reading == reading, answer.facts


def test_every_question_has_two_readings() -> None:
    """None of the questions is asked in vain."""
    for question in probe_of(Emulator(port=1)).questions:
        if question.name != "first-audio-timestamps":
            assert len({reading for name, _, reading in READINGS if name == question.name}) > 1


def test_the_page_lists_every_question_and_answer() -> None:
    """docs/probe.md has a row for each question, with each answer that is known here."""
    page = (ROOT / "docs" / "probe.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z-]+)` \|.*\| (`.+`) \|$", page, re.MULTILINE))
    probe = probe_of(Emulator(port=1))
    assert list(rows) == [question.name for question in probe.questions]
    for name, _, reading in READINGS:
        assert f"`{reading}`" in rows[name]
    assert f"at most {probe.text_bytes} bytes" in page


async def test_a_refusal_is_read_although_the_socket_has_closed() -> None:
    """A server may close the socket before all text is sent: its reason is still told."""
    async with emulated() as emulator:
        client = probe_of(emulator).client
        async with client.socket() as connection:
            session = await client.session(connection, reference_id="0" * 32)
            await emulator.wait_for(lambda e: bool(e.errors) and not e.sessions_open)
            with pytest.raises(FishConnectionError):
                await connection.ping()
            with pytest.raises(VoiceNotFoundError):
                await session.finish(["Hi."] * 100)


async def test_the_first_audio_of_a_socket_that_waited() -> None:
    """For each latency, one socket is open and idle while another is opened and used."""
    async with emulated() as emulator:
        answer = await answer_of(emulator, "first-audio")
        assert [session.socket for session in emulator.sessions] == [1, 0, 3, 2, 5, 4]
    assert {f"{latency}_{kind}_ms" for latency in Latency for kind in ("fresh", "waiting")} == set(
        answer.facts
    )


async def test_timestamps_are_compared_with_the_plain_socket() -> None:
    """Whether the socket with timestamps speaks later is told by how much."""
    for later, reading in ((0.0, "same"), (0.2, "later")):
        async with emulated(first_audio_with_timestamps=later) as emulator:
            probe = probe_of(emulator)
            asked = {question.name: question for question in probe.questions}
            await probe.ask(asked["first-audio"])
            answer = (await probe.ask(asked["first-audio-timestamps"])).answer
        assert answer.reading == reading
        difference = answer.facts["later_than_plain_ms"]
        assert isinstance(difference, int)
        assert later * 1000 - 50 < difference < later * 1000 + 50


async def report_of(emulator: Emulator, backend: Backend = Backend.S2_1_PRO) -> dict[str, Any]:
    """The report as JSON, which has nothing in it that is somebody's."""
    shown: list[str] = []
    told: list[str] = []
    endpoint = Endpoint(KEY, emulator.url)
    speech = SpeechSettings(backend=backend, voice=VOICES[0].id)
    await run_probe(endpoint, speech, shown.append, told.append, WAITS, json_wanted=True)
    (printed,) = shown
    spoken = {text for session in emulator.sessions for text in session.texts}
    private = (KEY, VOICES[0].id, endpoint.host, emulator.settings.user_id, *spoken)
    assert not [text for text in private if text.strip() in printed]
    report: dict[str, Any] = json.loads(printed)
    return report


async def test_opposite_services_have_opposite_reports() -> None:
    """All answers differ between two services that differ in everything."""
    reports = []
    for settings in (USUAL, OPPOSITE):
        async with emulated(**settings) as emulator:
            reports.append(await report_of(emulator))
    usual, opposite = (
        {each["question"]: each["reading"] for each in report["answers"]} for report in reports
    )
    same = {name for name, reading in usual.items() if opposite[name] == reading}
    # The probe's texts are too short, as coded here, for silence that is heard.
    assert same <= {
        "no-credit",
        "first-audio",
        "first-audio-timestamps",
        "silence",
        "drama-silence",
    }


@pytest.mark.parametrize("backend", [Backend.S2_1_PRO, Backend.S2_1_PRO_FREE])
async def test_it_costs_no_more_than_it_says(backend: Backend) -> None:
    """The text that is sent is what was announced, and costs at most a few cents."""
    async with emulated(split="never") as emulator:
        report = await report_of(emulator, backend)
        probe = probe_of(emulator, backend)
        sent = sum(len(text.encode()) for each in emulator.sessions for text in each.texts)
        paid = {each.backend for each in emulator.sessions if "".join(each.texts)}
    assert sent <= report["text_bytes"] <= probe.text_bytes < sent * 1.1
    if backend is Backend.S2_1_PRO_FREE:
        assert paid == {"s2.1-pro-free"}
        assert "no money" in probe.estimate
    else:
        assert float(probe.estimate.partition(" US dollars")[0].rpartition(" ")[2]) < 0.03
        assert "The price of drama-3 is not published: the probe assumes" in probe.estimate


async def test_one_failure_does_not_end_the_others() -> None:
    """A question that fails says why; the next one is asked."""
    async with emulated(faults=[Fault("audio", "drop")]) as emulator:
        report = await report_of(emulator)
    failed = [each["question"] for each in report["answers"] if each["reading"] == "error"]
    assert failed == ["reuse"]
    assert report["answers"][-1]["question"] == "drama-silence"


async def test_a_question_is_bounded() -> None:
    """A server that never finishes is given up after a time."""
    faults = [Fault("finish", "stall", times=None)]
    async with emulated(faults=faults) as emulator:
        probe = Probe(
            Endpoint(KEY, emulator.url),
            SpeechSettings(),
            ssl.create_default_context(),
            ProbeWaits(0.05, 0.05, 0.2, 0.05),
        )
        answers = [result.answer.reading async for result in probe.run()]
    assert len(answers) == len(probe.questions)
    assert answers.count("no-answer") > 10


async def test_nothing_is_asked_with_a_key_that_is_refused() -> None:
    """The first refusal of the key, or no server at all, ends it."""
    for settings in ({"key": "another"}, {"faults": [Fault("upgrade", "drop", times=None)]}):
        async with emulated(**settings) as emulator:
            report = await report_of(emulator)
        assert [each["reading"] for each in report["answers"]] == ["error"]


@pytest.mark.parametrize("flags", [("--json",), ()])
def test_the_command(flags: tuple[str, ...]) -> None:
    """The report is on standard output, and the estimate comes first, on standard error."""
    command = (sys.executable, "-m", "wyoming_fish.cli.check", "--probe", *flags)
    done = run_to_end(*command, "--base-url=http://127.0.0.1:9", "--api-key", KEY)
    assert done.returncode == 1
    assert done.stderr.startswith("The probe sends at most ")
    if flags:
        (answer,) = json.loads(done.stdout)["answers"]
        assert answer["facts"]["error"] == "connection"
        # As the check without --probe.
        assert answer["advice"].startswith("Check ")
    else:
        assert done.stdout.splitlines()[1].startswith("upgrade ")


@pytest.mark.parametrize(
    ("flags", "said"),
    [((), "API key"), (("--api-key", KEY, "--backend", "drama-3"), "Use another backend")],
)
def test_nothing_is_asked_in_vain(flags: tuple[str, ...], said: str) -> None:
    """Without a key, or with a backend that most questions cannot use, nothing is asked."""
    result = run_to_end(sys.executable, "-m", "wyoming_fish.cli.check", "--probe", *flags)
    assert (result.returncode, result.stdout) == (2, "")
    assert said in result.stderr
