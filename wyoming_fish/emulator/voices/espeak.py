"""The voice `espeak`: espeak-ng from the package `espeakng-loader`, which carries it and its data.

espeak-ng keeps its state in the process, so all synthesis of the process runs in one thread.
"""

import ctypes
import re
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.util import find_spec
from typing import Any

PACKAGES = {"espeakng_loader": "espeakng-loader", "numpy": "numpy", "soxr": "soxr"}

ESPEAK_RATE = 22050
"""Hz: what espeak-ng speaks at."""
WORDS_A_MINUTE = 175
"""At speed 1: espeak-ng's own default."""
LEADING_SILENCE = 0.01
"""Seconds that are left of the silence before the first sound."""
SILENT = 100
"""A sample below it, of 32767, is silence."""

DEFAULT_LANGUAGE = "en-us"
# Where espeak-ng's name for a language is not the one that Fish lists.
LANGUAGES = {"zh": "cmn", "en": DEFAULT_LANGUAGE, "no": "nb", "fr-fr": "fr", "en-gb": "en"}

_SENTENCE_END = re.compile(r"""[.!?…。！？]["'”’)\]）」』]*\s*$""")

# From espeak-ng's speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_END_PAUSE = 0x1000
_RATE = 1
_OK = 0

_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


@cache
def missing_packages() -> tuple[str, ...]:
    """The names of the packages that this voice needs and that are not installed."""
    return tuple(name for module, name in PACKAGES.items() if find_spec(module) is None)


@cache
def espeak_thread() -> ThreadPoolExecutor:
    """The one thread in which `speak_espeak` may run."""
    return ThreadPoolExecutor(1, thread_name_prefix="espeak")


def speak_espeak(
    text: str, rate: int, speed: float, volume: float, language: str, variant: str
) -> bytes:
    """Say `text` as s16le mono PCM at `rate` Hz. Blocks; runs in `espeak_thread` only.

    `speed` is a factor, `volume` in dB. A language that espeak-ng does not know is spoken as
    English, as is none (""). The `variant` "" is the language's own voice.
    """
    import numpy as np  # noqa: PLC0415 - heavy, and not installed everywhere
    import soxr  # noqa: PLC0415

    engine = _engine()
    engine.use(language, variant)
    # Within a text espeak-ng makes the pauses itself; at its end only on demand.
    spoken = engine.speak(text, speed, end_pause=_SENTENCE_END.search(text) is not None)
    samples = np.frombuffer(spoken, dtype="<i2").astype(np.float32)
    loud = np.flatnonzero(abs(samples) >= SILENT)
    if loud.size:
        samples = samples[max(0, int(loud[0]) - int(LEADING_SILENCE * ESPEAK_RATE)) :]
    samples *= 10 ** (volume / 20)
    if rate != ESPEAK_RATE:
        samples = soxr.resample(samples, ESPEAK_RATE, rate)
    pcm: bytes = np.clip(samples, -32768, 32767).round().astype("<i2").tobytes()
    return pcm


@cache
def _engine() -> "_Engine":
    return _Engine()


class _Engine:
    def __init__(self) -> None:
        import espeakng_loader  # noqa: PLC0415

        self._library: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        self._library.espeak_SetVoiceByName.argtypes = [ctypes.c_char_p]
        self._library.espeak_Synth.argtypes = [
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.c_void_p,
            ctypes.c_void_p,
        ]
        data = espeakng_loader.get_data_path().encode()
        rate = self._library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS, 0, data, _INITIALIZE_DONT_EXIT
        )
        if rate != ESPEAK_RATE:
            raise RuntimeError(f"espeak-ng could not be started with its data at {data!r}: {rate}")
        self._heard: list[bytes] = []
        # Held here, since espeak-ng keeps only its address.
        self._callback = _Callback(self._hear)
        self._library.espeak_SetSynthCallback(self._callback)

    def use(self, language: str, variant: str) -> None:
        code = LANGUAGES.get(language.lower(), language.lower())
        suffix = f"+{variant}" if variant else ""
        for name in (code, code.partition("-")[0], DEFAULT_LANGUAGE):
            if name and self._library.espeak_SetVoiceByName((name + suffix).encode()) == _OK:
                return
        raise RuntimeError(f"espeak-ng has no voice for {language!r}")

    def speak(self, text: str, speed: float, *, end_pause: bool) -> bytes:
        self._library.espeak_SetParameter(_RATE, round(WORDS_A_MINUTE * speed), 0)
        self._heard.clear()
        flags = _CHARS_UTF8 | (_END_PAUSE if end_pause else 0)
        data = text.replace("\0", " ").encode()
        error = self._library.espeak_Synth(data, len(data) + 1, 0, 0, 0, flags, None, None)
        if error != _OK:
            raise RuntimeError(f"espeak-ng could not speak: error {error}")
        return b"".join(self._heard)

    def _hear(self, samples: Any, count: int, events: object) -> int:
        if samples and count > 0:
            self._heard.append(ctypes.string_at(samples, count * 2))
        return 0
