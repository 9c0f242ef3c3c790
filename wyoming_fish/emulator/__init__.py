"""A Fish Audio on localhost, for the demonstration and the tests.

It knows the live sockets, `POST /v1/tts`, speech as server-sent events, the account's voices and
its wallet, as Fish's official documentation and SDKs describe them; where they leave a question
open, it is as strict as they allow. It really speaks where `espeakng-loader`, `numpy` and `soxr`
are installed. Beside it there are the servers that people run at home: a fish-speech, and one with
OpenAI's speech API.
"""

from .api.account import VOICES, EmulatedVoice
from .fish_speech import FishSpeechEmulator
from .openai_speech import OpenAiSpeechEmulator
from .server import Emulator
from .settings import EmulatorSettings, Fault
from .state import RecordedRequest, SessionRecord
from .voices import decode_code_voice

__all__ = [
    "VOICES",
    "EmulatedVoice",
    "Emulator",
    "EmulatorSettings",
    "Fault",
    "FishSpeechEmulator",
    "OpenAiSpeechEmulator",
    "RecordedRequest",
    "SessionRecord",
    "decode_code_voice",
]
