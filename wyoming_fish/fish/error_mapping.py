"""The FishError for an HTTP status, an `error` event, or a connection that fails."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
from typing import Final

from .bounded_json import from_json
from .errors import (
    CertificateError,
    FishConnectionError,
    FishError,
    KeyMissingError,
    KeyRefusedError,
    LimitError,
    NoCreditError,
    NotListeningError,
    ProtocolError,
    RequestRefusedError,
    UnavailableError,
    VoiceNotFoundError,
)
from .untrusted import hide, one_line

__all__ = [
    "MAX_READ_CHARS",
    "MAX_REFUSAL_BYTES",
    "error_from_event",
    "error_from_os_error",
    "error_from_status",
    "says_fish",
]

# Bytes of a refusal that are read.
MAX_REFUSAL_BYTES: Final = 8192

# An `error` event with one of these words means that the server, not the request, is at fault.
_RETRYABLE_MARKERS: Final = (
    "internal",
    "unavailable",
    "overload",
    "timeout",
    "timed out",
    "try again",
)

# Characters of a server's message that are quoted. Fish Audio's messages are one sentence.
MAX_MESSAGE_CHARS: Final = 300

# Characters of a server's message that are read: the key is hidden in them, and a web page shows
# itself.
MAX_READ_CHARS: Final = MAX_REFUSAL_BYTES

# A web page, such as a proxy's own error page. It is never quoted.
_MARKUP: Final = re.compile(r"<\s*[!/?a-z]", re.IGNORECASE)

# OpenSSL's reasons that mean that the other side does not speak TLS.
_NO_TLS: Final = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")


def error_from_status(
    status: int, body: bytes = b"", *, is_cloud: bool = False, secret: str = ""
) -> FishError:
    """The error for an HTTP ``status`` other than the expected one, and the body of the answer.

    Fish Audio's body is ``{"status": …, "message": …}``; a proxy's may be anything.
    ``secret`` is the API key, which is not quoted. Without one, 401 means that a key is missing.
    """
    message, is_page = _message(body, secret), _is_page(body)
    server = "Fish Audio" if is_cloud else "The server"
    if status == 401 and not secret and not is_page:
        error: FishError = KeyMissingError(f"{server} needs an API key, and none is set.")
    else:
        error = _from_status(status, message, server, is_page)
    error.status, error.is_cloud = status, is_cloud
    return error


def _from_status(status: int, message: str, server: str, is_page: bool) -> FishError:
    said = f"{status}: {message}" if message else f"{status}"
    if status in (401, 403):
        return KeyRefusedError(
            f"{server} rejected {'access' if is_page else 'the API key'} ({said})."
        )
    if status == 402:
        return NoCreditError("The API credit is used up, or the account has none (402).")
    if status == 429:
        return LimitError(f"The limit of the account is reached ({said}).")
    if status >= 500:
        return UnavailableError(f"{server} cannot answer now ({said}).")
    if status in (400, 404) and "reference" in message.lower():
        return VoiceNotFoundError(f"{server} does not know the voice ({said}).")
    if status == 408:
        return FishConnectionError(f"The request took too long to arrive ({status}).")
    if status < 400 or is_page:
        return ProtocolError(_unexpected(status))
    return RequestRefusedError(f"{server} rejected the request ({said}).")


def _unexpected(status: int) -> str:
    if 300 <= status < 400:
        return (
            f"The server redirects to another address ({status}). Set that address as the base "
            "URL. Often, it begins with https:// instead of http://."
        )
    if status < 400:
        return f"The server sent an unexpected answer ({status})."
    return f"The server answered {status} with a web page."


def error_from_event(
    message: str, limit: int | None = None, *, is_cloud: bool = False
) -> FishError:
    """The error for the text of an `error` event, or of a `finish` with an error.

    ``limit`` is the event's `max_concurrency`. The event has no status: Fish Audio's texts are
    told apart by words from its documentation and from what users have seen.
    """
    error = _from_refusal(message, limit, "Fish Audio" if is_cloud else "The server")
    error.is_cloud = is_cloud
    return error


def _from_refusal(message: str, limit: int | None, server: str) -> FishError:
    words = message[:MAX_READ_CHARS].lower()
    said = _quoted(message) or "no reason given"
    if limit is not None or "concurren" in words or "rate limit" in words:
        return LimitError(f"The limit of the account is reached ({said}).", limit)
    if "reference" in words and "not found" in words:
        return VoiceNotFoundError(f"{server} does not know the voice ({said}).")
    if "insufficient" in words:
        return NoCreditError("The API credit is used up, or the account has none.")
    if any(word in words for word in _RETRYABLE_MARKERS):
        return UnavailableError(f"{server} cannot answer now ({said}).")
    if "invalid token" in words or "unauthorized" in words:
        return KeyRefusedError(f"{server} rejected the API key ({said}).")
    return RequestRefusedError(f"{server} rejected the request ({said}).")


def error_from_os_error(error: OSError | UnicodeError, server: str) -> FishError:
    """The error for a connection to ``server`` (a name to begin a sentence) that failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message.rstrip(".")
        return CertificateError(f"{server} has no valid certificate: {reason}.")
    if isinstance(error, ssl.SSLError) and error.reason in _NO_TLS:
        return ProtocolError(f"{server} does not speak TLS: its address may begin with http://.")
    kind = NotListeningError if isinstance(error, ConnectionRefusedError) else FishConnectionError
    return kind(f"{server} cannot be reached: {_reason(error)}.")


