"""Flags, environment variables, and what is refused at start."""

from pathlib import Path

import pytest

from wyoming_fish.cli.options import Options
from wyoming_fish.fish.settings import FISH_URL, Backend, Latency
from wyoming_fish.uri import ListenAddress

KEY = {"FISH_API_KEY": "secret-key"}
VOICE = "0123456789abcdef" * 2


def refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], environ: dict[str, str]
) -> str:
    """What a start with these is refused with."""
    with pytest.raises(SystemExit) as caught:
        Options.parse(arguments, environ)
    assert caught.value.code == 2
    return capsys.readouterr().err


def test_defaults() -> None:
    """With a key alone, the server listens everywhere and speaks by the paid default."""
    options = Options.parse([], KEY)
    assert options.uri == ListenAddress("tcp", "0.0.0.0", 10210)  # noqa: S104
    assert options.endpoint is not None
    assert (options.endpoint.api_key, options.endpoint.base_url) == ("secret-key", FISH_URL)
    speech = options.speech
    assert (speech.backend, speech.voice, speech.latency) == (
        Backend.S2_1_PRO,
        None,
        Latency.BALANCED,
    )
    assert (speech.sample_rate, speech.speed, speech.volume) == (44100, 1.0, 0.0)
    assert options.concurrency is None
    assert not options.debug


@pytest.mark.parametrize(
    ("flag", "variable", "value"),
    [
        ("--uri", "WYOMING_FISH_URI", "tcp://[::1]:1"),
        ("--base-url", "FISH_BASE_URL", "http://fish.local:8080"),
        ("--backend", "FISH_BACKEND", "s1"),
        ("--voice", "FISH_VOICE", "a" * 32),
        ("--voice", "FISH_VOICE", f"{'a' * 32},{'b' * 32}"),
        ("--text-mode", "FISH_TEXT_MODE", "raw"),
        ("--cues", "FISH_CUES", "free"),
        ("--emoji", "FISH_EMOJI", "name"),
        ("--urls", "FISH_URLS", "drop"),
        ("--code-replacement", "FISH_CODE_REPLACEMENT", "Code follows."),
        ("--style", "FISH_STYLE", "calm"),
        ("--latency", "FISH_LATENCY", "low"),
        ("--sample-rate", "FISH_SAMPLE_RATE", "16000"),
        ("--speed", "FISH_SPEED", "1.5"),
        ("--volume", "FISH_VOLUME", "-3.5"),
        ("--sentence-pause", "FISH_SENTENCE_PAUSE", "0.5"),
        ("--max-pause", "FISH_MAX_PAUSE", "0"),
        ("--concurrency", "FISH_CONCURRENCY", "15"),
        ("--ready-connections", "FISH_READY_CONNECTIONS", "0"),
        ("--pool-idle-timeout", "FISH_POOL_IDLE_TIMEOUT", "30"),
        ("--keepalive-interval", "FISH_KEEPALIVE_INTERVAL", "0"),
        ("--fallback-uri", "WYOMING_FISH_FALLBACK_URI", "tcp://piper:10200"),
        ("--zeroconf", "WYOMING_FISH_ZEROCONF", "Kitchen"),
        ("--http", "WYOMING_FISH_HTTP", "fish.local:10280"),
        ("--max-connections", "WYOMING_FISH_MAX_CONNECTIONS", "7"),
        ("--max-connections-per-address", "WYOMING_FISH_MAX_CONNECTIONS_PER_ADDRESS", "7"),
        ("--max-characters-per-hour", "WYOMING_FISH_MAX_CHARACTERS_PER_HOUR", "0"),
        (
            "--max-characters-per-hour-per-address",
            "WYOMING_FISH_MAX_CHARACTERS_PER_HOUR_PER_ADDRESS",
            "0",
        ),
        ("--client-idle-timeout", "WYOMING_FISH_CLIENT_IDLE_TIMEOUT", "0"),
        ("--write-timeout", "WYOMING_FISH_WRITE_TIMEOUT", "5"),
        ("--max-pending-characters", "WYOMING_FISH_MAX_PENDING_CHARACTERS", "500"),
        ("--cache-dir", "WYOMING_FISH_CACHE_DIR", "/tmp/fish"),  # noqa: S108 - nothing is written
        ("--cache-size", "WYOMING_FISH_CACHE_SIZE", "7"),
        ("--log-format", "WYOMING_FISH_LOG_FORMAT", "%(message)s"),
    ],
)
def test_flag_and_variable_say_the_same(flag: str, variable: str, value: str) -> None:
    """Each option can be set in either way, and the flag comes first."""
    by_flag = Options.parse([f"{flag}={value}"], KEY)
    assert by_flag == Options.parse([], {**KEY, variable: value})
    assert by_flag == Options.parse([f"{flag}={value}"], {**KEY, variable: "rubbish"})
    assert by_flag != Options.parse([], KEY)


