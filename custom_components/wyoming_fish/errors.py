"""Fish Audio's errors as Home Assistant tells them."""

from homeassistant.exceptions import HomeAssistantError

from .const import DOMAIN
from .fish import FishError
from .fish.errors import KeyMissingError, KeyRefusedError, ProtocolError, SettingsError


def translated(kind: type[HomeAssistantError], error: FishError) -> HomeAssistantError:
    """Return ``error`` as this exception of Home Assistant's, with what to do about it.

    There is a translation for each of the engine's codes.
    """
    return kind(
        translation_domain=DOMAIN,
        translation_key=error.code.replace("-", "_"),
        translation_placeholders={"happened": error.happened},
    )


def form_error(error: FishError) -> str:
    """Return the key of what a form says of ``error``."""
    if isinstance(error, KeyMissingError | KeyRefusedError):
        return "invalid_auth"
    if isinstance(error, SettingsError):
        return "invalid_setting"
    if isinstance(error, ProtocolError) or not error.passing:
        return "not_fish"
    return "cannot_connect"
