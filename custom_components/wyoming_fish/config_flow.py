"""Setting up: the account, its first voice, and what is changed later."""

from collections.abc import Mapping
from typing import Any, override

import voluptuous as vol
from homeassistant.config_entries import (
    SOURCE_USER,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowResult,
    ConfigSubentryData,
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.const import CONF_API_KEY, CONF_NAME
from homeassistant.core import HomeAssistant, callback
from homeassistant.data_entry_flow import section
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.helpers.selector import TextSelector, TextSelectorConfig, TextSelectorType

from .const import (
    BACKEND_NAMES,
    BILLING_URL,
    CONF_BACKEND,
    CONF_BASE_URL,
    DOMAIN,
    FREE_BACKEND,
    KEYS_URL,
    MANUFACTURER,
    SUBENTRY_VOICE,
)
from .coordinator import FishConfigEntry
from .errors import account_errors, form_error
from .fish import Credit, Endpoint, FishClient, FishError
from .fish.errors import UnsupportedError
from .fish.settings import FISH_URL
from .voice_form import VoiceForm

SECTION_ADVANCED = "advanced"

_KEY = TextSelector(TextSelectorConfig(type=TextSelectorType.PASSWORD, autocomplete="off"))
_URL = TextSelector(TextSelectorConfig(type=TextSelectorType.URL))

# A self-hosted server need not have a key.
_ACCOUNT_SCHEMA = vol.Schema(
    {
        vol.Optional(CONF_API_KEY): _KEY,
        vol.Required(SECTION_ADVANCED): section(
            vol.Schema({vol.Optional(CONF_BASE_URL, default=FISH_URL): _URL}), {"collapsed": True}
        ),
    }
)


class FishConfigFlow(ConfigFlow, domain=DOMAIN):
    """The account and its first voice."""

    VERSION = 1
    MINOR_VERSION = 1

    def __init__(self) -> None:
        """Begin."""
        self._placeholders = {"keys_url": KEYS_URL, "billing_url": BILLING_URL}
        self._data: dict[str, str] = {}
        self._own_server = False
        self._form: VoiceForm

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(
        cls, config_entry: ConfigEntry
    ) -> dict[str, type[ConfigSubentryFlow]]:
        """Return the flow of further voices."""
        return {SUBENTRY_VOICE: VoiceSubentryFlow}

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the key."""
        errors: dict[str, str] = {}
        if user_input is not None:
            self._data = {
                CONF_API_KEY: user_input.get(CONF_API_KEY, "").strip(),
                CONF_BASE_URL: _base_url(user_input),
            }
            credit, errors = await self._check()
            if not errors:
                self._abort_if_unique_id_configured()
                self._own_server = credit is None
                if credit is not None and credit.amount <= 0:
                    return await self.async_step_no_credit()
                return await self._search({})
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(
                _ACCOUNT_SCHEMA,
                user_input or {SECTION_ADVANCED: {CONF_BASE_URL: FISH_URL}},
            ),
            errors=errors,
            description_placeholders=self._placeholders,
            last_step=False,
        )

    async def async_step_no_credit(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Go on with what costs nothing."""
        if user_input is not None:
            return await self._search({CONF_BACKEND: FREE_BACKEND.value})
        return self.async_show_form(
            step_id="no_credit",
            description_placeholders=self._placeholders | {"free": BACKEND_NAMES[FREE_BACKEND]},
            last_step=False,
        )

    async def _search(self, values: dict[str, Any]) -> ConfigFlowResult:
        self._form = VoiceForm(
            _client(self.hass, self._data), values, known={}, own_server=self._own_server
        )
        return await self.async_step_search()

    async def async_step_search(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Look for a voice."""
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = await self._form.search(user_input)
            if not errors:
                return await self.async_step_voice()
        return self.async_show_form(
            step_id="search",
            data_schema=self.add_suggested_values_to_schema(self._form.search_schema, user_input),
            errors=errors,
            description_placeholders=self._form.placeholders,
            last_step=False,
        )

    async def async_step_voice(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Choose one and set it up."""
        errors = {} if user_input is None else self._form.choose(user_input)
        if user_input is not None and not errors:
            voice = ConfigSubentryData(
                subentry_type=SUBENTRY_VOICE,
                title=self._form.title,
                data=self._form.data,
                unique_id=None,
            )
            return self.async_create_entry(title=MANUFACTURER, data=self._data, subentries=[voice])
        return self.async_show_form(
            step_id="voice",
            data_schema=self._form.voice_schema,
            errors=errors,
            description_placeholders=self._form.placeholders,
            last_step=True,
        )

    async def async_step_reauth(self, entry_data: Mapping[str, Any]) -> ConfigFlowResult:
        """Begin to replace a key that is refused."""
        return await self.async_step_reauth_confirm()

    async def async_step_reauth_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for another key of the same account."""
        entry = self._get_reauth_entry()
        errors: dict[str, str] = {}
        if user_input is not None:
            self._data = {**entry.data, CONF_API_KEY: user_input[CONF_API_KEY].strip()}
            _, errors = await self._check()
            if not errors:
                return self._replace(entry, "reauth_successful")
        return self.async_show_form(
            step_id="reauth_confirm",
            data_schema=vol.Schema({vol.Required(CONF_API_KEY): _KEY}),
            errors=errors,
            description_placeholders=self._placeholders,
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for another key or address; no key is the one that there is."""
        entry = self._get_reconfigure_entry()
        errors: dict[str, str] = {}
        if user_input is not None:
            key = user_input.get(CONF_API_KEY, "").strip()
            self._data = {
                CONF_API_KEY: key or entry.data[CONF_API_KEY],
                CONF_BASE_URL: _base_url(user_input),
            }
            _, errors = await self._check()
            if not errors:
                return self._replace(entry, "reconfigure_successful")
        return self.async_show_form(
            step_id="reconfigure",
            data_schema=self.add_suggested_values_to_schema(
                _ACCOUNT_SCHEMA,
                user_input or {SECTION_ADVANCED: {CONF_BASE_URL: entry.data[CONF_BASE_URL]}},
            ),
            errors=errors,
            description_placeholders=self._placeholders,
        )

    async def _check(self) -> tuple[Credit | None, dict[str, str]]:
        """Ask whose the key is, which becomes the flow's unique id.

        Return the credit, if there is such a thing, and what is wrong.
        """
        if errors := account_errors(self._data[CONF_API_KEY], self._data[CONF_BASE_URL]):
            return None, errors
        credit = None
        try:
            credit = await _client(self.hass, self._data).credit()
            unique_id = credit.user_id
        except UnsupportedError:
            # A self-hosted server has no wallets: it is known by its address.
            unique_id = self._data[CONF_BASE_URL]
        except FishError as error:
            return None, {"base": form_error(error)}
        # A flow that a person has left open must not keep the account from being set up. It ends
        # when another one has set the account up.
        await self.async_set_unique_id(unique_id, raise_on_progress=False)
        return credit, {}

    @callback
    def _replace(self, entry: ConfigEntry, reason: str) -> ConfigFlowResult:
        """Put the new data in the place of the entry's, if they are the same account's."""
        if self.unique_id != entry.unique_id:
            # The server of one's own may have moved; a person's account stays theirs.
            if not (_is_address(self.unique_id) and _is_address(entry.unique_id)):
                return self.async_abort(reason="wrong_account")
            self._abort_if_unique_id_configured()
        # An entry that is set up reloads by itself when it has changed.
        reloads = entry.state is ConfigEntryState.LOADED
        changed = self.hass.config_entries.async_update_entry(
            entry, data=self._data, unique_id=self.unique_id
        )
        if not (changed and reloads):
            self.hass.config_entries.async_schedule_reload(entry.entry_id)
        return self.async_abort(reason=reason)


class VoiceSubentryFlow(ConfigSubentryFlow):
    """A further voice, or changes to one."""

    _form: VoiceForm

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Begin to add a voice."""
        return self._begin({}) or await self.async_step_search()

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask whether it is to be another voice, or the same one in another way."""
        voice = self._get_reconfigure_subentry()
        return self._begin({**voice.data, CONF_NAME: voice.title}) or self.async_show_menu(
            step_id="reconfigure",
            menu_options=["voice", "search"],
            description_placeholders={"name": voice.title},
        )

    def _begin(self, values: dict[str, Any]) -> SubentryFlowResult | None:
        entry: FishConfigEntry = self._get_entry()
        if entry.state is not ConfigEntryState.LOADED:
            return self.async_abort(reason="entry_not_loaded")
        data = entry.runtime_data
        self._form = VoiceForm(
            _client(self.hass, entry.data),
            {CONF_NAME: "", **values},
            known=data.voices.data,
            own_server=data.voices.own_server,
        )
        return None

    async def async_step_search(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Look for a voice."""
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = await self._form.search(user_input)
            if not errors:
                return await self.async_step_voice()
        return self.async_show_form(
            step_id="search",
            data_schema=self.add_suggested_values_to_schema(self._form.search_schema, user_input),
            errors=errors,
            description_placeholders=self._form.placeholders,
            last_step=False,
        )

    async def async_step_voice(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Choose one and set it up."""
        errors = {} if user_input is None else self._form.choose(user_input)
        if user_input is not None and not errors:
            return self._finish()
        return self.async_show_form(
            step_id="voice",
            data_schema=self._form.voice_schema,
            errors=errors,
            description_placeholders=self._form.placeholders,
            last_step=True,
        )

    def _finish(self) -> SubentryFlowResult:
        form = self._form
        if self.source == SOURCE_USER:
            return self.async_create_entry(title=form.title, data=form.data)
        return self.async_update_and_abort(
            self._get_entry(),
            self._get_reconfigure_subentry(),
            title=form.title,
            data=form.data,
        )


def _base_url(user_input: Mapping[str, Any]) -> str:
    url: str = user_input[SECTION_ADVANCED][CONF_BASE_URL]
    return url.strip().rstrip("/")


def _is_address(unique_id: str | None) -> bool:
    return unique_id is not None and "://" in unique_id


def _client(hass: HomeAssistant, data: Mapping[str, Any]) -> FishClient:
    """Return a client of the account that the data are of."""
    endpoint = Endpoint(data[CONF_API_KEY], data[CONF_BASE_URL])
    return FishClient(endpoint, session=async_get_clientsession(hass))
