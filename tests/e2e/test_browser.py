"""Our integration as a person meets it: set up, extended and mended by clicking, in Chromium.

To update the documentation's pictures:
SCREENSHOTS=docs/images script/test tests/e2e/test_browser.py
"""

import json
import os
import re
import shutil
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, async_playwright, expect

from tests.e2e.conftest import set_up
from tests.e2e.home_assistant import HomeAssistant, log_in, start_home_assistant
from wyoming_fish.emulator import VOICES, Emulator, EmulatorSettings

pytestmark = pytest.mark.timeout(180)

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)

# Milliseconds that a page may take: its first visit loads all of Home Assistant's frontend.
PATIENCE = 15_000

# A picture must not depend on the fonts of the machine.
PICTURED = tuple(voice for voice in VOICES if voice.title != "汐")


@dataclass
class House:
    """A Home Assistant without our integration's entry, and a person before it."""

    home_assistant: HomeAssistant
    emulator: Emulator
    page: Page
    pictures: Path
    url: str

    async def show(self, name: str) -> None:
        """Keep a picture of the page once it has come to rest."""
        await self.page.wait_for_load_state("networkidle")
        await self.page.screenshot(path=self.pictures / f"{name}.png", animations="disabled")

    def field(self, name: str) -> Locator:
        """Return the input of a form's field."""
        return self.page.locator(f"input[name={name}]")

    def button(self, name: str) -> Locator:
        """Return the button that says so."""
        return self.page.get_by_role("button", name=name, exact=True)


@pytest_asyncio.fixture
async def house(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, archive: Path
) -> AsyncIterator[House]:
    """Home Assistant with our integration installed, and a browser that is logged in."""
    set_up("home-assistant")
    set_up("browser")
    pictures = Path(os.environ.get("SCREENSHOTS") or tmp_path)
    settings = EmulatorSettings(
        voice="tone", key="key", voices=PICTURED, credit=Decimal("0.40"), first_audio=0.3
    )
    config = tmp_path_factory.mktemp("config")
    _begin_onboarding(config)
    program, url = start_home_assistant(config, archive=archive)
    with program:
        async with (
            Emulator(settings) as emulator,
            log_in(url) as home_assistant,
            async_playwright() as playwright,
        ):
            await _finish_onboarding(home_assistant, url)
            browser = await playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=FLAGS
            )
            context = await browser.new_context(viewport={"width": 1000, "height": 900})
            context.set_default_timeout(PATIENCE)
            await context.add_init_script(_login(home_assistant, url))
            page = await context.new_page()
            await page.goto(f"{url}/config/integrations/dashboard")
            yield House(home_assistant, emulator, page, pictures, url)
            await browser.close()


def _begin_onboarding(config: Path) -> None:
    """Pass over the step that adds integrations of Home Assistant's own."""
    (config / ".storage").mkdir()
    onboarding = {"version": 4, "key": "onboarding", "data": {"done": ["core_config"]}}
    (config / ".storage" / "onboarding").write_text(json.dumps(onboarding))


async def _finish_onboarding(home_assistant: HomeAssistant, url: str) -> None:
    """Without it, each page leads back to it."""
    await home_assistant.post("/api/onboarding/analytics")
    client = {"client_id": f"{url}/", "redirect_uri": f"{url}/"}
    await home_assistant.post("/api/onboarding/integration", **client)
    await home_assistant.call("config/core/update", country="GB")


def _login(home_assistant: HomeAssistant, url: str) -> str:
    """Return the script by which a page finds its person logged in."""
    expires = 1000 * (int(time.time()) + home_assistant.tokens["expires_in"])
    tokens = {**home_assistant.tokens, "hassUrl": url, "clientId": f"{url}/", "expires": expires}
    return f"localStorage.setItem('hassTokens', {json.dumps(json.dumps(tokens))})"


