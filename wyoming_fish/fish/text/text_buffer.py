"""Text buffer: a text that grows at its end and can be read from any place in it."""

from __future__ import annotations

from typing import Final

__all__ = ["TextBuffer"]

# Characters up to which a part is joined with what follows it. Each string takes 50 bytes besides
# its text, so letters by themselves would take fifty times as much.
MIN_PART_CHARS: Final = 1024


class TextBuffer:
    """A text in parts, each of which is not empty; small ones are joined as they come."""

    def __init__(self) -> None:
        self.length = 0
        """Characters."""
        self._parts: list[str] = []

    def write(self, text: str) -> None:
        """Add text to the end."""
        if not text:
            return
        self.length += len(text)
        if self._parts and len(self._parts[-1]) < MIN_PART_CHARS:
            self._parts[-1] += text
        else:
            self._parts.append(text)

    def since(self, at: int) -> list[str]:
        """Return the text after its first ``at`` characters, in parts."""
        parts: list[str] = []
        end = self.length
        for part in reversed(self._parts):
            if end <= at:
                break
            start = end - len(part)
            parts.append(part[max(0, at - start) :])
            end = start
        return parts[::-1]

    def take(self, count: int) -> str:
        """Remove the first ``count`` characters, and return them."""
        taken: list[str] = []
        while count and self._parts:
            part = self._parts[0]
            taken.append(part[:count])
            self._parts[:1] = [part[count:]] if len(part) > count else []
            count -= len(taken[-1])
            self.length -= len(taken[-1])
        return "".join(taken)
