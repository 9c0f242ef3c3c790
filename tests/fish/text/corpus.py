"""The corpus: replies with what must be heard of them, and texts with the ends of their sentences.

Replies are in corpus.txt and replies/, texts in sentences/: a file for each language, or for each
kind of English reply. known_failures.txt has what is wrong today.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from wyoming_fish.fish.settings import Backend
from wyoming_fish.fish.text import Cleaner, TextSettings
from wyoming_fish.fish.text.sentences import CutKind, Sentences

_FOLDER: Final = Path(__file__).parent
KNOWN_FAILURES: Final = _FOLDER / "known_failures.txt"

_ESCAPE: Final = re.compile(r"\\(?:([nrt\\*.])|u([0-9a-f]{4}))")
_PLAIN: Final = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}")


@dataclass(frozen=True)
class Reply:
    file: str
    number: int
    written: str
    readings: tuple[str, ...]
    """What may be heard, the best first."""
    backend: Backend
    settings: TextSettings

    def __str__(self) -> str:
        return f"{self.file} line {self.number}"

    @property
    def key(self) -> str:
        options = "" if self.settings == TextSettings() else f" {self.settings.emoji}"
        backend = "" if self.backend is Backend.S2_1_PRO else f" {self.backend}"
        return f"{self.file}{options}{backend}: {escaped(self.written)}"

    @property
    def language(self) -> str:
        """The code of its language: English for a file of one kind, none for corpus.txt."""
        name = Path(self.file).stem
        if name == "corpus":
            return "several"
        return name if _LANGUAGE.fullmatch(name) else "en"

    def cleaner(self) -> Cleaner:
        return Cleaner(self.backend, self.settings)

    def said(self) -> str:
        """What is said of it today."""
        return clean(self.cleaner(), self.written).rstrip(" \n")


@dataclass(frozen=True)
class SentenceCase:
    file: str
    number: int
    sentences: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.file} line {self.number}"

    @property
    def key(self) -> str:
        return f"{self.file}: {escaped(self.text)}"

    @property
    def language(self) -> str:
        return Path(self.file).stem

    @property
    def text(self) -> str:
        return "".join(self.sentences)

    def said(self) -> str:
        """The text with its sentences as they are found today."""
        return marked(self.text, sentence_ends_found(self.text))


def clean(cleaner: Cleaner, *pieces: str) -> str:
    """All that is spoken of ``pieces``."""
    return "".join([*map(cleaner.write, pieces), cleaner.end()])


def heard_in_pieces(cleaner: Callable[[], Cleaner], written: str) -> str:
    """What is spoken of ``written``, which is the same wherever it is cut."""
    whole = clean(cleaner(), written)
    for at in range(len(written)):
        assert clean(cleaner(), written[:at], written[at:]) == whole, written[:at]
    assert clean(cleaner(), *written) == whole
    return whole.rstrip(" \n")


def sentence_ends_found(text: str) -> list[int]:
    """Where a sentence certainly ends within ``text``, as characters before it."""
    sentences = Sentences()
    sentences.write(text)
    return [cut.at for cut in sentences.cuts if cut.kind is CutKind.SENTENCE and cut.at < len(text)]


def marked(text: str, ends: list[int]) -> str:
    """``text`` with | after each of ``ends``."""
    return "|".join(text[a:b] for a, b in pairwise([0, *ends, len(text)]))


def visible_ends(sentences: tuple[str, ...] | list[str]) -> set[int]:
    """Where sentences end, but for the last one, as characters before it that are no spaces."""
    ends, seen = set(), 0
    for sentence in sentences:
        seen += len("".join(sentence.split()))
        ends.add(seen)
    return ends - {seen, 0}


def escaped(text: str) -> str:
    """``text`` on one line, as the corpus has it."""
    text = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    text = text.replace("\t", "\\t")
    return "".join(
        letter if letter.isprintable() or ord(letter) > 0xFFFF else f"\\u{ord(letter):04x}"
        for letter in text
    )


def unescaped(text: str) -> str:
    """What a line of the corpus stands for."""

    def one(match: re.Match[str]) -> str:
        if match[2]:
            return chr(int(match[2], 16))
        return _PLAIN.get(match[1], match[0])

    return _ESCAPE.sub(one, text)


def replies() -> list[Reply]:
    """All of corpus.txt and replies/."""
    paths = [_FOLDER / "corpus.txt", *sorted(_FOLDER.glob("replies/*.txt"))]
    return [reply for path in paths for reply in _replies_of(path)]


def _replies_of(path: Path) -> list[Reply]:
    found = []
    options: dict[str, Any] = {}
    backend = Backend.S2_1_PRO
    name = str(path.relative_to(_FOLDER))
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
        if line.startswith("@"):
            options = {}
            for option in line[1:].split():
                key, _, value = option.partition("=")
                options[key] = value if key != "trusted" else value == "yes"
            backend = Backend(options.pop("backend", Backend.S2_1_PRO))
        elif "⇒" in line:
            written, *readings = (unescaped(part.strip(" ")) for part in line.split("⇒"))
            settings = TextSettings(**options)
            found.append(Reply(name, number, written, tuple(readings), backend, settings))
    return found


def sentence_cases() -> list[SentenceCase]:
    """All of sentences/."""
    found = []
    for path in sorted(_FOLDER.glob("sentences/*.txt")):
        name = str(path.relative_to(_FOLDER))
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            if line and not line.startswith("# "):
                sentences = tuple(unescaped(line).split("|"))
                found.append(SentenceCase(name, number, sentences))
    return found


def failures() -> dict[str, str]:
    """What is wrong today: the cases, and what comes out of them."""
    wrong = {}
    for reply in replies():
        if (said := reply.said()) not in reply.readings:
            wrong[reply.key] = escaped(said)
    for case in sentence_cases():
        if (said := case.said()) != "|".join(case.sentences):
            wrong[case.key] = escaped(said)
    return wrong


def known_failures() -> dict[str, str]:
    """All of known_failures.txt."""
    lines = KNOWN_FAILURES.read_text(encoding="utf-8").split("\n")
    return dict(line.split(" ⇒ ", 1) for line in lines if " ⇒ " in line)


def write_known_failures() -> None:
    """Write what is wrong today to known_failures.txt."""
    head = (
        "# Cases of the corpus that come out wrong, and what comes out. "
        "script/bench text --update writes this file.\n"
    )
    lines = (f"{case} ⇒ {said}\n" for case, said in failures().items())
    KNOWN_FAILURES.write_text(head + "".join(lines), encoding="utf-8")


def typical_text() -> str:
    """corpus.txt as one text, but for replies that take what follows them for code or thoughts."""
    plain = [
        reply
        for reply in replies()
        if reply.file == "corpus.txt"
        and reply.settings == TextSettings()
        and reply.backend is Backend.S2_1_PRO
    ]
    return "\n\n".join(
        reply.written
        for reply in plain
        if reply.cleaner().write(f"{reply.written}\n\nEnd").endswith("End")
    )
