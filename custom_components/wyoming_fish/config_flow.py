"""Config flow: the account, its first voice, and later changes."""

from collections.abc import Mapping
from typing import Any, override

from homeassistant.config_entries import (
    ConfigEntry,
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowContext,
    ConfigFlowResult,
    ConfigSubentryData,
    ConfigSubentryFlow,
    OptionsFlow,
)
from homeassistant.const import CONF_API_KEY
from homeassistant.core import callback
from homeassistant.helpers import entity_registry as er

from .const import (
    BACKEND_NAMES,
    BILLING_URL,
    CONF_BACKEND,
    CONF_BASE_URL,
    CONF_VOICE,
    DOMAIN,
    FREE_BACKEND,
    KEYS_URL,
    MANUFACTURER,
    SUBENTRY_VOICE,
)
from .coordinator import FishConfigEntry
from .errors import account_form_errors, form_error_key
from .fish import Credit, Endpoint, FishError
from .fish.errors import UnsupportedError
from .fish.settings import FISH_URL, is_cloud_url
from .forms.core_account import core_entry, core_voices
from .forms.markdown import escaped
from .forms.schemas import (
    ACCOUNT_SCHEMA,
    KEY_SCHEMA,
    SECTION_ADVANCED,
    options_schema,
)
from .forms.voice_steps import VoiceSteps
from .forms.voice_subentry import VoiceSubentryFlow
from .speech.client import account_endpoint, create_client

# Characters of a user's id in the title of an account: enough to tell two accounts apart.
TITLE_ID_CHARS = 8


