"""Everything that can go wrong with Fish Audio.

::

    FishError
    ├── SettingsError           a setting that Fish would refuse, or silently bill otherwise
    ├── KeyMissingError         no API key
    ├── KeyRefusedError         401, 403
    ├── NoCreditError           402
    ├── VoiceNotFoundError      400, 404 «Reference not found»
    ├── RequestRefusedError     any other 4xx, or an `error` event
    ├── LimitError              429, or «Concurrency limit exceeded»
    ├── UnavailableError        5xx
    ├── FishConnectionError     Fish cannot be reached
    │   ├── CertificateError    who answers cannot prove to be Fish
    │   └── NoWebsocketError    it can, but not by a websocket: REST is the way round
    ├── UnsupportedError        a server of one's own does not have what was asked for
    ├── ProtocolError           what came, or what was asked for, is against the protocol
    ├── BrokenStreamError       the speech ended before all of the text was spoken
    ├── TextTimeoutError        the text of a reply stopped coming and was never completed
    └── NoAudioError            Fish ended as if all were well, and had said nothing

``str(error)`` says what happened and what a person can do about it.
"""

from __future__ import annotations

import json
from typing import ClassVar, Final

__all__ = [
    "BrokenStreamError",
    "CertificateError",
    "FishConnectionError",
    "FishError",
    "KeyMissingError",
    "KeyRefusedError",
    "LimitError",
    "NoAudioError",
    "NoCreditError",
    "NoWebsocketError",
    "ProtocolError",
    "RequestRefusedError",
    "SettingsError",
    "TextTimeoutError",
    "UnavailableError",
    "UnsupportedError",
    "VoiceNotFoundError",
    "from_refusal",
    "from_status",
]

# What the text of an `error` event has where the server, and not the request, is at fault.
_PASSING_WORDS: Final = ("internal", "unavailable", "overload", "timeout", "timed out", "try again")

# A message of Fish's is quoted up to this many characters: they are a sentence long,
# but a proxy may answer with a whole page.
MESSAGE_LIMIT = 300


class FishError(Exception):
    """The root of the tree.

    ``code`` names the kind for machines and stays the same between versions; ``cure`` says what
    a person can do; ``passing`` is true where the same request may well succeed a little later;
    ``status`` is the HTTP status, where Fish answered with one.
    """

    code: ClassVar[str] = "fish-error"
    cure: ClassVar[str] = ""
    passing: ClassVar[bool] = False
    status: int | None = None

    def __init__(self, happened: str) -> None:
        self.happened = happened
        super().__init__(f"{happened} {self.cure}".rstrip())


class SettingsError(FishError):
    """A setting that Fish would refuse, or silently read as another."""

    code = "bad-setting"


class KeyMissingError(FishError):
    """Fish Audio was to be used without an API key."""

    code = "key-missing"
    cure = "Make one under «API keys» at fish.audio and set FISH_API_KEY."


class KeyRefusedError(FishError):
    """Fish answered 401 or 403: the key is wrong, deleted or not allowed to do this."""

    code = "key-refused"
    cure = "Check the API key under «API keys» at fish.audio: it may be mistyped or deleted."


class NoCreditError(FishError):
    """Fish answered 402: the API wallet is empty."""

    code = "no-credit"
    cure = (
        "API credit is a wallet apart from the website's credits and plans: top it up under «API» "
        "at fish.audio, or choose the backend s2.1-pro-free."
    )


class VoiceNotFoundError(FishError):
    """The voice does not exist, or belongs privately to somebody else."""

    code = "voice-not-found"
    cure = (
        "Check the voice's id: it may have been deleted, be private to another account, or not be "
        "trained yet."
    )


class RequestRefusedError(FishError):
    """Fish does not accept the request as it is; sending it again would change nothing."""

    code = "request-refused"
    cure = "Check the settings of the voice; the message above names the one that Fish refuses."


class LimitError(FishError):
    """The account speaks as often at once as it may.

    ``limit`` is the number of sessions allowed at once, where Fish named it.
    """

    code = "limit"
    cure = "Try again in a moment; a larger top-up of API credit raises the limit."
    passing = True

    def __init__(self, happened: str, limit: int | None = None) -> None:
        super().__init__(happened)
        self.limit = limit


class UnavailableError(FishError):
    """Fish answered with a 5xx status: it is overloaded or being repaired."""

    code = "unavailable"
    cure = "Try again in a moment; if it lasts, see Fish Audio's status page."
    passing = True


class FishConnectionError(FishError):
    """No connection to Fish could be made, or it was lost before anything was said."""

    code = "connection"
    cure = "Check this machine's network, its name lookup and any firewall or proxy."
    passing = True


