"""How many characters clients may have sent to Fish Audio in an hour."""

import asyncio
import logging
import re
from pathlib import Path

import pytest
from wyoming.event import async_read_event, async_write_event
from wyoming.tts import Synthesize, SynthesizeVoice

from tests.support.idle_clock import pass_time, run
from wyoming_fish.emulator import EmulatorSettings, decode_code_voice
from wyoming_fish.fish.owner import owner_at
from wyoming_fish.server.requests.quota import MAX_COUNTED, STEP_S, Quota, QuotaError

from ...support.server import Reply, Served, Serving
from ...support.visiting import HTTP, visitor

TEXT = "Good night to you all. "
CODE = EmulatorSettings(voice="code")


async def _say(
    served: Served,
    text: str = TEXT,
    *,
    address: str = "127.0.0.1",
    voice: SynthesizeVoice | None = None,
) -> Reply:
    """What a client at that address of this machine hears."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", served.port, local_addr=(address, 0)
    )
    await async_write_event(Synthesize(text, voice).event(), writer)
    events = []
    while (event := await async_read_event(reader)) is not None:
        events.append(event)
        if event.type in ("audio-stop", "error"):
            break
    writer.close()
    return Reply(events)


async def test_each_address_has_its_own(serving: Serving) -> None:
    """An address that has had its characters is told so; another one is still spoken to."""
    flags = ("--max-characters-per-hour-per-address=40", "--text-mode=raw")
    async with serving(CODE, *flags) as served:
        for _ in range(2):
            assert decode_code_voice((await _say(served)).pcm) == TEXT
        sessions = len(served.emulator.sessions)
        error = (await _say(served)).error
        assert error.code == "quota-exceeded"
        assert re.fullmatch(
            r"The limit of 40 characters an hour for your address is reached\. "
            r"Try again in 6\d min, or raise --max-characters-per-hour-per-address\.",
            error.text,
        )
        assert len(served.emulator.sessions) == sessions
        assert decode_code_voice((await _say(served, address="127.0.0.2")).pcm) == TEXT


async def test_all_have_one_together(serving: Serving) -> None:
    """What addresses have had together counts too."""
    async with serving(CODE, "--max-characters-per-hour=40") as served:
        assert (await _say(served)).pcm
        assert (await _say(served, address="127.0.0.2")).pcm
        error = (await _say(served, address="127.0.0.3")).error
        assert error.code == "quota-exceeded"
        assert "40 characters an hour for this server" in error.text
        assert error.text.endswith("or raise --max-characters-per-hour.")


async def test_a_reply_that_reaches_the_limit(serving: Serving) -> None:
    """What was sent is heard, and the error says why there is no more."""
    async with serving(CODE, "--max-characters-per-hour=600", "--text-mode=raw") as served:
        reply = await _say(served, TEXT * 100)
        assert reply.error.code == "quota-exceeded"
        spoken = decode_code_voice(reply.pcm)
        assert 600 <= len(spoken) <= 900
        assert (TEXT * 100).startswith(spoken)
        assert served.emulator.sessions[0].outcome == "finish"


async def test_what_fish_refuses_is_not_counted(serving: Serving) -> None:
    """Texts for a voice that does not exist cost nothing, so they use nothing up."""
    async with serving(CODE, "--max-characters-per-hour=40", "--text-mode=raw") as served:
        nobody = SynthesizeVoice("0" * 32)
        for _ in range(5):
            assert (await _say(served, voice=nobody)).error.code == "voice-not-found"
        assert decode_code_voice((await _say(served)).pcm) == TEXT


async def test_without_a_limit() -> None:
    """Neither limit has to be."""
    quota = Quota(0, 0)
    for _ in range(3):
        quota.spend(owner_at("a"), 10**9)
    assert quota.sent == 3 * 10**9


async def test_the_fallback_voice_goes_on(serving: Serving) -> None:
    """What another voice says is not counted, and it speaks when none are left."""
    async with serving(CODE) as other:
        flags = ("--max-characters-per-hour=20", f"--fallback-uri=tcp://127.0.0.1:{other.port}")
        async with serving(CODE, *flags) as served:
            for _ in range(4):
                assert (await _say(served)).pcm
            assert len(served.emulator.sessions) == 1
            assert len(other.emulator.sessions) == 3


async def test_what_is_kept_is_not_counted(serving: Serving, tmp_path: Path) -> None:
    """An announcement from the cache is heard when none are left."""
    async with serving(CODE) as other:
        base_url = f"--base-url={other.emulator.url}"
        flags = (base_url, "--max-characters-per-hour=20", f"--cache-dir={tmp_path}")
        # A server stores replies after they have been heard, and has stored them when it has ended.
        async with serving(CODE, *flags) as served:
            first = await _say(served)
        async with serving(CODE, *flags) as served:
            assert (await _say(served, TEXT.lower())).pcm
            assert (await _say(served, "Another text.")).error.code == "quota-exceeded"
            assert (await _say(served)).pcm == first.pcm


async def test_the_log_and_the_metrics(serving: Serving, caplog: pytest.LogCaptureFixture) -> None:
    """Refused replies are one line a minute in the log, and counted."""
    caplog.set_level(logging.WARNING)
    async with serving(CODE, HTTP, "--max-characters-per-hour=20", "--text-mode=raw") as served:
        await _say(served)
        for _ in range(5):
            await _say(served)
        async with visitor(served) as session, session.get("/metrics") as response:
            numbers = await response.text()
    assert 'wyoming_fish_replies_total{outcome="quota-exceeded"} 5.0' in numbers
    assert f"wyoming_fish_quota_used_characters {len(TEXT)}.0" in numbers
    assert "wyoming_fish_quota_limit_characters 20.0" in numbers
    assert {m.split(":")[0] for m in caplog.messages} == {"Refusing a reply"}


def test_an_hour_goes_by() -> None:
    """What was sent counts for an hour; the error says when enough of it is forgotten."""

    async def go() -> None:
        quota = Quota(100, 0)
        await pass_time(STEP_S - asyncio.get_running_loop().time() % STEP_S)
        quota.spend(owner_at("a"), 60)
        await pass_time(1200)
        quota.spend(owner_at("b"), 60)
        with pytest.raises(QuotaError, match="Try again in 45 min, or raise"):
            quota.spend(owner_at("c"), 1)
        await pass_time(3600 - 1200)
        with pytest.raises(QuotaError, match="Try again in 5 min, or raise"):
            quota.spend(owner_at("c"), 1)
        await pass_time(300)
        assert quota.sent == 60
        quota.spend(owner_at("c"), 40)
        with pytest.raises(QuotaError):
            quota.spend(owner_at("a"), 0)

    run(go())


def test_what_is_given_back_later_is_not_counted_for_ever() -> None:
    """Characters that are given back in a later step than they were sent in count no more."""

    async def go() -> None:
        quota = Quota(100, 0)
        await pass_time(STEP_S - asyncio.get_running_loop().time() % STEP_S + STEP_S - 1)
        quota.spend(owner_at("a"), 60)
        await pass_time(2)
        quota.spend(owner_at("a"), -60)
        assert quota.sent == 0
        quota.spend(owner_at("a"), 30)
        await pass_time(3900)
        assert quota.sent == 0

    run(go())


async def test_addresses_without_end() -> None:
    """However many there are, so many are counted by themselves, and all others as one."""
    quota = Quota(0, 100)
    for number in range(10 * MAX_COUNTED):
        if number <= MAX_COUNTED:
            quota.spend(owner_at(str(number)), 100)
        else:
            with pytest.raises(QuotaError):
                quota.spend(owner_at(str(number)), 1)
    assert quota.sent == 100 * (MAX_COUNTED + 1)


async def test_a_network_has_half_as_much_again_as_an_address() -> None:
    """An address leaves a third of it to the others; all of them leave the rest to others."""
    quota = Quota(200, 100)
    quota.spend(owner_at("fd00:1::1"), 100)
    with pytest.raises(QuotaError, match="of 100 characters an hour for your address is reached"):
        quota.spend(owner_at("fd00:1::1"), 1)
    for number in range(2, 52):
        quota.spend(owner_at(f"fd00:1::{number:x}"), 1)
    with pytest.raises(QuotaError) as raised:
        quota.spend(owner_at("fd00:1::ffff"), 1)
    assert re.fullmatch(
        r"The limit of 150 characters an hour for the /64 network of your address is reached\. "
        r"Try again in 6\d min, or raise --max-characters-per-hour-per-address\.",
        str(raised.value),
    )
    for house in ("fd00:2::1", "192.168.1.2"):
        quota.spend(owner_at(house), 25)
    with pytest.raises(QuotaError, match="of 200 characters an hour for this server"):
        quota.spend(owner_at("fd00:2::1"), 1)


async def test_addresses_without_end_of_one_network() -> None:
    """They are counted as one in the end, with those of no other network."""
    quota = Quota(0, 1000)
    for number in range(MAX_COUNTED):
        quota.spend(owner_at(f"fd00:1::{number:x}"), 1)
    quota.spend(owner_at("fd00:1:0:0:1::1"), 1000)
    with pytest.raises(QuotaError, match="your address"):
        quota.spend(owner_at("fd00:1:0:0:1::2"), 1)
    for house in ("fd00:2::1", "192.168.1.2"):
        quota.spend(owner_at(house), 1000)
        with pytest.raises(QuotaError, match="your address"):
            quota.spend(owner_at(house), 1)


@pytest.mark.parametrize(
    ("host", "network", "address"),
    [
        ("192.168.1.20", "192.168.1.20", "192.168.1.20"),
        ("::ffff:192.168.1.20", "192.168.1.20", "192.168.1.20"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::", "2001:db8:1:2:3:4:5:6"),
        ("fe80::1%eth0", "fe80::", "fe80::1%eth0"),
        ("this machine", "this machine", "this machine"),
    ],
)
def test_an_address_is_one_of_its_network(host: str, network: str, address: str) -> None:
    """A machine has one IPv4 address, and as many IPv6 addresses of its network as it likes."""
    assert owner_at(host) == (network, address)
