"""The server's page as a person meets it: typed into and heard, in Chromium, on a phone.

To update the documentation's picture: SCREENSHOTS=docs/images script/test tests/e2e/test_page.py
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, Request, async_playwright, expect
from wyoming.tts import SynthesizeChunk, SynthesizeStart, SynthesizeStop

from tests.e2e.conftest import set_up
from tests.support.server import Served, Serving, receive, serving
from wyoming_fish.emulator import EmulatedVoice, EmulatorSettings, Fault

__all__ = ["serving"]

pytestmark = pytest.mark.timeout(120)

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)

# Milliseconds that the page may take for anything.
PATIENCE = 10_000

ANSWER = "It is 21.5 degrees in the kitchen. The lamps are off, and the windows are closed."

PHONE = 360
"""Pixels."""

VOICES = (
    EmulatedVoice("6c1f2a4be0d94f7f8a53c2b9d7e61034", "Captain Kelp", ("en",), mine=True),
    EmulatedVoice("0b77d3c58f1e4d6e9f20a4c6e8b1d352", "Coral", ("en", "de"), mine=True),
    EmulatedVoice("9d2b6f10c4e84a1d8e7f35a6b0c9d841", "Old Harbour", (), mine=True),
)
STRANGER = EmulatedVoice(
    "1" * 32, "<img src=x onerror=alert(1)>'\"&amp;", ("<b>",), mine=True, description="<script>"
)


@dataclass
class Visit:
    """A server and its page, before a person with a phone."""

    served: Served
    page: Page
    asked: list[str]
    """The address of each request that the page made."""
    complaints: list[str]
    """What the browser said of errors."""


@pytest_asyncio.fixture
async def visit(serving: Serving, request: pytest.FixtureRequest) -> AsyncIterator[Visit]:
    """Open the page of a server with the test's own emulator settings."""
    set_up("browser")
    settings: EmulatorSettings = request.param
    flags = ("--http=127.0.0.1:0", "--ready-connections=1")
    async with serving(settings, *flags) as served, async_playwright() as playwright:
        assert served.url is not None
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=FLAGS
        )
        context = await browser.new_context(viewport={"width": PHONE, "height": 800})
        context.set_default_timeout(PATIENCE)
        page = await context.new_page()
        asked: list[str] = []
        complaints: list[str] = []

        def on_request(request: Request) -> None:
            asked.append(request.url)

        page.on("request", on_request)
        page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        await page.goto(served.url)
        await expect(page.get_by_text("accepts the API key")).to_be_visible()
        yield Visit(served, page, asked, complaints)
        await browser.close()


def _with(settings: EmulatorSettings) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("visit", [settings], indirect=True)