class CertificateError(FishConnectionError):
    """Who answers cannot prove to be Fish: its certificate is not one that this machine trusts."""

    cure = (
        "Check this machine's clock, and whether a proxy or a virus scanner reads along: then its "
        "certificate has to be trusted here (SSL_CERT_FILE names a file of them)."
    )


class NoWebsocketError(FishConnectionError):
    """The server, or a proxy on the way to it, has no websocket there.

    ``speak`` then goes by REST, so nobody gets to see it.
    """


class UnsupportedError(FishError):
    """The server does not have what was asked for: it is one's own, and has no wallets."""

    code = "unsupported"
    cure = "Only Fish Audio's own service has it; speech does without."


class ProtocolError(FishError):
    """A frame that is none, or a step out of order: a bug here, or not a Fish server there."""

    code = "protocol"
    cure = "Check that the base URL is that of a Fish Audio server."


class BrokenStreamError(FishError):
    """The speech ended before all of the text was spoken."""

    code = "broken-stream"
    cure = "Ask again; if it lasts, choose another voice or backend."
    passing = True


class TextTimeoutError(FishError):
    """No text has come for minutes, and it was never said that there is no more."""

    code = "text-timeout"
    cure = "Try again."


class NoAudioError(FishError):
    """Fish ended as if all were well, and had said nothing.

    Users met it with voices that were private to somebody else, or made for another backend.
    """

    code = "no-audio"
    cure = "Choose another voice: this one may be private, or not be made for this backend."


def from_status(status: int, body: bytes = b"") -> FishError:
    """The error for an HTTP answer of ``status`` other than the one wanted, and its body.

    Fish's body is ``{"status": …, "message": …}``; a proxy's may be anything.
    """
    error = _from_status(status, _message(body))
    error.status = status
    return error


def _from_status(status: int, message: str) -> FishError:
    said = _quoted(message)
    if status in (401, 403):
        return KeyRefusedError(f"Fish Audio refused the API key ({status}{said}).")
    if status == 402:
        return NoCreditError("The API credit is used up, or the account has none (402).")
    if status == 429:
        return LimitError(f"Fish Audio's limit is reached (429{said}).")
    if status >= 500:
        return UnavailableError(f"Fish Audio cannot answer now ({status}{said}).")
    if status in (400, 404) and "reference" in message.lower():
        return VoiceNotFoundError(f"Fish Audio does not know the voice ({status}{said}).")
    if status == 408:
        return FishConnectionError(f"The request took too long to reach Fish Audio ({status}).")
    if status < 400:
        return ProtocolError(f"The server answered {status}, which Fish Audio never does.")
    return RequestRefusedError(f"Fish Audio refused the request ({status}{said}).")


def from_refusal(message: str, limit: int | None = None) -> FishError:
    """The error for the text of an `error` event, or of a `finish` with an error.

    ``limit`` is the event's `max_concurrency`. The event has no status; Fish's texts are told
    apart by the words that its documentation and its users have seen.
    """
    words = message.lower()
    said = _quoted(message).removeprefix(": ") or "no reason given"
    if limit is not None or "concurren" in words or "rate limit" in words:
        return LimitError(f"Fish Audio's limit is reached ({said}).", limit)
    if "reference" in words and "not found" in words:
        return VoiceNotFoundError(f"Fish Audio does not know the voice ({said}).")
    if "insufficient" in words:
        return NoCreditError("The API credit is used up, or the account has none.")
    if any(word in words for word in _PASSING_WORDS):
        return UnavailableError(f"Fish Audio cannot answer now ({said}).")
    if "invalid token" in words or "unauthorized" in words:
        return KeyRefusedError(f"Fish Audio refused the API key ({said}).")
    return RequestRefusedError(f"Fish Audio refused the request ({said}).")


def _message(body: bytes) -> str:
    text = body.decode(errors="replace")
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(answer, dict):
        # «error» is what a fish-speech server adds where it has nothing to say.
        said = [answer.get("message"), answer.get("error")]
    else:
        # A list of what is wrong with the fields (422).
        items = answer if isinstance(answer, list) else []
        said = ["; ".join(_wrong_field(item) for item in items)]
    return next((each for each in said if isinstance(each, str) and each), text)


def _wrong_field(item: object) -> str:
    if not isinstance(item, dict):
        return str(item)
    place = item.get("loc")
    names = ".".join(map(str, place)) if isinstance(place, list) else ""
    return f"{names}: {item.get('msg')}" if names else str(item.get("msg"))


def _quoted(message: str) -> str:
    """«: message» on one line and no longer than MESSAGE_LIMIT, or nothing."""
    line = " ".join(message.split())
    if len(line) > MESSAGE_LIMIT:
        line = f"{line[:MESSAGE_LIMIT]}…"
    return f": {line}" if line else ""