def test_a_switch_and_its_variable_say_the_same() -> None:
    """A switch is off unless its flag is given or its variable is on."""
    on = Options.parse(["--ignore-unknown-voices"], KEY)
    assert on == Options.parse([], {**KEY, "WYOMING_FISH_IGNORE_UNKNOWN_VOICES": "1"})
    assert (on.ignore_unknown_voices, Options.parse([], KEY).ignore_unknown_voices) == (True, False)


def test_blank_is_unset() -> None:
    """A blank variable or flag, as Compose files and scripts leave them, changes nothing."""
    blank = {"FISH_BACKEND": "", "FISH_VOICE": " ", "FISH_SPEED": "\n", "WYOMING_FISH_DEMO": ""}
    assert Options.parse([], {**KEY, **blank}) == Options.parse([], KEY)
    flags = ["--voice=", "--backend= ", "--log-format=", "--cache-dir=", "--http=", "--speed="]
    assert Options.parse(flags, KEY) == Options.parse([], KEY)


@pytest.mark.parametrize(
    ("arguments", "environ", "said"),
    [
        ([], {}, "FISH_API_KEY"),
        (["--backend", "s3"], KEY, "--backend must be one of s2.1-pro, s2.1-pro-free"),
        ([], {**KEY, "FISH_LATENCY": "fast"}, "FISH_LATENCY must be one of low, balanced, normal"),
        (["--sample-rate", "22050"], KEY, 'one of 8000, 16000, 24000, 32000, 44100 (got "22050")'),
        (["--sample-rate", "44.1k"], KEY, "--sample-rate must be one of"),
        (["--voice", "a, ,b"], KEY, "empty"),
        (["--voice", "a,b", "--backend", "s1"], KEY, "one voice"),
        (["--voice", "Sarah"], KEY, 'got "Sarah"). The ID is the last part of the address'),
        (["--voice", f"{'a' * 31}"], KEY, "--voice must be a voice ID"),
        (["--voice", f"{'a' * 33}"], KEY, "--voice must be a voice ID"),
        (["--voice", "https://fish.audio/discovery/"], KEY, "the address of a voice's page"),
        ([], {**KEY, "FISH_VOICE": f"{'a' * 32},Bob"}, 'got "Bob"'),
        (["--text-mode", "tidy"], KEY, "--text-mode must be one of clean, raw"),
        (["--emoji", "say"], KEY, "drop, name"),
        ([], {**KEY, "FISH_URLS": "all"}, "host, drop"),
        (["--style", "[1]"], KEY, "--style must be a style of the backend"),
        (
            ["--style", "floating", "--backend", "s1"],
            KEY,
            "--style must be a style of the backend s1 (got",
        ),
        (["--speed", "3"], KEY, '--speed must be a number between 0.5 and 2 (got "3")'),
        (["--speed", "nan"], KEY, "between 0.5 and 2"),
        (["--speed", "1,5"], KEY, "between 0.5 and 2"),
        (["--volume", "loud"], KEY, "--volume must be a number between -20 and 20"),
        (["--sentence-pause", "6"], KEY, "--sentence-pause must be a number between 0 and 5"),
        (["--concurrency", "0"], KEY, "--concurrency must be a whole number of 1 or more"),
        (["--concurrency", "many"], KEY, '1 or more (got "many")'),
        (["--concurrency", "inf"], KEY, '1 or more (got "inf")'),
        (["--ready-connections", "-1"], KEY, "0 or more"),
        (["--ready-connections", "1.5"], KEY, "0 or more"),
        (["--keepalive-interval", "-1"], KEY, "0 or more"),
        (["--max-pause", "0.2"], KEY, "--max-pause must be 0, or a number of seconds between 0.3"),
        (["--keepalive-interval", "2.5 s"], KEY, 'a number of seconds, 0 or more (got "2.5 s")'),
        (["--pool-idle-timeout", "inf"], KEY, "0 or more"),
        (["--write-timeout", "0"], KEY, "0.1 or more"),
        (["--max-characters-per-hour", "-1"], KEY, "0 or more"),
        (["--max-characters-per-hour-per-address", "200k"], KEY, '0 or more (got "200k")'),
        (["--fallback-uri", "piper:10200"], KEY, "must be tcp://HOST:PORT or unix://PATH"),
        (["--fallback-uri", "http://piper:10200"], KEY, "must be tcp://HOST:PORT or unix://PATH"),
        (["--fallback-uri", "stdio://"], KEY, "must be tcp://HOST:PORT or unix://PATH"),
        (["--fallback-uri", "tcp://127.0.0.1:10210"], KEY, "is this server's own address"),
        (["--fallback-uri", "tcp://localhost:10210"], KEY, "is this server's own address"),
        (["--fallback-uri", "tcp://a:1", "--uri", "tcp://a:1"], KEY, "is this server's own"),
        (["--fallback-uri", "unix:///a", "--uri", "unix:///a"], KEY, "is this server's own"),
        (["--http", "localhost"], KEY, "HOST:PORT"),
        (["--http", ":10280"], KEY, "HOST:PORT"),
        (["--http", "80:80"], KEY, "--http must be PORT, or HOST:PORT with an address of this"),
        (["--http", "99999"], KEY, "a port from 1 to 65535"),
        (["--http", "::1:80"], KEY, "HOST:PORT"),
        (["--uri", "http://x:1"], KEY, "tcp://HOST:PORT"),
        (["--uri", "10210"], KEY, "tcp://HOST:PORT"),
        (["--uri", "localhost:10210"], KEY, "tcp://HOST:PORT"),
        (["--uri", "tcp://x"], KEY, "tcp://HOST:PORT"),
        (["--uri", "tcp://:10210"], KEY, "tcp://HOST:PORT"),
        (["--uri", "tcp://80:80"], KEY, "tcp://HOST:PORT"),
        (["--uri", "tcp://::1:10210"], KEY, "an IPv6 address in brackets"),
        (["--uri", "tcp://[::1:10210"], KEY, "an IPv6 address in brackets"),
        (["--uri", "tcp://x:99999"], KEY, "a port from 1 to 65535"),
        (["--fallback-uri", "tcp://x:99999"], KEY, "a port from 1 to 65535"),
        (["--base-url", "fish.local"], KEY, "--base-url must begin with http:// or https:// (got"),
        ([], {**KEY, "FISH_BASE_URL": "fish"}, "FISH_BASE_URL must begin with http://"),
        (["--base-url", "http://fish..local"], KEY, "is not a valid http:// or https:// address"),
        (["--base-url", "http://user:secret-key@fish.local"], KEY, "must not have a user name"),
        (["--base-url", "http://api.fish.audio"], KEY, "would send the API key unencrypted"),
        (["--base-url", "https://api.fish.audio/v1"], KEY, "without a path"),
        (["--api-key", "Bearer secret-key"], {}, "Copy it again"),
        (["--cache-size", "0"], KEY, "1 or more"),
        (["--cache-size", "200MB"], KEY, '1 or more (got "200MB")'),
        (
            ["--cache-dir", "/etc/passwd"],
            KEY,
            "--cache-dir must be a folder that this user can write to",
        ),
        (["--cache-dir", "/etc/passwd/x"], KEY, "/etc/passwd is not"),
        (["--log-format", "%(nonsense"], KEY, "--log-format must be a format"),
        (["--log-format", "%(nope)s"], KEY, "nope"),
        (["--log-format", "{message}"], KEY, "--log-format must be a format"),
        (["--log-format", "%(message)d"], KEY, "--log-format must be a format"),
        (["--zeroconf", "x" * 64], KEY, "at most 63 bytes"),
        ([], {**KEY, "WYOMING_FISH_DEBUG": "maybe"}, "WYOMING_FISH_DEBUG must be 1 or 0"),
        (["--dem"], KEY, "--dem"),
    ],
)
def test_bad_values_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], environ: dict[str, str], said: str
) -> None:
    """What is wrong is said at start, with what is allowed, and never with the key."""
    message = refused(capsys, arguments, environ)
    assert said in message
    assert "secret-key" not in message
    first, last = message.splitlines()
    assert first.startswith("wyoming-fish: ")
    assert last == "To see all options, add --help."


