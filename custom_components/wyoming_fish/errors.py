"""Fish Audio's errors as Home Assistant's exceptions and as errors of forms.

Every text is a translation. Its placeholders are only names and numbers, never English text.
"""

from typing import Final

from homeassistant.const import CONF_API_KEY
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError

from .const import DOMAIN, FREE_BACKEND
from .fish import Backend, Endpoint, FishError, proxy_for
from .fish.errors import (
    KeyMissingError,
    KeyRefusedError,
    LimitError,
    NoAudioError,
    NoCreditError,
    ProxyAddressError,
    SettingsError,
    VoiceNotFoundError,
)
from .fish.untrusted import one_line

# Characters of an option that an error quotes.
MAX_FACT_CHARS: Final = 256


class OptionError(Exception):
    """An option has a value that is not valid.

    ``key`` is the translation key, in forms and in exceptions. ``facts`` are its placeholders.
    """

    def __init__(self, key: str, **facts: str) -> None:
        """Create the error from the translation's key and its placeholders."""
        super().__init__(key)
        self.key = key
        self.facts = facts


def to_ha_exception(
    kind: type[HomeAssistantError], error: FishError, backend: Backend | None = None
) -> HomeAssistantError:
    """Return ``error`` of ``backend`` as a translated exception of the type ``kind``.

    Each error code of the Fish Audio client has a translation.
    """
    return kind(translation_domain=DOMAIN, translation_key=error_key(error, backend))


def is_free_model_refused(error: FishError, backend: Backend | None) -> bool:
    """Return whether Fish Audio asks for credit for the model that is free of charge."""
    return isinstance(error, NoCreditError) and backend == FREE_BACKEND


def error_key(error: FishError, backend: Backend | None = None) -> str:
    """Return the translation key of ``error``, which is also its code in events."""
    if is_free_model_refused(error, backend):
        return "free_model_refused"
    return error.code.replace("-", "_")


def option_to_ha_exception(error: OptionError) -> ServiceValidationError:
    """Return ``error`` as a translated exception. Its facts are untrusted text."""
    return ServiceValidationError(
        translation_domain=DOMAIN,
        translation_key=error.key,
        translation_placeholders={
            name: one_line(fact, MAX_FACT_CHARS) for name, fact in error.facts.items()
        },
    )


def account_form_errors(key: str, url: str) -> dict[str, str]:
    """Validate a key and an address without a request; return the errors by form field."""
    if not (key.isascii() and key.isprintable()) or " " in key:
        return {CONF_API_KEY: "invalid_key"}
    try:
        Endpoint(key, url)
        proxy_for(url)
    except KeyMissingError:
        return {CONF_API_KEY: "key_missing"}
    except ProxyAddressError as error:
        return {"base": form_error_key(error)}
    except SettingsError:
        return {"base": "invalid_url"}
    return {}


def form_error_key(error: FishError, backend: Backend | None = None) -> str:
    """Return the translation key of ``error`` in a form."""
    if isinstance(error, KeyMissingError):
        return "key_missing"
    if isinstance(error, KeyRefusedError):
        return "invalid_auth"
    if isinstance(error, ProxyAddressError):
        return "invalid_proxy"
    if isinstance(error, NoCreditError):
        return "free_model_refused" if is_free_model_refused(error, backend) else "no_credit"
    if isinstance(error, LimitError):
        return "limit"
    if isinstance(error, (NoAudioError, VoiceNotFoundError)):
        return "no_audio"
    return "cannot_connect" if error.retryable else "not_fish"
