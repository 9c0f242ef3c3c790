"""Samples: a sentence in a voice that is not set up yet, for the player in a form."""

import secrets
import wave
from datetime import datetime
from http import HTTPStatus
from io import BytesIO
from typing import Final

from aiohttp import web
from homeassistant.components.http import KEY_HASS, HomeAssistantView
from homeassistant.core import HassJob, HomeAssistant, callback
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.translation import async_get_translations
from homeassistant.util.hass_dict import HassKey

from ..const import DOMAIN
from ..fish import Endpoint, SpeechSettings, TextSettings
from .client import create_client

# Samples that can be played. Each takes about half a megabyte, and at most 1.3 MB.
MAX_SAMPLES: Final = 8

# Seconds of a sample that are kept. The sentence takes 4 s, and 8 s at half the speed; a
# self-hosted server may send anything.
MAX_SAMPLE_S: Final = 15

# Seconds that a sample can be played. A person plays it immediately, and perhaps once more.
SAMPLE_LIFETIME_S: Final = 600

_SAMPLES: Final = HassKey[dict[str, bytes]](f"{DOMAIN}_samples")

# Translations have the sentence among the texts of selectors, where a text of any kind can be.
_SENTENCE: Final = f"component.{DOMAIN}.selector.sample.options.sentence"


async def speak_sample(
    hass: HomeAssistant,
    endpoint: Endpoint,
    settings: SpeechSettings,
    text_settings: TextSettings,
) -> str:
    """Speak a sentence and return the path of the WAV file. Raises FishError.

    What is longer than MAX_SAMPLE_S is cut.
    """
    language = text_settings.language
    texts = await async_get_translations(hass, language, "selector", [DOMAIN])
    audio = bytearray()
    max_bytes = MAX_SAMPLE_S * settings.sample_rate * 2
    # Its connections are closed afterwards, since a form may be left open.
    async with (
        create_client(hass, endpoint) as fish,
        fish.speak(texts[_SENTENCE], settings, text_settings) as speech,
    ):
        async for pcm in speech:
            audio += pcm
            if len(audio) >= max_bytes:
                break
    file = BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(settings.sample_rate)
        wav.writeframes(audio[:max_bytes])
    return _publish(hass, file.getvalue())


@callback
def _publish(hass: HomeAssistant, wav: bytes) -> str:
    """Return the path at which a browser gets ``wav``."""
    if _SAMPLES not in hass.data:
        hass.data[_SAMPLES] = {}
        hass.http.register_view(SampleView())
    samples = hass.data[_SAMPLES]
    token = secrets.token_urlsafe()
    samples[token] = wav
    if len(samples) > MAX_SAMPLES:
        del samples[next(iter(samples))]

    @callback
    def delete(_now: datetime) -> None:
        samples.pop(token, None)

    async_call_later(hass, SAMPLE_LIFETIME_S, HassJob(delete, cancel_on_shutdown=True))
    return SampleView.url.format(token=token)


@callback
def delete_samples(hass: HomeAssistant) -> None:
    """Free the memory of all samples."""
    hass.data.get(_SAMPLES, {}).clear()


class SampleView(HomeAssistantView):
    """Serves samples. A browser's player sends no token of Home Assistant: the path is secret."""

    url = f"/api/{DOMAIN}/sample/{{token}}"
    name = f"api:{DOMAIN}:sample"
    requires_auth = False

    async def get(self, request: web.Request, token: str) -> web.Response:
        """Return a sample, or the part that is asked for: Safari plays nothing without parts."""
        wav = request.app[KEY_HASS].data[_SAMPLES].get(token)
        if wav is None:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        headers = {"Accept-Ranges": "bytes", "Cache-Control": "no-store"}
        status = HTTPStatus.OK
        if "Range" in request.headers:
            try:
                start, stop, _ = request.http_range.indices(len(wav))
            except ValueError:
                start = stop = 0
            if start >= stop:
                headers["Content-Range"] = f"bytes */{len(wav)}"
                status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
                return web.Response(status=status, headers=headers)
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(wav)}"
            status, wav = HTTPStatus.PARTIAL_CONTENT, wav[start:stop]
        return web.Response(body=wav, status=status, content_type="audio/wav", headers=headers)