async def _fits(page: Page) -> bool:
    """Whether nothing sticks out at the side."""
    return bool(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@_with(EmulatorSettings(voice="tone", voices=VOICES, first_audio=0.3, pace=0.4))
async def test_typed_and_heard(visit: Visit) -> None:
    """What is typed is heard before it is made, by the chosen voice, and then listed."""
    page, emulator = visit.page, visit.served.emulator
    await page.get_by_label("Text").fill("Good evening. The lamps are on. The doors are locked.")
    await page.get_by_label("Voice", exact=True).select_option("Coral")
    await page.get_by_role("button", name="Speak").click()
    # It sounds: the meter is fed with what goes to the loudspeaker.
    await expect(page.get_by_label("Loudness")).not_to_have_js_property("value", 0)
    assert emulator.sessions[0].outcome is None
    assert emulator.sessions[0].request["reference_id"] == VOICES[1].id
    await expect(page.get_by_text("Speaking. First audio after")).to_be_visible()
    await expect(page.get_by_text("Spoken: ")).to_be_visible()
    (told,) = await page.get_by_role("list").nth(1).get_by_role("listitem").all()
    await expect(told).to_contain_text("53 characters")
    await expect(told).to_contain_text("· spoken ·")
    assert await told.locator("svg rect.fish").count() == 1
    await expect(page.get_by_label("Loudness")).to_have_js_property("value", 0)
    assert visit.complaints == []


@_with(EmulatorSettings(voice="tone"))
async def test_one_character(visit: Visit) -> None:
    """A reply of one character is listed as one character."""
    await visit.page.get_by_label("Text").fill("7")
    await visit.page.get_by_role("button", name="Speak").click()
    await expect(visit.page.get_by_text("1 character ·")).to_be_visible()


@_with(EmulatorSettings(voice="tone"))
async def test_a_text_without_words(visit: Visit) -> None:
    """The page says that there was nothing to speak, below the text and in the list."""
    await visit.page.get_by_label("Text").fill("🎉")
    await visit.page.get_by_role("button", name="Speak").click()
    await expect(visit.page.get_by_text("The text has nothing to speak.")).to_be_visible()
    await expect(visit.page.locator("strong.good", has_text="nothing to speak")).to_be_visible()
    await expect(visit.page.get_by_text("Model")).to_be_visible()


@_with(EmulatorSettings(voice="tone", voices=VOICES, pace=1.0, frame=0.1))
async def test_stopped(visit: Visit) -> None:
    """Stop ends it at once, here and at Fish."""
    page, emulator = visit.page, visit.served.emulator
    await page.get_by_role("button", name="Speak").click()
    await expect(page.get_by_label("Loudness")).not_to_have_js_property("value", 0)
    await page.get_by_role("button", name="Stop").click()
    await expect(page.get_by_text("Stopped.")).to_be_visible()
    await emulator.wait_for(lambda e: e.sessions_open == 0)
    assert emulator.sessions[0].outcome == "left"
    await expect(page.get_by_text("the client disconnected")).to_be_visible()
    await expect(page.get_by_role("button", name="Speak")).to_be_enabled()


@_with(
    EmulatorSettings(voice="tone", faults=[Fault("start", "error"), Fault("audio", "drop", at=2)])
)
async def test_what_goes_wrong_is_said(visit: Visit) -> None:
    """An error says what to do; speech that breaks off is not taken for the whole."""
    page, emulator = visit.page, visit.served.emulator
    await page.get_by_role("button", name="Speak").click()
    await expect(page.get_by_text("The speech was interrupted.")).to_be_visible()
    await page.get_by_text("failed: broken-stream").wait_for()
    await emulator.wait_for(lambda e: e.sessions_open == 0)
    emulator.settings.faults.append(Fault("upgrade", 402, times=None))
    emulator.settings.faults.append(Fault("start", "drop", times=None))
    await page.get_by_role("button", name="Speak").click()
    await expect(page.get_by_text("Add API credit")).to_be_visible()


@_with(EmulatorSettings(voice="tone", voices=(*VOICES, STRANGER)))
async def test_voices_and_their_samples(visit: Visit) -> None:
    """Each voice's sample plays when it is asked for, and nothing is fetched from afar before."""
    page, emulator = visit.page, visit.served.emulator
    assert visit.served.url is not None
    await expect(page.get_by_text(STRANGER.title)).to_have_count(2)
    assert all(url.startswith(visit.served.url) for url in visit.asked)
    async with page.expect_request(lambda asked: asked.url.startswith(emulator.url)) as asked:
        await page.get_by_role("button", name="Play a sample of Captain Kelp").click()
    request = await asked.value
    assert request.url.endswith(f"{VOICES[0].id}.wav")
    assert "referer" not in await request.all_headers()
    await expect(page.locator("audio")).not_to_have_js_property("currentTime", 0)
    # What a stranger called his voice is text, and no more.
    assert await page.locator("#voices img, #voices b, option img").count() == 0
    assert visit.complaints == []


@_with(EmulatorSettings(voice="tone", voices=VOICES))
async def test_by_keyboard_alone(visit: Visit) -> None:
    """Everything can be reached and named without a mouse, and each thing has a name."""
    page = visit.page
    names = []
    for _ in range(4):
        await page.keyboard.press("Tab")
        names.append(
            await page.evaluate("document.activeElement.id || document.activeElement.tagName")
        )
    assert names == ["text", "voice", "start", "BUTTON"]
    await page.get_by_label("Text").focus()
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_text("Spoken: ")).to_be_visible()
    nameless = await page.evaluate(
        """[...document.querySelectorAll("button, input, select, textarea, meter, audio")]
        .filter((e) => !(e.labels?.length || e.ariaLabel || e.textContent.trim())).length"""
    )
    assert nameless == 0


@_with(EmulatorSettings(voice="tone", voices=VOICES, first_audio=0.31, pace=0.1))
async def test_seen_on_any_screen(visit: Visit, tmp_path: Path) -> None:
    """At phone and desk width nothing sticks out, and by night its words can be read too."""
    page = visit.page
    pictures = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    async with visit.served.client() as client:
        await client.write_event(SynthesizeStart().event())
        for word in ANSWER.split():
            # As fast as a model writes.
            await asyncio.sleep(0.06)
            await client.write_event(SynthesizeChunk(f"{word} ").event())
        await client.write_event(SynthesizeStop().event())
        await receive(client, "synthesize-stopped")
    await page.get_by_role("button", name="Speak").click()
    await expect(page.get_by_text("Spoken: ")).to_be_visible()
    await expect(page.get_by_text("· spoken ·")).to_have_count(2)
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        for width in (PHONE, 1000):
            await page.set_viewport_size({"width": width, "height": 800})
            assert await _fits(page)
            assert await page.evaluate(CONTRAST) >= 4.5
    await page.emulate_media(color_scheme="light")
    await page.screenshot(path=pictures / "page.png", full_page=True, animations="disabled")


# The least contrast of a text and what is behind it, as WCAG reckons it.
CONTRAST = """
(() => {
  const light = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).map((part) => {
      const value = part / 255;
      return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (e) => {
    const color = getComputedStyle(e).backgroundColor;
    return color === "rgba(0, 0, 0, 0)" && e.parentElement ? ground(e.parentElement) : color;
  };
  const shown = [...document.querySelectorAll("body *")].filter(
    (e) => !e.disabled && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()));
  return Math.min(...shown.map((e) => {
    const style = getComputedStyle(e);
    const pair = [light(e instanceof SVGElement ? style.fill : style.color), light(ground(e))];
    return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
  }));
})()
"""
