"""Fish Audio's errors as Home Assistant tells them.

Every text is a translation. It names facts alone, such as numbers and names, and never quotes
English.
"""

from typing import Final
from urllib.parse import urlsplit

from homeassistant.const import CONF_API_KEY
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError

from .const import DOMAIN
from .fish import Endpoint, FishError, proxy_for
from .fish.errors import KeyMissingError, KeyRefusedError, ProxyAddressError, SettingsError
from .fish.untrusted import one_line

# Characters of an option that an error quotes.
MAX_FACT_CHARS: Final = 256


class OptionError(Exception):
    """An option with a value that it cannot have.

    ``key`` is the translation's, in a form as in an exception, and ``facts`` are its placeholders.
    """

    def __init__(self, key: str, **facts: str) -> None:
        """Take the translation's key and its placeholders."""
        super().__init__(key)
        self.key = key
        self.facts = facts


def translated(kind: type[HomeAssistantError], error: FishError) -> HomeAssistantError:
    """Return ``error`` as this exception of Home Assistant's, with what to do about it.

    There is a translation for each of the engine's codes.
    """
    return kind(translation_domain=DOMAIN, translation_key=error.code.replace("-", "_"))


def translated_option(error: OptionError) -> ServiceValidationError:
    """Return ``error`` as Home Assistant tells it of a message. Its text comes from anywhere."""
    return ServiceValidationError(
        translation_domain=DOMAIN,
        translation_key=error.key,
        translation_placeholders={
            name: one_line(fact, MAX_FACT_CHARS) for name, fact in error.facts.items()
        },
    )


def account_errors(key: str, url: str) -> dict[str, str]:
    """Return what is wrong with a key or an address before either is used, by the form's field."""
    if not key.isascii() or not _is_unbroken(key):
        return {CONF_API_KEY: "invalid_key"}
    if not _is_unbroken(url):
        return {"base": "invalid_url"}
    try:
        Endpoint(key, url)
        proxy_for(url)
    except KeyMissingError:
        return {CONF_API_KEY: "key_missing"}
    except ProxyAddressError as error:
        return {"base": form_error(error)}
    except SettingsError:
        return {"base": "invalid_url"}
    parts = urlsplit(url)
    # These would take the place of the key.
    return {} if (parts.username, parts.password) == (None, None) else {"base": "invalid_url"}


def _is_unbroken(text: str) -> bool:
    """Return whether ``text`` has neither a space nor a control character."""
    return text.isprintable() and " " not in text


def form_error(error: FishError) -> str:
    """Return the key of what a form says of ``error``."""
    if isinstance(error, KeyRefusedError):
        return "invalid_auth"
    if isinstance(error, ProxyAddressError):
        return "invalid_proxy"
    return "cannot_connect" if error.retryable else "not_fish"