@pytest.mark.parametrize("flag", ["resume", "allow-control-tokens", "debug"])
def test_switches(flag: str) -> None:
    """A switch is off, and turned on by the flag alone or by its variable."""
    name = flag.upper().replace("-", "_")
    variable = f"WYOMING_FISH_{name}" if flag == "debug" else f"FISH_{name}"
    on = Options.parse([f"--{flag}"], KEY)
    assert on == Options.parse([], {**KEY, variable: "1"})
    off = Options.parse([], {**KEY, variable: "0"})
    assert on != off == Options.parse([], KEY)


def test_demo_needs_no_key() -> None:
    """The demo brings its own Fish Audio."""
    assert Options.parse(["--demo"], {}).endpoint is None
    assert Options.parse([], {"WYOMING_FISH_DEMO": "1"}).endpoint is None


def test_demo_ignores_a_persons_own_account() -> None:
    """Whatever is set for one, its voices are not those of the emulator."""
    own = {
        "FISH_API_KEY": "a key",
        "FISH_API_KEY_FILE": "/nowhere",
        "FISH_BASE_URL": "nonsense",
        "FISH_VOICE": "d" * 32,
    }
    assert Options.parse(["--demo"], own) == Options.parse(["--demo"], {})
    assert Options.parse([], {**own, "WYOMING_FISH_DEMO": "1"}) == Options.parse(["--demo"], {})
    # What is asked for by a flag is meant.
    assert Options.parse(["--demo", f"--voice={VOICE}"], own).speech.voice == VOICE


