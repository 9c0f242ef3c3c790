"""The Fish Audio client of an account."""

from collections.abc import Mapping
from typing import Any

from homeassistant.const import CONF_API_KEY
from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.util.ssl import get_default_context

from ..const import CONF_BASE_URL
from ..fish import Endpoint, FishClient


def account_endpoint(data: Mapping[str, Any]) -> Endpoint:
    """Return the server and the key that the data of an entry describe."""
    return Endpoint(data[CONF_API_KEY], data[CONF_BASE_URL])


def create_client(hass: HomeAssistant, endpoint: Endpoint) -> FishClient:
    """Return a client that shares Home Assistant's certificates and its HTTP connections."""
    return FishClient(
        endpoint, ssl_context=get_default_context(), session=async_get_clientsession(hass)
    )