class FishConfigFlow(
    VoiceSteps[ConfigFlowContext, ConfigFlowResult, str], ConfigFlow, domain=DOMAIN
):
    """Sets up an account and its first voice, and changes the account."""

    _core_entry: ConfigEntry
    """The entry of Home Assistant's own integration that can be taken over."""

    VERSION = 1
    MINOR_VERSION = 1

    def __init__(self) -> None:
        """Initialize the flow."""
        self._placeholders = {"keys_url": KEYS_URL, "billing_url": BILLING_URL}
        self._data: dict[str, str] = {}
        self._credit: Credit | None = None
        self._has_looked = False

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(
        cls, config_entry: ConfigEntry
    ) -> dict[str, type[ConfigSubentryFlow]]:
        """Return the flow of voices."""
        return {SUBENTRY_VOICE: VoiceSubentryFlow}

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> OptionsFlow:
        """Return the flow of the options."""
        return FishOptionsFlow()

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the API key, unless Home Assistant's own integration has an account."""
        errors: dict[str, str] = {}
        if user_input is None and not self._has_looked:
            self._has_looked = True
            if (entry := core_entry(self.hass)) is not None:
                self._core_entry = entry
                return await self.async_step_start()
        if user_input is not None:
            self._data = {
                CONF_API_KEY: user_input.get(CONF_API_KEY, "").strip(),
                CONF_BASE_URL: _base_url(user_input),
            }
            errors = await self._validate()
            if not errors:
                self._abort_if_unique_id_configured()
                if self._credit is not None and self._credit.amount <= 0:
                    return await self.async_step_no_credit()
                return await self._start_search({})
        return self._show_key_form(
            user_input or {SECTION_ADVANCED: {CONF_BASE_URL: FISH_URL}}, errors
        )

    def _show_key_form(self, values: dict[str, Any], errors: dict[str, str]) -> ConfigFlowResult:
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(ACCOUNT_SCHEMA, values),
            errors=errors,
            description_placeholders=self._placeholders,
            last_step=False,
        )

    async def async_step_start(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Select whether to take over the account of Home Assistant's own integration."""
        return self.async_show_menu(
            step_id="start",
            menu_options=["take_over", "user"],
            description_placeholders={"account": escaped(self._core_entry.title)},
        )

    async def async_step_take_over(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Set up the account and the voices of Home Assistant's own integration."""
        self._data = {CONF_API_KEY: self._core_entry.data[CONF_API_KEY], CONF_BASE_URL: FISH_URL}
        if errors := await self._validate():
            return self._show_key_form({SECTION_ADVANCED: {CONF_BASE_URL: FISH_URL}}, errors)
        self._abort_if_unique_id_configured()
        if voices := core_voices(self._core_entry):
            return self.async_create_entry(title=self._title(), data=self._data, subentries=voices)
        return await self._start_search({})

    async def async_step_no_credit(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Offer the free model."""
        if user_input is not None:
            return await self._start_search({CONF_BACKEND: FREE_BACKEND.value})
        return self.async_show_form(
            step_id="no_credit",
            description_placeholders=self._placeholders | {"free": BACKEND_NAMES[FREE_BACKEND]},
            last_step=False,
        )

    async def _start_search(self, values: dict[str, Any]) -> ConfigFlowResult:
        fish = create_client(self.hass, account_endpoint(self._data))
        self.start_voice(fish, values, {}, has_account=self._credit is not None)
        return await self.async_step_search()

    @override
    def finish_voice(self, data: dict[str, Any]) -> ConfigFlowResult:
        voice = ConfigSubentryData(
            subentry_type=SUBENTRY_VOICE,
            title=self.voice_name(data[CONF_VOICE]),
            data=data,
            unique_id=None,
        )
        return self.async_create_entry(title=self._title(), data=self._data, subentries=[voice])

    def _title(self) -> str:
        """Return the title of the account, which tells two accounts apart."""
        if self._credit is None:
            return Endpoint(self._data[CONF_API_KEY], self._data[CONF_BASE_URL]).host
        return f"{MANUFACTURER} ({self._credit.user_id[:TITLE_ID_CHARS]})"

    async def async_step_reauth(self, entry_data: Mapping[str, Any]) -> ConfigFlowResult:
        """Start to replace a rejected key."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for another key of the same account."""
        entry: FishConfigEntry = self._get_reauth_entry()
        errors: dict[str, str] = {}
        if user_input is not None:
            self._data = {**entry.data, CONF_API_KEY: user_input[CONF_API_KEY].strip()}
            errors = await self._validate()
            if not errors:
                return self._replace(entry, "reauth_successful")
        return self.async_show_form(
            step_id="reauth_confirm",
            data_schema=KEY_SCHEMA,
            errors=errors,
            description_placeholders=self._placeholders,
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for another key or address. An empty key keeps the present one.

        Fish Audio's key is not sent to another server.
        """
        entry: FishConfigEntry = self._get_reconfigure_entry()
        errors: dict[str, str] = {}
        if user_input is not None:
            key, base_url = user_input.get(CONF_API_KEY, "").strip(), _base_url(user_input)
            leaves_cloud = is_cloud_url(entry.data[CONF_BASE_URL]) and not is_cloud_url(base_url)
            if not (key or leaves_cloud):
                key = entry.data[CONF_API_KEY]
            self._data = {CONF_API_KEY: key, CONF_BASE_URL: base_url}
            errors = await self._validate()
            if not errors:
                return self._replace(entry, "reconfigure_successful")
        return self.async_show_form(
            step_id="reconfigure",
            data_schema=self.add_suggested_values_to_schema(
                ACCOUNT_SCHEMA,
                user_input or {SECTION_ADVANCED: {CONF_BASE_URL: entry.data[CONF_BASE_URL]}},
            ),
            errors=errors,
            description_placeholders=self._placeholders,
        )

    async def _validate(self) -> dict[str, str]:
        """Read the account's credit and set the flow's unique id; return the errors."""
        if errors := account_form_errors(self._data[CONF_API_KEY], self._data[CONF_BASE_URL]):
            return errors
        try:
            self._credit = await create_client(self.hass, account_endpoint(self._data)).credit()
            unique_id = self._credit.user_id
        except UnsupportedError:
            # A self-hosted server has no API credit: its address is its id.
            self._credit = None
            unique_id = self._data[CONF_BASE_URL]
        except FishError as error:
            return {"base": form_error_key(error)}
        # A flow that a person has left open must not block this one. It is aborted when the account
        # is set up.
        await self.async_set_unique_id(unique_id, raise_on_progress=False)
        return {}

    @callback
    def _replace(self, entry: FishConfigEntry, reason: str) -> ConfigFlowResult:
        """Update the entry, if the new data belong to the same account."""
        if self.unique_id != entry.unique_id:
            # A self-hosted server may have moved. An entry never changes to another account.
            if not (_is_address(self.unique_id) and _is_address(entry.unique_id)):
                return self.async_abort(reason="wrong_account")
            self._abort_if_unique_id_configured()
        # A loaded entry reloads by itself when it changes.
        reloads = entry.state is ConfigEntryState.LOADED
        changed = self.hass.config_entries.async_update_entry(
            entry, data=self._data, unique_id=self.unique_id
        )
        if not (changed and reloads):
            self.hass.config_entries.async_schedule_reload(entry.entry_id)
        return self.async_abort(reason=reason)


class FishOptionsFlow(OptionsFlow):
    """Changes the options of an account."""

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the options."""
        if user_input is not None:
            return self.async_create_entry(data=user_input)
        own_entities = [
            entity.entity_id
            for entity in er.async_get(self.hass).entities.values()
            if entity.platform == DOMAIN
        ]
        return self.async_show_form(
            step_id="init",
            data_schema=self.add_suggested_values_to_schema(
                options_schema(own_entities), self.config_entry.options
            ),
        )


def _base_url(user_input: Mapping[str, Any]) -> str:
    url: str = user_input[SECTION_ADVANCED][CONF_BASE_URL]
    return url.strip().rstrip("/")


def _is_address(unique_id: str | None) -> bool:
    return unique_id is not None and "://" in unique_id