def test_key_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A key file's blanks are trimmed; one that is missing, empty or no text is refused."""
    file = tmp_path / "key"
    file.write_text("  from-file\n")
    options = Options.parse([], {"FISH_API_KEY_FILE": str(file)})
    assert options.endpoint is not None
    assert options.endpoint.api_key == "from-file"
    file.write_text("\n")
    assert "empty" in refused(capsys, ["--api-key-file", str(file)], {})
    file.write_bytes(b"\xff\xfe secret")
    assert "not a text file" in refused(capsys, ["--api-key-file", str(file)], {})
    assert "--api-key-file: cannot read the file" in refused(
        capsys, ["--api-key-file", str(tmp_path / "none")], {}
    )
    assert '(got "nofile")' in refused(capsys, ["--api-key-file", "nofile"], {})


def test_a_key_as_a_flag_overrides_a_file_in_the_environment(tmp_path: Path) -> None:
    """Flags override variables, also those that name the key in the other way."""
    file = tmp_path / "key"
    file.write_text("from-file")
    environ = {"FISH_API_KEY": "variable", "FISH_API_KEY_FILE": str(file)}
    for flags, key in (
        (["--api-key=flag"], "flag"),
        ([f"--api-key-file={file}"], "from-file"),
        ([], "from-file"),
    ):
        endpoint = Options.parse(flags, environ).endpoint
        assert endpoint is not None
        assert endpoint.api_key == key


def test_pronunciations_from_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are read at start; what is wrong with them is told with its line."""
    file = tmp_path / "words.txt"
    environ = {**KEY, "FISH_PRONUNCIATIONS": str(file)}
    file.write_text("# ours\n\nHass: Home Assistant\n")
    (word,) = Options.parse([], environ).text_settings.pronunciations
    assert (word.word, word.spoken) == ("Hass", "Home Assistant")
    file.write_text("Hass: Home Assistant\nGIF\n")
    assert "Line 2" in refused(capsys, [], environ)
    file.write_bytes(b"\xff")
    assert "not a text file" in refused(capsys, [], environ)
    file.write_bytes(b"# " + b"x" * 2**22)
    assert "larger than 4 MB" in refused(capsys, [], environ)
    file.unlink()
    assert "--pronunciations: cannot read the file" in refused(capsys, [], environ)


def test_text_is_trusted_on_demand() -> None:
    """Fish's own tokens do not pass unless that is asked for."""
    assert not Options.parse([], KEY).text_settings.trusted
    assert Options.parse(["--allow-control-tokens"], KEY).text_settings.trusted


def test_key_is_not_shown() -> None:
    """Neither the options' repr nor the help shows the key."""
    assert "secret-key" not in repr(Options.parse([], KEY))


def test_help_does_not_show_the_key(capsys: pytest.CaptureFixture[str]) -> None:
    """Someone who asks for help in a set-up environment does not print its key."""
    with pytest.raises(SystemExit) as caught:
        Options.parse(["--help"], KEY)
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert "FISH_API_KEY" in shown
    assert "secret-key" not in shown


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        ("tcp://localhost:10210", ListenAddress("tcp", "localhost", 10210)),
        ("tcp://[::]:0", ListenAddress("tcp", "::", 0)),
        ("unix:///run/fish.sock", ListenAddress("unix", path="/run/fish.sock")),
        ("unix://relative.sock", ListenAddress("unix", path="relative.sock")),
        ("stdio://", ListenAddress("stdio")),
    ],
)
def test_addresses(uri: str, address: ListenAddress) -> None:
    """All of Wyoming's URIs can be listened on."""
    assert ListenAddress.parse(uri) == address


@pytest.mark.parametrize(
    ("value", "host", "port"),
    [
        ("10280", "127.0.0.1", 10280),
        ("0.0.0.0:10280", "0.0.0.0", 10280),  # noqa: S104
        ("[::1]:80", "::1", 80),
    ],
)
def test_a_port_alone_is_for_this_machine_alone(value: str, host: str, port: int) -> None:
    """The page has no password: others reach it only where an address of theirs is named."""
    assert Options.parse(["--http", value], KEY).http == ListenAddress("tcp", host, port)
    assert Options.parse([], KEY).http is None