async def test_a_persons_way(house: House) -> None:
    """The integration is added with a wrong key at first, gets a second voice, and is mended."""
    await _add_integration(house)
    await _add_voice(house)
    states = await house.home_assistant.call("get_states")
    voices = {state["entity_id"] for state in states if state["entity_id"].startswith("tts.")}
    assert {"tts.etoile_de_mer_speech", "tts.captain_kelp_speech"} <= voices
    await _look_at_device(house)
    await _mend(house)
    (entry,) = await house.home_assistant.call("config_entries/get", domain="wyoming_fish")
    voices = await house.home_assistant.call(
        "config_entries/subentries/list", entry_id=entry["entry_id"]
    )
    assert [voice["title"] for voice in voices] == ["Étoile de mer", "Captain Kelp"]


async def _add_integration(house: House) -> None:
    page = house.page
    await house.button("Add integration").click()
    await page.locator("dialog-add-integration input").fill("Wyoming Fish")
    await page.get_by_text("Wyoming Fish", exact=True).click()
    await expect(house.field("api_key")).to_be_visible()
    await house.show("set-up")

    await house.field("api_key").fill("mistyped")
    await page.get_by_text("Advanced", exact=True).click()
    await house.field("base_url").fill(house.emulator.url)
    await house.button("Next").click()
    await expect(page.get_by_text("Fish Audio rejected the API key")).to_be_visible()
    await house.show("wrong-key")

    await house.field("api_key").fill("key")
    await house.button("Next").click()
    await expect(page.get_by_text("Find a voice")).to_be_visible()
    await house.show("search")
    await house.button("Next").click()
    await expect(page.get_by_role("link", name="Étoile de mer")).to_have_attribute(
        "href", f"{house.emulator.url}/sample/{PICTURED[-1].id}.wav"
    )
    await house.show("voice")
    await _listen(house)
    await house.button("Submit").click()
    await house.button("Skip and finish").click()


async def _listen(house: House) -> None:
    """Play a sample with the settings of the form."""
    await house.page.get_by_text("Listen first", exact=True).click()
    await house.button("Submit").click()
    player = house.page.locator("audio")
    await expect(player).to_be_visible()
    await player.evaluate(
        "player => player.readyState > 1 || new Promise((resolve, reject) => {"
        "player.oncanplay = resolve; player.onerror = () => reject(player.error) })"
    )
    assert await player.evaluate("player => player.duration") > 1
    (session,) = house.emulator.sessions
    assert "".join(session.texts) == "Good evening. The lights in the kitchen are on."
    await player.scroll_into_view_if_needed()
    await house.show("listen")


async def _add_voice(house: House) -> None:
    page = house.page
    await page.goto(
        f"{page.url.partition('/config')[0]}/config/integrations/integration/wyoming_fish"
    )
    await expect(page.get_by_role("link", name="2 services")).to_be_visible()
    await house.show("integration")
    await house.button("Add voice").click()
    await page.locator("ha-switch").click()
    await house.button("Next").click()
    await page.get_by_text("S2.1 Pro", exact=True).last.click()
    await page.get_by_text("S1", exact=True).click()
    await house.button("Submit").click()
    await house.button("Skip and finish").or_(house.button("Finish")).click()
    await expect(page.get_by_role("link", name="3 services")).to_be_visible()


async def _look_at_device(house: House) -> None:
    page = house.page
    address = await house.home_assistant.post(
        "/api/tts_get_url", engine_id="tts.etoile_de_mer_speech", message="The lamps are on."
    )
    assert [piece async for piece in house.home_assistant.fetch(address["path"])]
    devices = await house.home_assistant.call("config/device_registry/list")
    (device,) = [device["id"] for device in devices if device["name"] == "Étoile de mer"]
    await page.goto(f"{house.url}/config/devices/device/{device}")
    await expect(page.get_by_text(re.compile(r"\d\sB"))).to_be_visible()
    await house.show("device")


async def _mend(house: House) -> None:
    page = house.page
    await page.goto(f"{house.url}/config/repairs")
    await expect(page.get_by_text("S1 retires on 2026-12-31")).to_be_visible()
    await page.get_by_text("Fish Audio's API credit is low").click()
    await expect(page.get_by_text("0.40 US dollars")).to_be_visible()
    await house.show("repair")
    await page.keyboard.press("Escape")
    await page.get_by_text("S1 retires on 2026-12-31").click()
    await house.button("Submit").click()
    await expect(page.get_by_text("S1 retires on 2026-12-31")).to_have_count(0)
