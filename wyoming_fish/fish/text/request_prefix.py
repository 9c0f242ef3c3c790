"""Request prefix: style and speaker, since Fish knows nothing of the request before."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["RequestPrefix"]

_SPEAKER: Final = re.compile(r"<\|speaker:\d{1,3}\|>")
_CUES_AND_SPEAKER: Final = re.compile(rf"(?:\[[^\[\]]*\] ?)*{_SPEAKER.pattern}")


class RequestPrefix:
    """The style of a reply, and who speaks: what was said of them before holds on.

    ``style`` is a cue and ``speaker`` a token, as Fish takes them; either may be empty.
    """

    def __init__(self, style: str = "", speaker: str = "") -> None:
        self._style = f"{style} " if style else ""
        self._speaker = speaker

    def apply(self, text: str) -> str:
        """``text`` as a request that begins with it is to have it."""
        begun = text.lstrip()
        if self._style and not begun.startswith(self._style):
            text = begun = self._style + begun
        if self._speaker and not _CUES_AND_SPEAKER.match(begun):
            text = self._speaker + begun
        return text

    def on_spoken(self, text: str) -> None:
        """``text`` has been spoken; what comes is spoken by its last speaker."""
        if speakers := _SPEAKER.findall(text):
            self._speaker = speakers[-1]
