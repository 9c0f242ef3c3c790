"""The integration's forms, filled in as a person does."""

from typing import Any

from homeassistant import config_entries
from homeassistant.config_entries import ConfigEntry, ConfigFlowResult, SubentryFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResult, FlowResultType

from custom_components.wyoming_fish.const import DOMAIN
from tests.integration.conftest import KEY

# What the voice's form is sent with where nothing is changed.
SETTINGS = {
    "backend": "s2.1-pro",
    "latency": "balanced",
    "speed": 1.0,
    "text_processing": {},
    "sampling": {},
}


async def begin(hass: HomeAssistant) -> ConfigFlowResult:
    """Select **Add integration**."""
    flow = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": config_entries.SOURCE_USER}
    )
    assert (flow["type"], flow["step_id"], flow["errors"]) == (FlowResultType.FORM, "user", {})
    return flow


async def submit(hass: HomeAssistant, flow: ConfigFlowResult, **answer: Any) -> ConfigFlowResult:
    """Send a form of an account."""
    return await hass.config_entries.flow.async_configure(flow["flow_id"], answer)


async def log_in(hass: HomeAssistant, url: str, key: str = KEY) -> ConfigFlowResult:
    """Begin and send the key."""
    return await submit(hass, await begin(hass), api_key=key, advanced={"base_url": url})


async def add_voice(hass: HomeAssistant, entry: ConfigEntry) -> SubentryFlowResult:
    """Select **Add voice**."""
    return await hass.config_entries.subentries.async_init(
        (entry.entry_id, "voice"), context={"source": config_entries.SOURCE_USER}
    )


async def change_voice(hass: HomeAssistant, entry: ConfigEntry) -> SubentryFlowResult:
    """Select **Change voice** for the first voice."""
    return await hass.config_entries.subentries.async_init(
        (entry.entry_id, "voice"),
        context={
            "source": config_entries.SOURCE_RECONFIGURE,
            "subentry_id": next(iter(entry.subentries)),
        },
    )


async def submit_voice(
    hass: HomeAssistant, flow: SubentryFlowResult, **answer: Any
) -> SubentryFlowResult:
    """Send a form of a voice."""
    return await hass.config_entries.subentries.async_configure(flow["flow_id"], answer)


def chosen(flow: FlowResult[Any, Any], field: str) -> Any:
    """Return what a field of the form is filled with."""
    assert flow["data_schema"] is not None
    for key in flow["data_schema"].schema:
        if key == field:
            suggested = (key.description or {}).get("suggested_value")
            return suggested if suggested is not None else key.default()
    raise AssertionError(f"there is no {field}")


def listed(flow: FlowResult[Any, Any]) -> list[str]:
    """Return the lines of the list of voices."""
    assert flow["data_schema"] is not None
    return [option["label"] for option in flow["data_schema"].schema["voice"].config["options"]]
