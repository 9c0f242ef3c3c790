r"""TeX formulas, as models write them: `$x^2$`, `\(\pi\)`, `\frac{1}{2}`.

A price is not a formula: a formula begins with characters that no price has. The formula is written
in plain characters, such as `x²`, `π` or `1/2`. The voice decides how to read them.
"""

from __future__ import annotations

import re
from html.entities import html5
from typing import Final

from .state import NEED_MORE, Handler, IncrementalPattern, NeedMore, ParserState

__all__ = ["HANDLERS", "plain"]

_BEGINS: Final = (
    r"\\[A-Za-z{]|[A-Za-z](?:[\^_=+*/(<>\\,-]| [=+<>*\\-]|(?=\$))|[A-Za-z]{2,8}[\^\\]"
    r"|\d[\d.,]{0,9}(?:[\^\\_]|(?=\$\D))"
)
# A formula that begins with a number and continues with a sign: `$3x + 5 = 20$`, but not `$5-$10`.
_BEGINS_WITH_NUMBER: Final = r"\d[\d.,]{0,9}(?:[a-z]?[ ]?[=+*<>]|[a-z][\^_(-]|[a-z] -)"
_DISPLAYED: Final = r"\$\$(?:(?<=\n\$\$)\s{0,9})"

# A formula between dollars, or doubled dollars.
_DOLLARS: Final = IncrementalPattern(
    rf"\$(?P<inline>(?:{_BEGINS})[^$\n]{{0,200}})\$"
    rf"|\$(?P<numeric>{_BEGINS_WITH_NUMBER}[^$\n]{{0,200}}(?<=\S))\$(?=\D)"
    rf"|{_DISPLAYED}?(?P<displayed>[A-Za-z0-9\\({{-][^$]{{0,300}})\$\$",
    rf"\$(?:(?:{_BEGINS})[^$\n]{{0,200}}|\d[\d.,]{{0,9}}[a-z]?[ ]?|"
    rf"{_BEGINS_WITH_NUMBER}[^$\n]{{0,200}}\$?|[A-Za-z]?[ ]|[A-Za-z]{{0,8}}|\\|\d[\d.,]{{0,9}}\$?)"
    rf"|{_DISPLAYED}?(?:[A-Za-z0-9\\({{-][^$]{{0,300}}\$?)?",
    limit=320,
)

# A formula between parentheses or brackets that have a backslash.
_PARENTHESES: Final = IncrementalPattern(
    r"\\\((?P<inline>(?:[^\\\n]|\\[^()\n]){1,200})\\\)"
    r"|\\\[(?P<displayed>(?:[^\\]|\\[^\[\]]){1,300})\\\]",
    r"\\\((?:[^\\\n]|\\[^()\n]){0,200}\\?|\\\[(?:[^\\]|\\[^\[\]]){0,300}\\?",
    limit=310,
)

_WORDS: Final = frozenset("sin cos tan log ln exp lim min max gcd mod det".split())
# What only says how a formula looks.
_SILENT: Final = frozenset(
    "text textbf textit mathrm mathbf mathit mathsf operatorname displaystyle boxed left right "
    "big Big quad qquad frac dfrac tfrac binom begin end overline vec hat bar".split()
)
_SIGNS: Final = {
    **dict.fromkeys("alpha beta gamma delta epsilon theta lambda mu pi rho sigma tau phi".split()),
    **dict.fromkeys("omega Delta Omega Sigma approx equiv geq leq pm times div sim".split()),
    **dict.fromkeys("rightarrow Rightarrow sum prod int".split()),
} | {
    name: sign
    for sign, names in {
        "×": "cdot",
        "°": "circ degree",
        "≠": "ne neq",
        "≤": "le",
        "≥": "ge",
        "∞": "infty",
        "√": "sqrt",
        "→": "to",
        "…": "dots ldots cdots",
    }.items()
    for name in names.split()
}

# A command with what it is given, in the midst of text.
_COMMAND: Final = IncrementalPattern(
    r"\\(?P<name>[A-Za-z]{2,12})(?![A-Za-z])(?:\{[^{}\n]{0,60}\}){0,2}(?=[^{])",
    r"\\[A-Za-z]{0,12}(?:\{[^{}\n]{0,60}\}){0,2}(?:\{[^{}\n]{0,60})?",
    limit=160,
)

_ANY_COMMAND: Final = re.compile(r"\\(?:(?:begin|end)\{[^{}]{0,30}\}|([A-Za-z]+)|(.))", re.DOTALL)
_KNOWN: Final = _WORDS | _SILENT | _SIGNS.keys()

# What markdown lets a backslash stand before.
_ESCAPED: Final = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")

_POWERS: Final = {"^2": "²", "^3": "³", "^{2}": "²", "^{3}": "³"}
_MARKS: Final = re.compile(r"\^(?:[23](?![0-9])|\{[23]\}|\{?(?=°))|\}\s*\{|[{}_&~$]")


def plain(formula: str) -> str:
    """``formula`` without TeX's marks."""
    return _MARKS.sub(_mark, _ANY_COMMAND.sub(_sign, formula))


def _sign(match: re.Match[str]) -> str:
    name = match[1]
    if name in _SIGNS:
        return _SIGNS[name] or html5[f"{name};"]
    if name:
        return " " if name in _SILENT else f" {name} "
    return match[2] if match[2] in ("%", "$", "#", "{", "}") else " "


def _mark(match: re.Match[str]) -> str:
    mark = match[0]
    if mark in _POWERS:
        return _POWERS[mark]
    if mark.startswith("}") and len(mark) > 1:
        return "/"
    return " " if mark in "&~" else ""


def _dollar(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    found = _DOLLARS.read(text + " " if complete else text, at, complete=complete)
    if found is NEED_MORE:
        return NEED_MORE
    if found is None:
        state.spoken.text("$")
        return at + 1
    state.spoken.literal(plain(found["inline"] or found["numeric"] or found["displayed"]))
    return found.end()


def _backslash(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    after = text[at + 1 : at + 2]
    if not after and not complete:
        return NEED_MORE
    if after in ("", "\n"):
        return at + 1
    if after in ("(", "["):
        found = _PARENTHESES.read(text, at, complete=complete)
        if found is NEED_MORE:
            return NEED_MORE
        if found:
            state.spoken.literal(plain(found["inline"] or found["displayed"]))
            return found.end()
    elif after in (",", ";"):
        state.spoken.gap()
    elif after in _ESCAPED:
        if after not in ")]":
            state.spoken.literal(after)
    else:
        return _command(state, text, at, complete)
    return at + 2


def _command(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    before = text[at - 1]
    if not (before.isalpha() or before in ":\\"):
        found = _COMMAND.read(text + " " if complete else text, at, complete=complete)
        if found is NEED_MORE:
            return NEED_MORE
        if found and found["name"] in _KNOWN:
            state.spoken.literal(plain(found[0]))
            return found.end()
    state.spoken.mark("\\")
    return at + 1


HANDLERS: Final[dict[str, Handler]] = {"$": _dollar, "\\": _backslash}
