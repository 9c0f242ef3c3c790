"""How the emulator behaves: latency, limits, its voice, and what goes wrong when."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, get_args

from .api.account import VOICES, EmulatedVoice

VoiceName = Literal["espeak", "tone", "code"]
Split = Literal["length", "sentence", "never"]
AfterFinish = Literal["keep", "close", "drop"]
Reading = Literal["written", "normalised"]
UnknownVoice = Literal["error", "finish-error", "silent", "default"]
UnknownBackend = Literal["default", "refused"]
FreeModel = Literal["free", "ended", "billed"]
LimitPoint = Literal["start", "upgrade"]
FaultPoint = Literal["upgrade", "rest", "start", "text", "audio", "finish"]
FaultKind = Literal["drop", "close", "error", "finish-error", "finish-early", "silent", "stall"]

_HTTP_POINTS = ("upgrade", "rest")


@dataclass(frozen=True, slots=True, eq=False)
class Fault:
    """Something that goes wrong at one point of a session.

    Each Fault counts its own strikes: two equal ones are two faults.
    """

    point: FaultPoint
    """Where: `upgrade`, the websocket's handshake; `rest`, any REST request; `start`, `text`: as
    that event arrives, before anything is done with it; `audio`: before an audio event is sent;
    `finish`: before `finish` is sent. `audio` and `finish` strike speech on REST too, at a piece
    of its body and before its end."""
    kind: FaultKind | int
    """What. At `upgrade` and `rest`: an HTTP status, `drop`, or `stall` (no answer ever).
    Elsewhere: `drop`, the TCP connection ends without a close frame; `close`, a close frame with
    1011; `error`, an `error` event, then a close frame; `finish-error`, `finish` with the reason
    error; `finish-early`, `finish` with the reason stop, whatever text is left; `silent`, no audio
    from here on, all else as ever; `stall`, nothing more is sent (pings are still answered).
    Speech on REST knows no messages: there `close`, `error` and `finish-error` are a `drop`, and
    `finish-early` ends the body as if it were whole."""
    times: int | None = 1
    """How many sessions (upgrades, requests) it strikes. None: every one."""
    at: int = 0
    """Which text or audio event of its session, from 0: `audio` at 2 strikes after two of them."""

    def __post_init__(self) -> None:
        if self.point not in get_args(FaultPoint):
            raise ValueError(f"no such point: {self.point}; there are {get_args(FaultPoint)}")
        if isinstance(self.kind, int):
            fits = self.point in _HTTP_POINTS
        elif self.point in _HTTP_POINTS:
            fits = self.kind in ("drop", "stall")
        elif self.point == "finish":
            fits = self.kind in get_args(FaultKind) and self.kind not in ("finish-early", "silent")
        else:
            fits = self.kind in get_args(FaultKind)
        if not fits:
            raise ValueError(f"{self.kind} cannot happen at {self.point}")
        if self.at and self.point not in ("text", "audio"):
            raise ValueError(f"{self.point} happens once: at cannot be {self.at}")


@dataclass(slots=True)
class EmulatorSettings:
    """Settings of the emulator. Each request reads them, so they can change while it runs."""

    voice: VoiceName | None = None
    """espeak really speaks, tone gives a plain tone for each word, code encodes the text so that
    `decode_code_voice` gives it back. None: espeak where its packages are installed, else tone."""
    key: str | None = None
    """The one API key that is accepted. None: any that is not empty."""
    user_id: str = "4d1f0c9b8a7e6d5c4b3a29180f1e2d3c"
    credit: Decimal = Decimal("10.00")
    """The API wallet, in US dollars. At 0 speech is refused with 402, but for the free backend."""
    no_credit_at: LimitPoint = "upgrade"
    """Where that refusal happens on the live socket: 402 at the upgrade, or an `error` event."""
    free_model: FreeModel = "free"
    """Whether the free backend is free, has ended (402), or is billed as the paid one."""
    unknown_backend: UnknownBackend = "default"
    """What an unknown `model` header means: the paid default speaks, or 400."""
    voices: tuple[EmulatedVoice, ...] = VOICES
    unknown_voice: UnknownVoice = "error"
    """What a session with an unknown voice becomes on the live socket: an `error` event at its
    start, a `finish` with an error in place of audio, a session without audio, or one in the
    default voice."""
    concurrency: int = 5
    """Sessions and speech requests at the same time."""
    limit_at: LimitPoint = "start"
    """Where one too many is refused on the live socket: an `error` event at its start, or 429 at
    the upgrade."""
    idle_sockets_count: bool = False
    """Whether a socket without a session counts against `concurrency`. If so, one socket too many
    is refused with 429."""
    limit_headers: bool = True
    """Whether answers have the headers that tell the limit and how much of it is in use."""
    handshake: float = 0.0
    """Seconds before a websocket's upgrade is answered."""
    first_audio: float = 0.0
    """Seconds of the model before the first audio of each chunk of text."""
    first_audio_by_latency: Mapping[str, float] = field(default_factory=dict)
    """Seconds more for a `latency`, such as {"normal": 0.4}."""
    first_audio_with_timestamps: float = 0.0
    """Seconds more on the socket with timestamps."""
    pace: float = 0.0
    """Seconds that the model takes for a second of audio."""
    frame: float = 0.46
    """Seconds of audio in one audio event (measured on the live service by a third party)."""
    odd_frames: bool = False
    """Cut audio events at odd byte counts of varying size, single bytes among them."""
    riff: bool = False
    """Begin the PCM of a session with a RIFF header, as WAV does."""
    hold_back: float = 0.0
    """Seconds of the end of a flushed chunk kept back until the next text, flush or stop."""
    sentence_silence: float = 0.0
    """Seconds of silence after each chunk of text."""
    drama_silence: float = 0.0
    """Seconds of silence before the first word of a session of drama."""
    drama_pause: float = 0.0
    """Seconds of silence before each later chunk of a session of drama."""
    split: Split = "length"
    """Where unflushed text is cut: only at `chunk_length` characters, or also at the end of a
    sentence once there are `min_chunk_length`, or never."""
    after_finish: AfterFinish = "keep"
    """What becomes of the socket: open for another start, closed with 1000, or the TCP connection
    ended without a close frame."""
    log_events: bool = False
    """Whether a `log` event, which clients are to ignore, follows each `finish`."""
    timestamps: bool = True
    """Whether `/v1/tts/live/with-timestamp` exists. Without it, it is answered 404."""
    reading: Reading = "written"
    """How that socket gives back what was said: as it was written, or as a model's normaliser
    reads it, in lower case, without marks, and with each digit spelt out."""
    late_labels: bool = False
    """Whether the first audio of a chunk is labeled as the chunk before (official OpenAPI text)."""
    early_words: bool = False
    """Whether a snapshot tells all words of its chunk, also those whose audio has not been sent."""
    idle_timeout: float | None = None
    """Seconds without an open session after which a socket is closed. None: never."""
    code_samples: int = 120
    """Samples for each byte of text in the voice `code`: 2 to 255."""
    faults: list[Fault] = field(default_factory=list)
    """The first one that fits strikes."""

    def __post_init__(self) -> None:
        for name, choices in (
            ("voice", (*get_args(VoiceName), None)),
            ("split", get_args(Split)),
            ("after_finish", get_args(AfterFinish)),
            ("reading", get_args(Reading)),
            ("unknown_voice", get_args(UnknownVoice)),
            ("unknown_backend", get_args(UnknownBackend)),
            ("free_model", get_args(FreeModel)),
            ("no_credit_at", get_args(LimitPoint)),
            ("limit_at", get_args(LimitPoint)),
        ):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} {getattr(self, name)!r} is none of {choices}")
