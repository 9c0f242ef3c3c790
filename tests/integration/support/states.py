"""What Home Assistant shows now and later: the states of sensors, and repair issues."""

from datetime import timedelta

from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.wyoming_fish.const import DOMAIN


async def later(hass: HomeAssistant, freezer: FrozenDateTimeFactory, **time: int) -> None:
    """Let time pass."""
    freezer.tick(timedelta(**time))
    async_fire_time_changed(hass)
    await hass.async_block_till_done(wait_background_tasks=True)


def value(hass: HomeAssistant, name: str) -> str:
    """Return a sensor's state."""
    state = hass.states.get(f"sensor.{name}")
    assert state is not None
    return state.state


def ours(issue_registry: ir.IssueRegistry) -> list[str]:
    """Return the ids of the integration's issues that a person sees."""
    return [
        issue.issue_id
        for issue in issue_registry.issues.values()
        if issue.domain == DOMAIN and issue.active and issue.dismissed_version is None
    ]
