"""What can be set, and what is refused."""

import pytest

from wyoming_fish.fish.errors import KeyMissingError, SettingsError
from wyoming_fish.fish.settings import (
    LANGUAGES,
    SAMPLE_RATES,
    Backend,
    Endpoint,
    Latency,
    SpeechSettings,
)


def test_unknown_backend_is_refused_with_the_list() -> None:
    """Fish would bill its paid default for a misspelt name; here it is an error."""
    with pytest.raises(SettingsError, match=r"s2\.1-pro-fre.*s2\.1-pro, s2\.1-pro-free, s2-pro"):
        SpeechSettings(backend="s2.1-pro-fre")  # type: ignore[arg-type]


@pytest.mark.parametrize("rate", [22050, 48000, 0])
def test_rates_that_fish_refuses(rate: int) -> None:
    """The refusal names the rates that can be had."""
    with pytest.raises(SettingsError, match="8000, 16000, 24000, 32000, 44100"):
        SpeechSettings(sample_rate=rate)


@pytest.mark.parametrize("rate", SAMPLE_RATES)
def test_rates_that_fish_takes(rate: int) -> None:
    """Every rate of the list is sent as it is."""
    assert SpeechSettings(sample_rate=rate).request()["sample_rate"] == rate


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("speed", [0.49, 2.01, float("nan")]),
        ("volume", [-20.1, 20.1]),
        ("temperature", [-0.1, 1.1]),
        ("top_p", [-0.1, 1.1]),
        ("chunk_length", [99, 301]),
        ("min_chunk_length", [-1, 101]),
        ("latency", ["fast"]),
        ("voice", ["", "  ", "x" * 257, (), ("a", " ")]),
    ],
)
def test_out_of_range(name: str, values: list[object]) -> None:
    """What Fish would refuse is refused before anything is sent."""
    for value in values:
        with pytest.raises(SettingsError):
            SpeechSettings(**{name: value})  # type: ignore[arg-type]


def test_plain_strings_are_taken() -> None:
    """Names from flags and stored configurations become what they name."""
    settings = SpeechSettings(backend="s1", latency="low")  # type: ignore[arg-type]
    assert settings.backend is Backend.S1
    assert settings.latency is Latency.LOW


def test_request_says_only_what_is_set() -> None:
    """What is left to Fish is left out; prosody is there when it is not plain."""
    plain = SpeechSettings().request()
    assert plain["text"] == ""
    assert plain["format"] == "pcm"
    assert not plain.keys() & {"reference_id", "prosody", "temperature", "top_p"}
    full = SpeechSettings(voice="v", speed=1.5, volume=-3, temperature=0.2, top_p=0.3).request()
    assert full["reference_id"] == "v"
    assert full["prosody"] == {"speed": 1.5, "volume": -3}
    assert (full["temperature"], full["top_p"]) == (0.2, 0.3)


def test_several_speakers() -> None:
    """They are sent as a list, which S1 refuses, whatever is in it."""
    assert SpeechSettings(voice=("a", "b")).request()["reference_id"] == ("a", "b")
    with pytest.raises(SettingsError, match="one voice"):
        SpeechSettings(voice=("a",), backend=Backend.S1)


def test_every_backend_has_languages() -> None:
    """A voice without languages of its own can always be offered in some."""
    assert all("en" in LANGUAGES[backend] for backend in Backend)


@pytest.mark.parametrize(
    ("base", "live"),
    [
        ("https://api.fish.audio", "wss://api.fish.audio/v1/tts/live"),
        ("http://127.0.0.1:8080/", "ws://127.0.0.1:8080/v1/tts/live"),
        ("https://example.org/fish", "wss://example.org/fish/v1/tts/live"),
        ("HTTP://example.org", "ws://example.org/v1/tts/live"),
    ],
)
def test_live_url(base: str, live: str) -> None:
    """The websocket is at ws for http and at wss for https; a path is kept."""
    assert Endpoint("key", base).live_url == live


