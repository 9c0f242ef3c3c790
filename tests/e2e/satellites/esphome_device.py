"""An ESPHome voice satellite: the device's side of ESPHome's native API, and a player.

It runs on Home Assistant's Python, which has the messages of the API. It acts as the firmware of
Home Assistant Voice PE does: it asks for FLAC of 48,000 Hz, plays a reply from its URL as soon as
Home Assistant says that it may, and reports its end. The player passes on what it receives, as it
arrives.

Arguments: its name, the port of the API, the port of the speaker, which gets a connection for each
playback, and the port of the test that controls it. The test sends lines: ``wake``, ``stop``, which
stops the player, and ``hold``, after which the next reply is not played. The device sends
``subscribed`` when Home Assistant has, ``held URL`` at the end of a reply that it did not play, and
the names of Home Assistant's events.
"""

import asyncio
import sys
from contextlib import suppress
from hashlib import sha256

from aioesphomeapi import MediaPlayerFormatPurpose, VoiceAssistantEventType, VoiceAssistantFeature
from aioesphomeapi import api_pb2 as api
from aioesphomeapi._frame_helper.packets import make_plain_text_packets
from aioesphomeapi.core import MESSAGE_TYPE_TO_PROTO
from aiohttp import ClientSession
from google.protobuf.message import Message

MESSAGE_TYPES = {message: number for number, message in MESSAGE_TYPE_TO_PROTO.items()}

PLAYER_KEY = 1
FORMAT = api.MediaPlayerSupportedFormat(
    format="flac",
    sample_rate=48000,
    num_channels=1,
    sample_bytes=2,
    purpose=MediaPlayerFormatPurpose.ANNOUNCEMENT,
)
FEATURES = (
    VoiceAssistantFeature.VOICE_ASSISTANT
    | VoiceAssistantFeature.API_AUDIO
    | VoiceAssistantFeature.ANNOUNCE
)

ANSWERS: dict[type[Message], list[Message]] = {
    api.HelloRequest: [api.HelloResponse(api_version_major=1, api_version_minor=10)],
    api.AuthenticationRequest: [api.AuthenticationResponse()],
    api.PingRequest: [api.PingResponse()],
    api.DisconnectRequest: [api.DisconnectResponse()],
    api.ListEntitiesRequest: [
        api.ListEntitiesMediaPlayerResponse(
            key=PLAYER_KEY, name="Player", supported_formats=[FORMAT]
        ),
        api.ListEntitiesDoneResponse(),
    ],
    api.SubscribeStatesRequest: [
        api.MediaPlayerStateResponse(key=PLAYER_KEY, state=api.MEDIA_PLAYER_STATE_IDLE, volume=1)
    ],
    api.VoiceAssistantConfigurationRequest: [
        api.VoiceAssistantConfigurationResponse(max_active_wake_words=1)
    ],
}

SILENCE = bytes(2048)
"""What the microphone hears: 64 ms of s16le at 16,000 Hz."""


class Device:
    """The satellite, with one connection of Home Assistant at a time."""

    def __init__(self, name: str, speaker: int) -> None:
        self._name = name
        self._speaker = speaker
        self._test: asyncio.StreamWriter | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._url = ""
        self._has_played = False
        self._is_held = False
        self._player: asyncio.Task[None] | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection, to its end."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                assert await reader.readexactly(1) == b"\0"
                length = await _varint(reader)
                message_class = MESSAGE_TYPE_TO_PROTO[await _varint(reader)]
                message = message_class.FromString(await reader.readexactly(length))
                if isinstance(message, api.SubscribeVoiceAssistantRequest):
                    self._writer = writer
                    self._tell("subscribed")
                if answers := self._answers(message):
                    _send(writer, *answers)
                if isinstance(message, api.DisconnectRequest):
                    break
        writer.close()

    async def obey(self, port: int) -> None:
        """Do what the test says, until it hangs up."""
        commands, self._test = await asyncio.open_connection("127.0.0.1", port)
        async for command in commands:
            if command == b"wake\n":
                self.send(api.VoiceAssistantRequest(start=True))
            elif command == b"hold\n":
                self._is_held = True
            elif command == b"stop\n" and self._player is not None:
                self._player.cancel()

    def send(self, *messages: Message) -> None:
        """Send messages to the Home Assistant that has subscribed."""
        assert self._writer is not None
        _send(self._writer, *messages)

    def _answers(self, message: Message) -> list[Message]:
        match message:
            case api.DeviceInfoRequest():
                digits = sha256(self._name.encode()).hexdigest()
                return [
                    api.DeviceInfoResponse(
                        name=self._name,
                        mac_address=":".join(("02", *(digits[i : i + 2] for i in range(0, 10, 2)))),
                        esphome_version="2026.10.0",
                        voice_assistant_feature_flags=FEATURES,
                    )
                ]
            case api.VoiceAssistantAnnounceRequest():
                self._play(message.media_id)
            case api.VoiceAssistantEventResponse():
                return self._on_event(
                    VoiceAssistantEventType(message.event_type),
                    {field.name: field.value for field in message.data},
                )
        return ANSWERS.get(type(message), [])

    def _on_event(self, event: VoiceAssistantEventType, data: dict[str, str]) -> list[Message]:
        self._tell(event.name)
        match event:
            case VoiceAssistantEventType.VOICE_ASSISTANT_RUN_START:
                self._url, self._has_played = data.get("url", ""), False
            case VoiceAssistantEventType.VOICE_ASSISTANT_STT_START:
                return [api.VoiceAssistantAudio(data=SILENCE)]
            case VoiceAssistantEventType.VOICE_ASSISTANT_INTENT_PROGRESS:
                if data.get("tts_start_streaming") == "1":
                    self._play(self._url)
            case VoiceAssistantEventType.VOICE_ASSISTANT_TTS_END if not self._has_played:
                self._play(data["url"])
            case VoiceAssistantEventType.VOICE_ASSISTANT_RUN_END if self._is_held:
                self._tell(f"held {self._url}")
                self._is_held = False
        return []

    def _tell(self, line: str) -> None:
        assert self._test is not None
        self._test.write(f"{line}\n".encode())

    def _play(self, url: str) -> None:
        self._has_played = True
        if self._is_held:
            return
        self._player = asyncio.create_task(self._fetch(url))

    async def _fetch(self, url: str) -> None:
        """Play, and report the end in any case, as a device does."""
        _, speaker = await asyncio.open_connection("127.0.0.1", self._speaker)
        try:
            async with ClientSession() as session, session.get(url) as response:
                async for piece in response.content.iter_any():
                    speaker.write(piece)
                    await speaker.drain()
        finally:
            speaker.close()
            self.send(api.VoiceAssistantAnnounceFinished(success=True))


async def _varint(reader: asyncio.StreamReader) -> int:
    value = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
        shift += 7


def _send(writer: asyncio.StreamWriter, *messages: Message) -> None:
    packets = [(MESSAGE_TYPES[type(each)], each.SerializeToString()) for each in messages]
    writer.writelines(make_plain_text_packets(packets))


async def main() -> None:
    """Serve until the test hangs up."""
    name, port, speaker, test = sys.argv[1:]
    device = Device(name, int(speaker))
    async with await asyncio.start_server(device.serve, "127.0.0.1", int(port)):
        await device.obey(int(test))


asyncio.run(main())
