"""Names in texts that Home Assistant shows as Markdown: descriptions of forms and of repairs."""

import re

# A backslash before any of these makes it a plain character (CommonMark), also where a bare address
# or a list would begin.
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")


def escaped(name: str) -> str:
    """Return the Markdown that shows ``name``, which a stranger may have written, as it is."""
    return _PUNCTUATION.sub(r"\\\g<0>", name)
