"""Every failure of Fish Audio, a self-hosted server, or the network between.

::

    FishError
    ├── SettingsError           a setting that the server would refuse, or silently read as another
    │   └── ProxyAddressError   the address of a proxy in the environment is not valid
    ├── KeyRefusedError         401, 403
    │   └── KeyMissingError     no API key
    ├── NoCreditError           402
    ├── VoiceNotFoundError      400, 404 "Reference not found"; no such reference on fish-speech
    │   └── VoiceNameError      the account has no voice of this name
    ├── RequestRefusedError     any other 4xx, or an `error` event
    ├── LimitError              429, or "Concurrency limit exceeded"
    │   ├── QueueTimeoutError   no session became free in time
    │   └── QueueFullError      too many replies wait for a session
    ├── UnavailableError        5xx
    ├── FishConnectionError     the server cannot be reached
    │   ├── NotListeningError   nothing listens at the address
    │   ├── CertificateError    the server cannot prove that it is the one that was asked for
    │   ├── ProxyError          a proxy does not let the connection through
    │   ├── ClosedError         this program has closed its connections
    │   └── NoWebsocketError    the server can be reached, but not by websocket: REST is used
    ├── UnsupportedError        a self-hosted server does not have what was asked for
    ├── ProtocolError           an answer that breaks the protocol, or a step out of order
    │   └── AudioFormatError    audio in a format that is not supported
    ├── BrokenStreamError       the speech ended before all of the text was spoken
    │   ├── TooMuchAudioError   the server sent far more audio than the text can become
    │   └── SlowListenerError   its listener took it too slowly while other replies waited
    ├── NoAudioError            the speech ended normally without any audio
    └── TextTimeoutError        the text of the reply did not go on, and was not ended either

``str(error)`` says what happened and what a person can do about it.
"""

from __future__ import annotations

from typing import ClassVar, Final

from .untrusted import hide, one_line

__all__ = [
    "AudioFormatError",
    "BackendMissingError",
    "BrokenStreamError",
    "CertificateError",
    "ClosedError",
    "FishConnectionError",
    "FishError",
    "KeyMissingError",
    "KeyRefusedError",
    "LimitError",
    "NoAudioError",
    "NoCreditError",
    "NoWebsocketError",
    "NotListeningError",
    "ProtocolError",
    "ProxyAddressError",
    "ProxyError",
    "QueueFullError",
    "QueueTimeoutError",
    "RequestRefusedError",
    "SettingsError",
    "SlowListenerError",
    "TextTimeoutError",
    "TooMuchAudioError",
    "UnavailableError",
    "UnsupportedError",
    "VoiceNameError",
    "VoiceNotFoundError",
]


# Characters of what happened. It can quote a server, a proxy or a client: names and messages.
MAX_HAPPENED_CHARS: Final = 1000


class FishError(Exception):
    """The root of the tree.

    ``code`` names the kind for machines and stays the same between versions. ``reason`` is one
    sentence, ``default_advice`` says what a person can do about it. ``retryable`` is true if the
    same request may succeed a little later. ``status`` is the HTTP status, if there was an answer.
    """

    code: ClassVar[str] = "fish-error"
    default_advice: ClassVar[str] = ""
    cloud_advice: ClassVar[str] = ""
    """What a person can do at fish.audio: told in addition if ``is_cloud``."""
    retryable: ClassVar[bool] = False
    status: int | None = None
    is_cloud: bool = False
    """Whether the error is about Fish Audio's own service, and not a self-hosted server."""

    def __init__(self, happened: str) -> None:
        self.reason = one_line(happened, MAX_HAPPENED_CHARS)
        super().__init__(self.reason)

    def __str__(self) -> str:
        return " ".join(filter(None, (self.reason, self.advice)))

    def hide(self, secret: str) -> None:
        """Remove ``secret`` from what a server said."""
        self.reason = hide(self.reason, secret)
        self.args = (self.reason,)

    @property
    def advice(self) -> str:
        """All that a person can do about it."""
        advice = (self.default_advice, self.cloud_advice if self.is_cloud else "")
        return " ".join(filter(None, advice))


class SettingsError(FishError):
    """A setting that the server would refuse, or silently read as another."""

    code = "bad-setting"


class ProxyAddressError(SettingsError):
    """The proxy's address in the environment is not valid. It is never quoted."""

    code = "bad-proxy"
    default_advice = (
        "Write http://USER:PASSWORD@HOST:PORT, with %23 for #, %2F for / and %3F for ? in the "
        "password. The user name cannot contain a colon, and both can contain only Western "
        "European characters (Latin-1)."
    )


class KeyRefusedError(FishError):
    """401 or 403: the key is wrong, deleted, or not allowed to do this."""

    code = "key-refused"
    default_advice = "Check the API key: it may be mistyped or deleted."
    cloud_advice = "Your keys are under API keys at fish.audio."


class KeyMissingError(KeyRefusedError):
    """No API key is set. Only Fish Audio's own service always needs one."""

    code = "key-missing"
    default_advice = "Set FISH_API_KEY."
    cloud_advice = "Create one under API keys at fish.audio."


