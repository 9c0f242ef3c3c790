"""Attempt: one try to speak the text that is written and not yet spoken."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

__all__ = ["Attempt"]


class Attempt(Protocol):
    """Speaks in one of the account's sessions. Call ``close()`` in the end."""

    @property
    def heard(self) -> bool:
        """Whether there has been any audio."""

    @property
    def sent(self) -> int:
        """Characters of the text that were sent."""

    @property
    def pending(self) -> bool:
        """Whether words were sent that have not been spoken yet, as far as can be known."""

    @property
    def idle_since(self) -> float | None:
        """The loop's time since which there has been nothing to speak; None while there is."""

    @property
    def is_ending(self) -> bool:
        """Whether no more text will be sent."""

    def stop(self) -> None:
        """Send no more text. ``audio`` ends when what was sent is spoken."""

    async def due(self) -> bool:
        """Wait until there is something to send; false if the text ends without it."""

    def audio(self, until: float | None) -> AsyncGenerator[bytes]:
        """Send the text and give the audio, both as they come.

        It ends when all of the text is spoken, or what was sent of it after ``stop``, or all that
        there is of one that pauses for long. Raises FishError, also when it is not heard by the
        loop's time ``until``.
        """

    def spoken(self) -> int | None:
        """How many characters were spoken, with nothing heard of the others; None: not known."""

    def close(self) -> None:
        """Wait for no more text."""
