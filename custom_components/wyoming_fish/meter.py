"""What a voice speaks, from the entity that speaks it to the sensors that tell of it."""

from collections.abc import Callable

from homeassistant.core import CALLBACK_TYPE, callback

type Listener = Callable[[float, int], None]


class Meter:
    """The replies of one voice."""

    def __init__(self) -> None:
        """Start with nothing spoken."""
        self.first_audio: float | None = None
        """Seconds from the first text of the last reply to its first sample."""
        self._listeners: list[Listener] = []

    @callback
    def reply(self, first_audio: float, size: int) -> None:
        """Tell of a reply: seconds to its first audio, bytes of its text (UTF-8, as billed)."""
        self.first_audio = first_audio
        for listener in self._listeners:
            listener(first_audio, size)

    @callback
    def listen(self, listener: Listener) -> CALLBACK_TYPE:
        """Tell ``listener`` of each reply; return what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)
