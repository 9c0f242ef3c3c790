"""Silence cutter: shortens the silence that a model puts before and within its speech."""

from __future__ import annotations

import math
import sys
from array import array
from operator import mul
from typing import Final

from .settings import Backend, SpeechSettings

__all__ = ["MAX_PAUSE_BY_BACKEND_S", "SilenceCutter"]

# Seconds of the longest pause of these backends, unless an option says otherwise. Drama 3 puts up
# to 5 s between sentences. A user who cut them found 0.7 s natural.
MAX_PAUSE_BY_BACKEND_S: Final = {Backend.DRAMA_3: 0.7, Backend.DRAMA_3_PREVIEW: 0.7}

# Decibels of full scale (root mean square) below which audio is silence, at a volume of 0 dB. A
# whisper has about -40, what models put between sentences less than -60.
SILENCE_DBFS: Final = -50.0
FULL_SCALE: Final = 2.0**15

# Seconds of audio that are measured together: about one period of the deepest voice.
WINDOW_S: Final = 0.01

# Seconds of silence that are kept before speech, since a word can begin more quietly than silence
# ends. A user with Drama 3 found that enough. No more than this is ever held back.
ONSET_S: Final = 0.12

# Seconds of silence that are cut at a time. A model that has gone astray makes more: that is given,
# so that the bound on the audio of a reply (`max_audio_s`) holds.
MAX_CUT_S: Final = 10.0


class SilenceCutter:
    """s16le mono PCM of one session, in whole samples → the same, its silence cut.

    Silence between sounds becomes ``max_pause_s`` of ``settings`` at most, and silence before the
    first sound ONSET_S. All else is given as it comes, unchanged, and everything if there is no
    bound.
    """

    def __init__(self, settings: SpeechSettings) -> None:
        rate, max_pause_s = settings.sample_rate, settings.max_pause_s
        if max_pause_s is None:
            max_pause_s = MAX_PAUSE_BY_BACKEND_S.get(settings.backend, 0.0)
        self._is_on = max_pause_s > 0
        self._window_bytes = 2 * round(WINDOW_S * rate)
        self._onset_bytes = 2 * round(ONSET_S * rate)
        self._tail_bytes = max(0, 2 * round(max_pause_s * rate) - self._onset_bytes)
        self._max_cut_bytes = 2 * round(MAX_CUT_S * rate)
        decibels = SILENCE_DBFS + settings.volume
        self._max_mean_square = FULL_SCALE * FULL_SCALE * math.pow(10.0, decibels / 10.0)
        self._held = bytearray()
        """Silence that is kept if speech follows."""
        self._left_bytes = 0
        """Silence that may still be given immediately."""
        self._cut_bytes = 0
        """Silence that was cut since the last sound."""

    def feed(self, pcm: bytes) -> bytes:
        """The audio that can be given now."""
        if not self._is_on:
            return pcm
        given = bytearray()
        for begin in range(0, len(pcm), self._window_bytes):
            window = pcm[begin : begin + self._window_bytes]
            if self._is_silent(window):
                self._add_silence(window, given)
            else:
                given += self._held
                given += window
                self._held.clear()
                self._left_bytes, self._cut_bytes = self._tail_bytes, 0
        return bytes(given)

    def end(self) -> bytes:
        """The silence that was held back, at the end of the session."""
        given = bytes(self._held)
        self._held.clear()
        return given

    def _is_silent(self, window: bytes) -> bool:
        samples = array("h", window)
        if sys.byteorder == "big":
            samples.byteswap()
        energy: int = sum(map(mul, samples, samples))
        return energy < self._max_mean_square * len(samples)

    def _add_silence(self, window: bytes, given: bytearray) -> None:
        now = window[: self._left_bytes]
        self._left_bytes -= len(now)
        given += now
        self._held += window[len(now) :]
        excess = max(0, len(self._held) - self._onset_bytes)
        if self._cut_bytes >= self._max_cut_bytes:
            given += self._held[:excess]
        else:
            self._cut_bytes += excess
        del self._held[:excess]
