"""The REST side: speech in one request, the account's voices and its wallet."""

import base64
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import ormsgpack
from aiohttp import web

from ..settings import Fault
from ..state import EmulatorState, Outcome, RecordedRequest, SessionRecord
from ..voices import synthesise
from .access import check_credit, check_key, cut_off, headers_without_key, send_in_pieces, stall
from .account import EmulatedVoice, api_credit, list_models, model_entity, package, sample_text
from .chunks import UnspokenText
from .errors import ApiError, status_error
from .formats import wav_header
from .generation import Generation, Piece
from .request import SpeechRequest, backend_of, parse_speech_request
from .session import Session

Handler = Callable[[web.Request, EmulatorState, Any], Awaitable[web.StreamResponse]]


def add_routes(app: web.Application, state: EmulatorState) -> None:
    """Add every REST address."""

    def route(
        method: str,
        path: str,
        handler: Handler,
        *,
        public: bool = False,
        reads_body: bool = True,
    ) -> None:
        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                return await _answer(request, state, handler, public=public, reads_body=reads_body)
            except ApiError as error:
                return web.json_response(error.body, status=error.status, headers=error.headers)

        app.router.add_route(method, path, answer)

    route("POST", "/v1/tts", _speech)
    route("POST", "/v1/tts/stream/with-timestamp", _speech_with_timestamps)
    route("POST", "/v1/asr", _recognition, reads_body=False)
    route("GET", "/model", _models)
    route("GET", "/model/{id}", _model)
    route("GET", "/wallet/self/api-credit", _api_credit)
    route("GET", "/wallet/self/package", _package)
    # Samples lie with a content server of Fish's that asks for no key.
    route("GET", "/sample/{id}.wav", _sample, public=True)


async def _answer(
    request: web.Request,
    state: EmulatorState,
    handler: Handler,
    *,
    public: bool,
    reads_body: bool,
) -> web.StreamResponse:
    raw = await request.read()
    body, unreadable = _parse_body(request, raw) if raw and reads_body else (None, None)
    state.remember_request(RecordedRequest(request.method, request.path, request.query, body))
    fault = state.strike("rest")
    if fault is not None:
        if isinstance(fault.kind, int):
            raise status_error(fault.kind)
        if fault.kind == "drop":
            cut_off(request)
        await stall()
    if not public:
        check_key(request, state)
    if unreadable is not None:
        return unreadable
    return await handler(request, state, body)


def _parse_body(request: web.Request, raw: bytes) -> tuple[Any, web.Response | None]:
    # What cannot be read at all is answered in plain text (official error reference).
    try:
        if request.content_type == "application/msgpack":
            return ormsgpack.unpackb(raw), None
        if request.content_type == "application/json":
            return json.loads(raw), None
    except ValueError as error:
        return None, web.Response(status=400, text=f"Failed to parse the request body: {error}")
    return None, web.Response(
        status=415, text="Expected `Content-Type: application/json` or `application/msgpack`"
    )


async def _speech(request: web.Request, state: EmulatorState, body: Any) -> web.StreamResponse:
    backend = backend_of(request.headers, state.settings.unknown_backend)
    check_credit(backend, state)  # before anything in the body is looked at (measured)
    settings = state.settings
    record = SessionRecord(
        backend=backend,
        request=body if isinstance(body, dict) else {},
        headers=headers_without_key(request),
        socket=None,
        stopped=True,
    )
    try:
        speech = parse_speech_request(body, backend, settings.voices)
        generation = Generation(speech, settings)
    except ApiError:
        state.refuse_session(record)
        raise
    record.texts.append(speech.text)
    if not state.open_session(record):
        raise status_error(429)
    response = web.StreamResponse(headers={"Content-Type": generation.content_type})
    try:
        send_in_pieces(request, response)
        await response.prepare(request)
        silent = False
        outcome: Outcome = "finish"
        async with aclosing(_pieces(speech, generation, record, state)) as pieces:
            async for piece in pieces:
                fault = None if silent else state.strike("audio", record.audio_events)
                silent = silent or (fault is not None and fault.kind == "silent")
                if fault is not None and fault.kind == "finish-early":
                    outcome = "finish-early"
                    break
                if fault is not None and not silent:
                    await _break_off(fault, request, record, state)
                if not silent:
                    record.audio_events += 1
                    await response.write(piece.data)
        fault = state.strike("finish")
        if fault is not None:
            await _break_off(fault, request, record, state)
        state.end_session(record, outcome)
        await response.write_eof()
    finally:
        state.end_session(record, "left")
    return response


