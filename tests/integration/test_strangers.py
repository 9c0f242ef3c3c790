"""What strangers wrote, such as a voice's title, is plain text in Home Assistant."""

import logging
import re

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import issue_registry as ir
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.wyoming_fish.const import DOMAIN
from custom_components.wyoming_fish.forms.markdown import escaped
from tests.integration.conftest import (
    KELP,
    KEY,
    AddEntry,
    entity_id,
    state_of,
    voice_subentry,
)
from tests.integration.support.flows import SETTINGS, begin, listed, log_in, submit
from tests.integration.support.speech import TEXT, entity_of, speak
from tests.support.gateways import malformed_proxies
from wyoming_fish.emulator import EmulatedVoice, Emulator, Fault

SECRET = "s3cret-passw0rd"  # noqa: S105 - of nothing

TITLES = [
    "[link](https://evil.example)",
    "![image](https://evil.example/x.png)",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "www.evil.example https://evil.example me@evil.example",
    "`code` | *bold* _italic_ ~gone~ \\ &lt; {name} %s",
    "- list\n# heading\r\n1. one\n\n> quote",
    "\x1b[31mred\x00 \u202eknil \u2028 \ud800",
    "x" * 5000,
]

# A mark that Markdown can read: one without a backslash before it.
_BARE_MARK = re.compile(r"(?<!\\)(?:\\\\)*[!-/:-@\[^-`{-~]")


def plain(shown: str | None) -> str:
    """Check that it is one short line without anything that a screen obeys, and return it."""
    assert shown is not None
    assert shown.isprintable()
    assert len(shown) <= 101
    return shown


def shown_by(markdown: str | None) -> str:
    """Check that nothing in it is Markdown, and return what a person sees of it."""
    assert markdown is not None
    assert markdown.isprintable()
    assert not _BARE_MARK.search(markdown)
    return re.sub(r"\\(.)", r"\1", markdown)


@pytest.mark.parametrize("mark", [")", "(", "<", ">"])
async def test_address_of_a_sample_is_no_markdown(
    hass: HomeAssistant, emulator: Emulator, mark: str
) -> None:
    """A sample is not linked if its address has marks that end a link."""
    sample = f"https://fish.example/a{mark}[b](https://evil.example"
    emulator.settings.voices = (EmulatedVoice(KELP, "Kelp", ("en",), sample=sample),)
    flow = await submit(hass, await log_in(hass, emulator.url))
    assert flow["description_placeholders"] is not None
    assert flow["description_placeholders"]["samples"] == "–"


@pytest.mark.parametrize("title", TITLES)
async def test_a_title_is_plain_text_in_forms(
    hass: HomeAssistant, emulator: Emulator, title: str
) -> None:
    """In the list, in the links to samples, and in the names of what is set up."""
    emulator.settings.voices = (EmulatedVoice(KELP, title, ("en",)),)
    flow = await submit(hass, await log_in(hass, emulator.url))
    (label,) = listed(flow)
    name = plain(label.removesuffix(" · en"))
    assert flow["description_placeholders"] is not None
    samples = flow["description_placeholders"]["samples"]
    link = f"]({emulator.url}/sample/{KELP}.wav)"
    assert samples.startswith("[")
    assert samples.endswith(link)
    assert shown_by(samples[1 : -len(link)]) == name

    await submit(hass, flow, voice=KELP, **SETTINGS)
    await hass.async_block_till_done()
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    (voice,) = entry.subentries.values()
    assert voice.title == name
    devices = dr.async_entries_for_config_entry(dr.async_get(hass), entry.entry_id)
    assert name in {device.name for device in devices}
    engine = entity_id(hass, entry, "tts")
    state = hass.states.get(engine)
    assert state is not None
    plain(state.name.removesuffix(" Speech"))
    voices = entity_of(hass, engine).async_get_supported_voices("en")
    assert voices is not None
    assert [each.name for each in voices] == [name]
    await hass.config_entries.async_unload(entry.entry_id)


@pytest.mark.parametrize("title", TITLES[:-3])
async def test_a_title_is_plain_text_in_repairs(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    issue_registry: ir.IssueRegistry,
    hass_client: ClientSessionGenerator,
    title: str,
) -> None:
    """In the title of a repair, which is not Markdown, and in its description, which is."""
    emulator.settings.voices = ()
    entry = await add_entry(voice_subentry(title, backend="s1"))
    issues = {
        issue.translation_key: issue.translation_placeholders or {}
        for issue in issue_registry.issues.values()
        if issue.domain == DOMAIN
    }
    gone = issues["voice_gone"]
    assert gone["title"] == title
    assert shown_by(gone["name"]) == title
    assert shown_by(gone["voice"]) == KELP
    assert shown_by(gone["account"]) == entry.title
    assert shown_by(issues["backend_retires"]["names"]) == title


def test_escaped_keeps_every_letter() -> None:
    """Only punctuation has another meaning."""
    assert escaped("Étoile de mer 你好 🐟 42") == "Étoile de mer 你好 🐟 42"
    assert escaped("a\\b") == r"a\\b"


async def test_an_option_is_quoted_on_one_line(hass: HomeAssistant, add_entry: AddEntry) -> None:
    """A template's or a model's line ends are not those of the log."""
    entry = await add_entry()
    with pytest.raises(ServiceValidationError) as refused:
        await speak(hass, entity_id(hass, entry, "tts"), TEXT, voice="x\n\x1b[31mFORGED")
    assert refused.value.translation_placeholders == {"voice": "x [31mFORGED"}


@pytest.mark.parametrize("address", malformed_proxies(SECRET)[::5])
async def test_a_malformed_proxy_is_told_by_the_form(
    hass: HomeAssistant,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    address: str,
) -> None:
    """What is wrong is the proxy's address, and it is not quoted."""
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("https_proxy", address)
    caplog.set_level(logging.DEBUG)
    answer = {"api_key": KEY, "advanced": {"base_url": "https://fish.invalid"}}
    flow = await submit(hass, await begin(hass), **answer)
    assert flow["errors"] == {"base": "invalid_proxy"}
    assert SECRET not in caplog.text
    assert SECRET not in str(flow["description_placeholders"])


async def test_a_malformed_proxy_is_told_at_the_setup(
    hass: HomeAssistant,
    add_entry: AddEntry,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Where the environment has changed since, the entry says why it cannot be set up."""
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("https_proxy", f"http://user:{SECRET}#1@proxy:3128")
    caplog.set_level(logging.DEBUG)
    entry = await add_entry(base_url="https://fish.invalid")
    assert state_of(entry).recoverable
    assert "The proxy address in Home Assistant's environment is not valid" in str(entry.reason)
    assert SECRET not in caplog.text


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 408, 429, 500, 503])
async def test_the_key_is_not_in_the_log(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    caplog: pytest.LogCaptureFixture,
    issue_registry: ir.IssueRegistry,
    status: int,
) -> None:
    """Nor in a repair, whatever the account answers."""
    caplog.set_level(logging.DEBUG)
    emulator.settings.faults.append(Fault("rest", status, times=None))
    entry = await add_entry()
    for shown in (caplog.text, str(entry.reason), str(issue_registry.issues)):
        assert KEY not in shown