@pytest.mark.parametrize(
    "base",
    [
        *(
            "",
            "api.fish.audio",
            "ftp://x",
            "http://",
            "http://x:99999",
            "http://x:0",
            "http://::1:80",
        ),
        *(
            "http://x y",
            "http://x\n",
            '"http://x"',
            "http://fish..invalid",
        ),
    ],
)
def test_no_address(base: str) -> None:
    """A value that is not an http address is refused."""
    with pytest.raises(SettingsError, match="is not a valid http:// or https:// address"):
        Endpoint("key", base)


@pytest.mark.parametrize("base", ["http://x?a", "http://x/#a", "http://x?"])
def test_a_query_or_a_fragment(base: str) -> None:
    """What would end up before the path of each request is refused."""
    with pytest.raises(SettingsError, match="must not have a query or a fragment"):
        Endpoint("key", base)


def test_an_ipv6_address_needs_brackets() -> None:
    """That is said where they are missing."""
    with pytest.raises(SettingsError, match="in brackets"):
        Endpoint("key", "http://fd00::1:8080")
    assert Endpoint("key", "http://[fd00::1]:8080").name == "The server [fd00::1]:8080"


@pytest.mark.parametrize(
    "base",
    [
        *("http://user:pa55word@fish.local", "http://pa55word@fish.local"),
        *("user:pa55word@fish.local", "http://user:pa55word/1@fish.local:80", "ftp://pa55word@x"),
        "http://user:1#pa55word@fish.local",
    ],
)
def test_a_password_in_the_address_is_refused_and_not_quoted(base: str) -> None:
    """It would take the key's place, or be an error of the client's that quotes it."""
    with pytest.raises(SettingsError) as caught:
        Endpoint("key", base)
    assert "pa55word" not in repr(caught.value) + repr(caught.value.__context__)


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ("http://api.fish.audio", "unencrypted"),
        ("http://API.fish.audio:443/", "unencrypted"),
        ("https://api.fish.audio/v1", "without a path"),
        ("https://fish.audio", "https://api.fish.audio"),
        ("https://www.fish.audio/app/", "https://api.fish.audio"),
        ("https://www.fish.audio.", "https://api.fish.audio"),
        # As name lookup reads them, these are the same.
        ("http://api。fish。audio", "unencrypted"),
        ("http://ａｐｉ．fish．audio．:80", "unencrypted"),
        ("https://ｆish.audio。", "https://api.fish.audio"),
    ],
)
def test_the_key_goes_to_fish_audio_as_it_should(base: str, said: str) -> None:
    """Neither in clear text nor to an address that Fish Audio does not have."""
    with pytest.raises(SettingsError, match=said):
        Endpoint("key", base)


@pytest.mark.parametrize("base", ["https://api.fish.audio.", "HTTPS://API.FISH.AUDIO:443/"])
def test_fish_audio_itself(base: str) -> None:
    """However its address is written, it is known: it needs a key, and always has a wallet."""
    assert Endpoint("key", base).is_cloud
    assert not Endpoint("key", "https://fish.audio.example.org").is_cloud


def test_a_name_with_other_letters_is_asked_for_by_its_ascii_form() -> None:
    """It is the same for all libraries, and what was checked."""
    endpoint = Endpoint("key", "http://Küche。local:8080/fish")
    assert endpoint.base_url == "http://xn--kche-0ra.local:8080/fish"
    assert endpoint.live_url == "ws://xn--kche-0ra.local:8080/fish/v1/tts/live"
    assert endpoint.name == "The server xn--kche-0ra.local:8080"


def test_key_is_needed_for_fish_alone() -> None:
    """Fish's own service needs a key; a server of one's own may not."""
    with pytest.raises(KeyMissingError):
        Endpoint("")
    assert Endpoint("", "http://127.0.0.1:1").headers == {}


def test_key_stays_out_of_sight() -> None:
    """No repr shows the key."""
    endpoint = Endpoint("very-secret")
    assert "very-secret" not in repr(endpoint)
    assert endpoint.headers == {"Authorization": "Bearer very-secret"}


@pytest.mark.parametrize("key", ["a\nb", "a b", "ключ", "a\x00b", "a\x7fb", "a\u200bb"])
def test_key_that_is_none(key: str) -> None:
    """A key with a line end or foreign letters is a slip in copying, and is not quoted."""
    with pytest.raises(SettingsError) as caught:
        Endpoint(key)
    assert key not in str(caught.value)