class NoCreditError(FishError):
    """402: the API wallet is empty."""

    code = "no-credit"
    default_advice = "Add API credit, or select the backend s2.1-pro-free."
    cloud_advice = (
        "API credit is separate from the website's credits and plans. Add it under Billing at "
        "fish.audio."
    )


class VoiceNotFoundError(FishError):
    """The voice does not exist, or belongs privately to someone else."""

    code = "voice-not-found"
    default_advice = "Check the voice ID."
    cloud_advice = "The voice may be deleted, private, or not trained yet."


class VoiceNameError(VoiceNotFoundError):
    """The account has no voice of the name that a request has."""

    default_advice = "Check the name, or use the voice ID."

    def __init__(self, name: str) -> None:
        super().__init__(f'The account has no voice named "{name}".')


class RequestRefusedError(FishError):
    """The server does not accept the request. Sending it again would change nothing."""

    code = "request-refused"
    default_advice = "Check the settings of the voice."


class BackendMissingError(RequestRefusedError):
    """The server cannot be asked for the backend: it would silently use another one."""

    default_advice = "Select another backend, such as drama-3."


class LimitError(FishError):
    """The account has all the sessions that it may have at the same time.

    ``limit`` is the number of sessions allowed at the same time, if the server named it.
    """

    code = "limit"
    default_advice = "Try again in a moment."
    cloud_advice = "A larger top-up of API credit raises the limit."
    retryable = True

    def __init__(self, happened: str, limit: int | None = None) -> None:
        super().__init__(happened)
        self.limit = limit


class QueueTimeoutError(LimitError):
    """The reply has waited for a session as long as it may."""

    retryable = False


class QueueFullError(LimitError):
    """Too many replies wait for a session, most of them for the same owner as this one."""

    retryable = False


class UnavailableError(FishError):
    """A 5xx status: the server is overloaded or under repair."""

    code = "unavailable"
    default_advice = "Try again in a moment."
    cloud_advice = "If it persists, see Fish Audio's status page."
    retryable = True


class FishConnectionError(FishError):
    """The server cannot be reached, or the connection was lost before any speech."""

    code = "connection"
    default_advice = "Check this machine's network, DNS, firewall, and proxy."
    retryable = True


class NotListeningError(FishConnectionError):
    """The connection was refused: no program listens at the address, or a firewall refuses it."""

    default_advice = (
        "Check that it runs, its address and port, and this machine's firewall and proxy."
    )


class CertificateError(FishConnectionError):
    """The server's certificate is not one that this machine trusts."""

    default_advice = (
        "Check this machine's clock. If a proxy or a virus scanner reads the traffic, this machine "
        "has to trust its certificate: SSL_CERT_FILE names a file of trusted certificates."
    )
    retryable = False


class ProxyError(FishConnectionError):
    """A proxy does not let the connection through. Trying again would change nothing."""

    default_advice = (
        "If the proxy needs a user name and a password, put them in its address: "
        "http://USER:PASSWORD@HOST:PORT. If not, ask its administrator to allow this server."
    )
    retryable = False


class ClosedError(FishConnectionError):
    """The program itself has closed its connections, since it stops."""

    default_advice = "Try again when the program has started again."
    retryable = False


class NoWebsocketError(FishConnectionError):
    """The server, or a proxy in front of it, has no websocket at this address.

    ``speak`` then uses REST, so it does not reach a client.
    """

    default_advice = (
        "A firewall or a proxy does not allow websockets. A reverse proxy must forward the headers "
        "Upgrade and Connection."
    )


class UnsupportedError(FishError):
    """A self-hosted server does not have what was asked for. Never raised for Fish Audio's own."""

    code = "unsupported"
    default_advice = "Only Fish Audio's own service has this function. Speech works without it."


class ProtocolError(FishError):
    """An answer that breaks the protocol, or a step out of order."""

    code = "protocol"
    default_advice = "Check that the base URL is that of Fish Audio or of a supported server."


class AudioFormatError(ProtocolError):
    """The audio of a self-hosted server has a format that is not supported."""

    default_advice = "Set the server to WAV or PCM with 16 bits and one channel."


class BrokenStreamError(FishError):
    """The speech ended before all of the text was spoken."""

    code = "broken-stream"
    default_advice = "Try again. If it persists, select another voice or backend."
    retryable = True


class TooMuchAudioError(BrokenStreamError):
    """The server sent far more audio than the text can become: it would never end."""

    retryable = False


class SlowListenerError(BrokenStreamError):
    """The listener took the audio too slowly while other replies waited for a session."""

    default_advice = "Check the network connection of the player."
    retryable = False


class NoAudioError(FishError):
    """The speech ended normally without any audio.

    Users met it with voices that were private to someone else, or made for another backend.
    """

    code = "no-audio"
    default_advice = "Select another voice: this one may be private, or not made for this backend."


class TextTimeoutError(FishError):
    """No more text of the reply arrived for minutes, and its end did not arrive either."""

    code = "text-timeout"
    default_advice = (
        "Let the program that writes the text end each text, also if it cancels the reply."
    )
