"""Values as people write them, and what is told of those that cannot be right."""

from pathlib import Path

import pytest

from wyoming_fish.cli.options import Options

from .test_options import KEY, VOICE, refused


@pytest.mark.parametrize(
    ("flag", "written", "meant"),
    [
        ("--backend", "S1", "s1"),
        ("--latency", " Low ", "low"),
        ("--text-mode", "RAW", "raw"),
        ("--speed", "1.50", "1.5"),
        ("--ready-connections", "2.0", "2"),
        ("--uri", "TCP://localhost:1/", "tcp://localhost:1"),
        ("--http", "http://localhost:8210/", "localhost:8210"),
        ("--base-url", "https://fish.local/", "https://fish.local/"),
        ("--voice", f"https://fish.audio/m/{VOICE}/", VOICE),
        ("--voice", f"https://fish.audio/app/m/{VOICE}?utm_source=copy", VOICE),
        ("--voice", f"fish.audio/m/{VOICE}", VOICE),
        ("--voice", VOICE.upper(), VOICE),
        ("--voice", f"https://fish.audio/m/{VOICE} , {'b' * 32}", f"{VOICE},{'b' * 32}"),
        ("--cache-dir", "~/cache", "/tmp/someone/cache"),  # noqa: S108 - nothing is written
    ],
)
def test_what_people_write(
    monkeypatch: pytest.MonkeyPatch, flag: str, written: str, meant: str
) -> None:
    """Capitals, blanks, a slash at the end and the address of a voice's page are understood."""
    monkeypatch.setenv("HOME", "/tmp/someone")  # noqa: S108 - likewise
    assert Options.parse([f"{flag}={written}"], KEY) == Options.parse([f"{flag}={meant}"], KEY)


@pytest.mark.parametrize("mark", ["'", '"'])
def test_quotes_around_a_variable(mark: str) -> None:
    """Docker's env files leave them there; they are no part of the value."""
    quoted = {"FISH_API_KEY": f"{mark}secret-key{mark}", "FISH_BACKEND": f" {mark}s1{mark}\n"}
    assert Options.parse([], quoted) == Options.parse(["--backend=s1"], KEY)


def test_a_self_hosted_server_has_voices_of_any_name() -> None:
    """There a voice is the name of a folder."""
    url = "--base-url=http://127.0.0.1:8080"
    assert Options.parse([url, "--voice=Captain Kelp"], KEY).speech.voice == "Captain Kelp"


def test_phonemes_that_are_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are told at the start, with their line and what there is."""
    file = tmp_path / "words.txt"
    environ = {**KEY, "FISH_PRONUNCIATIONS": str(file)}
    for good in ("/L AY1 V/", "/EH1 N/", "/chong2 qing4/", "/ha0shi1/", "/lü4/"):
        file.write_text(f"live: {good}\n")
        assert Options.parse([], environ).text_settings.pronunciations[0].is_phonemes
    for bad in ("/QQ/", "/naɪs/", "/L AY9 V/", "/hello/", "/l ay1 v/"):
        file.write_text(f"live: {bad}\n")
        message = refused(capsys, [], environ)
        assert "Line 1 of the pronunciations" in message
        assert f"{bad} is not in phonemes" in message


def test_a_proxys_address_that_is_not_valid(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told at the start, without its password."""
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("https_proxy", "http://user:pa#55word@proxy:3128")
    message = refused(capsys, [], KEY)
    assert "HTTPS_PROXY is not valid" in message
    assert "55word" not in message


@pytest.mark.parametrize(
    ("value", "name"), [("1", None), ("Yes", None), ("Kitchen", "Kitchen"), ("0", ""), ("off", "")]
)
def test_zeroconf_can_be_turned_on_like_a_switch(value: str, name: str | None) -> None:
    """A yes or a no is not a name."""
    found = Options.parse([], {**KEY, "WYOMING_FISH_ZEROCONF": value}).zeroconf or ""
    assert found.startswith("Wyoming Fish on ") if name is None else found == name
