import re
import tempfile
import wave
from pathlib import Path

from tests.support.processes import ENVIRONMENT, ROOT, run_to_end
from tests.tools.hearing import hear, share_heard

TEXT = (
    "Tomorrow morning seven friends will travel by train to a small village near the mountains. "
    "Please remember to bring bread, cheese, apples and a bottle of cold water. "
    "After lunch we could visit the old church, walk along the river and take some photographs."
)
OTHER_TEXT = (
    "Good evening, and welcome home. "
    "The lamps in the kitchen are on, the oven is warm, and the soup is waiting on the stove. "
    "It will rain until nine o'clock, so I have closed the windows upstairs."
)


def test_demo(tmp_path: Path) -> None:
    """The demo speaks its text, and starts to before the text has ended."""
    done = run_to_end(ROOT / "script" / "demo", TEXT, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert TEXT in done.stdout
    shown = done.stdout + done.stderr
    moments = re.findall(r"^ *\d+ ms  (.*)$", shown, re.MULTILINE)
    assert moments == ["first audio", "text ends", "audio ends"]

    wav = tmp_path / "demo.wav"
    with wave.open(str(wav)) as file:
        assert 8 < file.getnframes() / file.getframerate() < 30
    heard = hear(wav, [TEXT, OTHER_TEXT])
    assert share_heard(TEXT, heard) > 0.5
    assert share_heard(OTHER_TEXT, heard) < 0.25


def test_demo_cleans_up(tmp_path: Path) -> None:
    """A demo that fails says so with a status, and leaves neither a server nor a file behind."""
    (tmp_path / "demo.wav").mkdir()
    # The path of a socket has at most 107 bytes, and pytest's folders have long names.
    with tempfile.TemporaryDirectory() as temporary:
        environ = ENVIRONMENT | {"TMPDIR": temporary}
        done = run_to_end(ROOT / "script" / "demo", "One", "two.", env=environ, cwd=tmp_path)
        left = list(Path(temporary).iterdir())
    assert done.returncode == 1
    assert "demo.wav: Is a directory" in done.stderr
    # The words need no quotation marks.
    assert done.stdout == "Speaking while this is being written: One two.\n"
    assert left == []
