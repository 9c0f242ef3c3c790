"""Which of the marks that make emphasis are meant to be read: «5 * 3», «snake_case», «~5 °C».

Markdown pairs its marks with what closes them, which may be far away. Speech need not wait for
that: a mark at the edge of a word is emphasis whether it is closed or not.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

__all__ = ["MARKS", "is_read"]

MARKS: Final = "*_~="
_CURRENCIES: Final = "$€£¥"


@lru_cache(256)
def is_read(run: str, before: str, after: str, *, opened: bool) -> bool:
    """Whether ``run``, a mark or several of the same, is part of the text.

    ``before`` is the character before it (a line end, where there is none), and ``after`` are the
    two that follow, or less at the end. ``opened`` is whether such a run has opened emphasis.
    """
    mark, length, next_one = run[0], len(run), after[:1] or "\n"
    if mark == "_":
        return before.isalnum() and next_one.isalnum()
    if mark == "~":
        is_letter = before.isascii() and before.isalpha()
        return length == 1 and not is_letter and (next_one.isdecimal() or next_one in _CURRENCIES)
    if mark == "=":
        return length == 1 or (length == 2 and before == next_one == " ")
    if length > 2:
        return False
    if before.isspace() or next_one.isspace():
        # With a space on one side it is at the edge of a word; with two it is «5 * 3».
        far = after[1:2]
        return length == 1 and before == next_one == " " and (far.isalnum() or far in ("(", "-"))
    return _is_arithmetic(length, before, next_one, opened=opened)


def _is_arithmetic(length: int, before: str, after: str, *, opened: bool) -> bool:
    digits = before.isdecimal(), after.isdecimal()
    if length == 2:
        # «2**8», «x**2»
        return digits[1] and not opened and before.isascii() and (before.isalnum() or before == ")")
    if all(digits):
        return True
    if opened or not (before.isascii() and after.isascii()):
        return False
    if digits[0] or before == ")":
        return after == "(" or after.isdecimal() or (digits[0] and after.isalnum())
    return digits[1] and before.isalnum()
