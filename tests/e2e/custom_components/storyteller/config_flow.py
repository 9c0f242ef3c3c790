"""A flow with nothing to ask."""

from typing import Any

from homeassistant.config_entries import ConfigFlow, ConfigFlowResult


class StorytellerFlow(ConfigFlow, domain="storyteller"):
    """Makes the entry."""

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Make the entry at once."""
        return self.async_create_entry(title="Storyteller", data={})