def _reason(error: OSError | UnicodeError) -> str:
    if not isinstance(error, OSError):
        return "its name is not valid"
    # asyncio's own words repeat the address. TLS and name lookup number their errors differently.
    if error.errno and not isinstance(error, ssl.SSLError | socket.gaierror):
        return os.strerror(error.errno)
    return error.strerror or str(error) or type(error).__name__


def says_fish(body: bytes) -> bool:
    """Whether this body of a refusal has Fish Audio's form."""
    answer = _json(body)
    return (
        isinstance(answer, dict)
        and isinstance(answer.get("status"), int)
        and isinstance(answer.get("message"), str)
    )


def _is_page(body: bytes) -> bool:
    return _json(body) is None and _MARKUP.search(body.decode(errors="replace")) is not None


def _json(body: bytes, secret: str = "") -> object:
    try:
        return from_json(body, secret)
    except ProtocolError:
        return None


def _message(body: bytes, secret: str) -> str:
    """What a person may read of a refusal's body: its message, or short plain text."""
    answer = _json(body, secret)
    if isinstance(answer, dict):
        # "error" is what a fish-speech server adds if it has nothing to say, and OpenAI's form;
        # "detail" is FastAPI's.
        error, detail = answer.get("error"), answer.get("detail")
        error = error.get("message") if isinstance(error, dict) else error
        said = [answer.get("message"), error, _wrong_fields(detail) or detail]
    else:
        said = [_wrong_fields(answer)]
    message = next((each for each in said if isinstance(each, str) and each), None)
    if message is None:
        text = hide(body.decode(errors="replace"), secret)
        message = text if answer is None else json.dumps(answer, ensure_ascii=False)
    return _quoted(message)


def _wrong_fields(items: object) -> str:
    """What is wrong with the fields of a request (422)."""
    return "; ".join(map(_wrong_field, items)) if isinstance(items, list) else ""


def _wrong_field(item: object) -> str:
    if not isinstance(item, dict):
        return item if isinstance(item, str) else ""
    place, message = item.get("loc"), item.get("msg")
    names = ".".join(_names(place)) if isinstance(place, list) else ""
    said = [part for part in (names, message) if isinstance(part, str) and part]
    return ": ".join(said)


def _names(place: list[object]) -> list[str]:
    return [str(name) for name in place if isinstance(name, str | int)]


def _quoted(message: str) -> str:
    """The message on one line, printable, at most MAX_MESSAGE_CHARS long; nothing of a page."""
    message = message[:MAX_READ_CHARS]
    if _MARKUP.search(message):
        return ""
    return one_line(message, MAX_MESSAGE_CHARS)
