"""What an answer means, and what of it a person gets to read."""

import errno
import socket

import pytest

from wyoming_fish.fish import Endpoint
from wyoming_fish.fish.error_mapping import (
    MAX_MESSAGE_CHARS,
    error_from_event,
    error_from_os_error,
    error_from_status,
)
from wyoming_fish.fish.errors import (
    FishError,
    KeyRefusedError,
    LimitError,
    NoCreditError,
    ProtocolError,
    RequestRefusedError,
    UnavailableError,
)

KEY = "a-key-of-the-server"
PAGE = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body></html>"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 502, 503])
@pytest.mark.parametrize(
    "page", [PAGE, b"\n<!DOCTYPE html>\n<p>Blocked", b'{"message": "<p>No</p>"}']
)
def test_a_page_is_not_quoted(status: int, page: bytes) -> None:
    """What a proxy shows to a browser is nothing for a log or a notification."""
    text = str(error_from_status(status, page, secret=KEY))
    assert str(status) in text
    assert not {"<", ">", "nginx", "Blocked"} & set(text.replace("(", " ").split())
    assert "<" not in text


def test_without_a_key_it_is_not_the_keys_fault() -> None:
    """A server that wants a key, where none is set, says so."""
    error = error_from_status(401, b'{"message": "Unauthorized"}')
    assert str(error) == "The server needs an API key, and none is set. Set FISH_API_KEY."


@pytest.mark.parametrize(
    ("body", "quoted"),
    [
        (b'{"status": 503, "message": "Overloaded"}', "(503: Overloaded)"),
        (b'{"statusCode": 503, "message": null, "error": "Service Unavailable"}', "(503: Service"),
        (b'{"detail": "Not now"}', "(503: Not now)"),
        (
            b'{"detail": ["Not now", {"loc": ["body"], "msg": "late"}]}',
            "(503: Not now; body: late)",
        ),
        (b'{"detail": [5]}', '(503: {"detail": [5]})'),
        (b"upstream connect error\n\x1b[31mreset", "(503: upstream connect error [31mreset)"),
        (b"x" * 1000, "x" * MAX_MESSAGE_CHARS + "…)"),
        (b"", "(503)"),
    ],
)
def test_a_message_is_quoted_on_one_line(body: bytes, quoted: str) -> None:
    """Of a message, or of short plain text, a person reads all that can be printed."""
    text = str(error_from_status(503, body))
    assert quoted in text
    assert text.isprintable()


def test_a_page_in_place_of_an_answer_points_to_the_address() -> None:
    """A 4xx with a web page is not Fish Audio's answer to the request."""
    assert isinstance(error_from_status(400, PAGE), ProtocolError)
    assert isinstance(
        error_from_status(400, b'{"status": 400, "message": "No"}'), RequestRefusedError
    )


@pytest.mark.parametrize(
    ("status", "kind", "at_fish"),
    [
        (401, KeyRefusedError, "under API keys at fish.audio"),
        (402, NoCreditError, "under Billing at fish.audio"),
        (429, LimitError, "top-up of API credit"),
        (503, UnavailableError, "Fish Audio's status page"),
    ],
)
def test_only_fish_audio_itself_points_to_its_website(
    status: int, kind: type[FishError], at_fish: str
) -> None:
    """The owner of a self-hosted server finds nothing at fish.audio, and is not sent there."""
    body = b'{"status": 0, "message": "No"}'
    theirs = Endpoint("key").refusal(status, body)
    own = Endpoint("key", "http://192.168.1.5:8080").refusal(status, body)
    assert type(own) is type(theirs) is kind
    assert at_fish in str(theirs)
    assert "fish" not in str(own).lower().replace("wyoming", "")
    # What else can be done is said of both.
    assert own.default_advice in str(theirs)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_says_that_it_is_one(status: int) -> None:
    """The key is not sent elsewhere by itself: the person has to name that address."""
    assert f"redirects to another address ({status})" in str(error_from_status(status, PAGE))


@pytest.mark.parametrize("said", ["Invalid Token", "Insufficient API credit", "overload", "Odd"])
def test_an_event_is_told_like_a_status(said: str) -> None:
    """An `error` event of a self-hosted server does not point to fish.audio either."""
    assert "Fish Audio" not in str(error_from_event(said))
    assert "fish.audio" not in str(error_from_event(said))


def test_an_event_about_the_limit() -> None:
    """An `error` event that the limit is reached says so, in the server's words."""
    said = str(error_from_event("Too many concurrent requests"))
    assert said.startswith("The limit of the account is reached (Too many concurrent requests).")


def test_a_server_that_repeats_the_key_is_not_quoted_with_it() -> None:
    """A server that shows what it was sent does not bring the key into an error."""
    for url in ("https://api.fish.audio", "http://192.168.1.5"):
        error = Endpoint("secret-key", url).refusal(404, b"No such thing: Bearer secret-key")
        assert "secret-key" not in repr(error) + str(error)
        assert "Bearer ***" in str(error)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed"), "Connection refused"),
        (socket.gaierror(socket.EAI_NONAME, "Name not known"), "Name not known"),
        (OSError("Multiple exceptions"), "Multiple exceptions"),
        (ConnectionResetError(), "ConnectionResetError"),
        (UnicodeError("label too long"), "its name is not valid"),
    ],
)
def test_the_reason_why_a_server_cannot_be_reached(error: OSError, reason: str) -> None:
    """It is in the system's words, or at least in the name of the error."""
    told = error_from_os_error(error, "Fish Audio")
    assert str(told).startswith(f"Fish Audio cannot be reached: {reason}.")