async def _speech_with_timestamps(
    request: web.Request, state: EmulatorState, body: Any
) -> web.StreamResponse:
    """Speech as server-sent events: the fields of the live socket, the audio in base64.

    As the official documentation has it; an MP3 is one stream here, where Fish makes one of each
    chunk.
    """
    if not state.settings.timestamps:
        raise status_error(404)
    backend = backend_of(request.headers, state.settings.unknown_backend)
    check_credit(backend, state)
    record = SessionRecord(
        backend=backend,
        request=body if isinstance(body, dict) else {},
        headers=headers_without_key(request),
        socket=None,
        timestamps=True,
        stopped=True,
    )
    try:
        speech = parse_speech_request(body, backend, state.settings.voices)
        session = Session(record, speech, state)
    except ApiError:
        state.refuse_session(record)
        raise
    record.texts.append(speech.text)
    if not state.open_session(record):
        raise status_error(429)
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    try:
        send_in_pieces(request, response)
        await response.prepare(request)
        session.stop()
        async with aclosing(session.audio()) as events:
            async for event in events:
                fault = state.strike("audio", record.audio_events)
                if fault is not None:
                    await _break_off(fault, request, record, state)
                record.audio_events += 1
                audio = base64.b64encode(event.pop("audio")).decode()
                data = json.dumps({"audio_base64": audio, **event})
                await response.write(f"data: {data}\n\n".encode())
        fault = state.strike("finish")
        if fault is not None:
            await _break_off(fault, request, record, state)
        state.end_session(record, "finish")
        await response.write_eof()
    finally:
        state.end_session(record, "left")
    return response


async def _recognition(request: web.Request, state: EmulatorState, body: Any) -> web.StreamResponse:
    raise ApiError(501, "Speech recognition is not offered by the emulator.")


async def _pieces(
    speech: SpeechRequest, generation: Generation, record: SessionRecord, state: EmulatorState
) -> AsyncGenerator[Piece, None]:
    buffer = UnspokenText(speech.chunk_length, speech.min_chunk_length, state.settings.split)
    for text in (*buffer.add(speech.text), buffer.take()):
        if text is not None:
            state.speaking(record, text)
            async with aclosing(generation.speak(text, flushed=False)) as pieces:
                async for piece in pieces:
                    yield piece
    for piece in generation.finish():
        yield piece


async def _break_off(
    fault: Fault, request: web.Request, record: SessionRecord, state: EmulatorState
) -> None:
    if fault.kind != "stall":
        state.end_session(record, "drop")
        cut_off(request)
    await stall()


async def _models(request: web.Request, state: EmulatorState, body: Any) -> web.StreamResponse:
    settings = state.settings
    return web.json_response(
        list_models(settings.voices, request.query, _origin(request), settings.user_id)
    )


async def _model(request: web.Request, state: EmulatorState, body: Any) -> web.StreamResponse:
    voice = _voice(request, state)
    return web.json_response(model_entity(voice, _origin(request), state.settings.user_id))


async def _api_credit(request: web.Request, state: EmulatorState, body: Any) -> web.StreamResponse:
    check = request.query.get("check_free_credit", "").lower() == "true"
    settings = state.settings
    return web.json_response(api_credit(settings.user_id, settings.credit, check_free_credit=check))


async def _package(request: web.Request, state: EmulatorState, body: Any) -> web.StreamResponse:
    return web.json_response(package(state.settings.user_id))


async def _sample(request: web.Request, state: EmulatorState, body: Any) -> web.StreamResponse:
    voice = _voice(request, state)
    fields = {"text": sample_text(voice), "reference_id": voice.id, "format": "pcm"}
    speech = parse_speech_request(fields, "", state.settings.voices)
    pcm = await synthesise(speech.text, speech, state.settings)
    return web.Response(
        body=wav_header(speech.sample_rate, len(pcm)) + pcm, content_type="audio/wav"
    )


def _voice(request: web.Request, state: EmulatorState) -> EmulatedVoice:
    for voice in state.settings.voices:
        if voice.id == request.match_info["id"]:
            return voice
    raise ApiError(404, "Model not found")


def _origin(request: web.Request) -> str:
    return str(request.url.origin())
