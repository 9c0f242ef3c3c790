"""The account over REST: its credit and its voices.

A self-hosted server may have no account, only voices: fish-speech lists its references.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal, TypeAlias, TypeGuard
from urllib.parse import quote

from ..errors import (
    FishConnectionError,
    FishError,
    ProtocolError,
    UnsupportedError,
    VoiceNotFoundError,
)
from ..settings import is_voice_id
from ..untrusted import one_line
from .http import HttpClient
from .self_hosted import fish_speech, openai_speech

__all__ = ["LOW_CREDIT", "Account", "Credit", "Voice", "VoiceOrder"]

VoiceOrder: TypeAlias = Literal["task_count", "created_at", "score"]
"""What voices are sorted by: most used first, newest first, or Fish Audio's own score."""

# For one whole answer.
TIMEOUT_S: Final = 15.0

# The most that Fish gives in one page (documentation).
PAGE_SIZE: Final = 100

# Pages after which a list is taken to have no end: 2,000 voices.
PAGE_LIMIT: Final = 20

# Characters of a voice's title, which anybody can write: those in use have some 40.
MAX_TITLE_CHARS: Final = 100

# A language's code as Fish Audio writes it, with a region perhaps.
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})?")

# Languages of one voice. Those in use have one or two, and one with more is offered for all.
MAX_LANGUAGES: Final = 20
# ASCII characters of the address of a recording. A signed one has some 400. With these bounds,
# 2,000 voices take at most 7 MB, and 3 MB as JSON.
MAX_ADDRESS_CHARS: Final = 600

# More than any voice has spoken.
MAX_USES: Final = 10**12

# Characters of a user's id, which has 32, and of an amount of money.
MAX_USER_ID_CHARS: Final = 100
MAX_AMOUNT_CHARS: Final = 30
# US dollars: no wallet holds as much, or owes it.
MAX_CREDIT: Final = Decimal(10**9)

# US dollars of API credit below which a warning is due: at 15 dollars for a million bytes of text,
# three quarters of an hour of English speech.
LOW_CREDIT: Final = Decimal(1)


@dataclass(frozen=True, slots=True)
class Credit:
    """What is left in the API wallet, which is apart from the website's credits and plans."""

    user_id: str
    amount: Decimal
    """US dollars."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice model."""

    id: str
    title: str
    languages: tuple[str, ...] = ()
    """Fish's codes, as its maker set them; often none. Any voice speaks any language."""
    description: str = ""
    author: str = ""
    uses: int = 0
    """How often it has spoken."""
    sample: str | None = None
    """The address of a recording."""


class Account:
    """A Fish Audio account: what ``FishClient`` tells of it. Every method raises FishError."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self._endpoint = http.endpoint

    async def credit(self) -> Credit:
        """The API credit. Raises UnsupportedError for a server without wallets."""
        try:
            answer = _mapping(await self._get("/wallet/self/api-credit"))
        except FishError as error:
            if not self._is_missing(error):
                raise
            missing = UnsupportedError("This server has no API credit (404).")
            missing.status = error.status
            raise missing from error
        user_id, amount = answer.get("user_id"), _amount(answer.get("credit"))
        if amount is None or not _is_printable(user_id, MAX_USER_ID_CHARS) or not user_id:
            raise ProtocolError("The server's answer about the credit cannot be read.")
        return Credit(user_id, amount)

    async def voices(self) -> list[Voice]:
        """The account's own voices, all of them, ready to speak."""
        try:
            return [voice async for voice in self._pages({"self": "true", "sort_by": "created_at"})]
        except FishError as error:
            if not self._is_missing(error):
                raise
        return await self._server_voices()

    async def search(
        self,
        title: str = "",
        *,
        language: str = "",
        own: bool = False,
        sort_by: VoiceOrder = "task_count",
        limit: int = 50,
    ) -> list[Voice]:
        """Up to ``limit`` voices, of everyone's or only the account's own."""
        query = {"sort_by": sort_by, "title": title, "language": language}
        query["self"] = "true" if own else ""
        found: list[Voice] = []
        try:
            async with contextlib.aclosing(self._pages(query)) as pages:
                async for voice in pages:
                    found.append(voice)
                    if len(found) == limit:
                        break
        except FishError as error:
            if not self._is_missing(error):
                raise
            wanted = title.casefold()
            found = [v for v in await self._server_voices() if wanted in v.title.casefold()][:limit]
        return found

    async def voice(self, voice_id: str) -> Voice:
        """One voice. Raises VoiceNotFoundError if it does not exist, or is private to another.

        A server that does not list its voices may have any.
        """
        if not is_voice_id(voice_id):
            raise VoiceNotFoundError(f"{voice_id} is not a voice ID.")
        try:
            voice = _voice(await self._get(f"/model/{quote(voice_id, safe='')}"))
        except FishError as error:
            if error.status not in (400, 403, 404) or isinstance(error, FishConnectionError):
                raise
            unknown = VoiceNotFoundError(
                f"{self._endpoint.name} does not know the voice {voice_id}."
            )
            unknown.is_cloud = self._endpoint.is_cloud
            if not self._is_missing(error):
                raise unknown from error
            known = {voice.id: voice for voice in await self._server_voices()}
            if voice_id in known:
                return known[voice_id]
            if known or await self._has_models():
                raise unknown from error
            return Voice(voice_id, _title(voice_id))
        if voice is None:
            raise VoiceNotFoundError(f"{voice_id} is not a voice that can speak.")
        return voice

    def _is_missing(self, error: FishError) -> bool:
        """Whether it means that a self-hosted server does not have what was asked for."""
        is_answer = not isinstance(error, FishConnectionError)
        return error.status == 404 and is_answer and not self._endpoint.is_cloud

    async def _has_models(self) -> bool:
        """Whether the server has Fish Audio's list of voice models."""
        try:
            await self._get("/model", {"page_size": "1"})
        except FishError as error:
            if not self._is_missing(error):
                raise
            return False
        return True

    async def _server_voices(self) -> list[Voice]:
        """The voices of a self-hosted server; none if it does not list them."""
        names = await fish_speech.references(self._http, TIMEOUT_S)
        if names is None:
            names = await openai_speech.voices(self._http, TIMEOUT_S)
        return [Voice(name, _title(name)) for name in names]

    async def _pages(self, query: dict[str, str]) -> AsyncGenerator[Voice]:
        seen: set[str] = set()
        for page in range(1, PAGE_LIMIT + 1):
            paging = {"page_size": str(PAGE_SIZE), "page_number": str(page)}
            items = _mapping(await self._get("/model", query | paging)).get("items")
            if not isinstance(items, list):
                raise ProtocolError("The server's list of voices cannot be read.")
            for voice in map(_voice, items[:PAGE_SIZE]):
                # What is made or deleted meanwhile shifts the pages.
                if voice is not None and voice.id not in seen:
                    seen.add(voice.id)
                    yield voice
            if len(items) < PAGE_SIZE:
                return

    async def _get(self, path: str, query: Mapping[str, str] = {}) -> object:
        # What is empty is not asked for, and half of a surrogate pair cannot be.
        asked = {k: text.encode(errors="replace").decode() for k, text in query.items() if text}
        return await self._http.json(path, timeout_s=TIMEOUT_S, query=asked)


def _voice(item: object) -> Voice | None:
    """The voice that Fish's ModelEntity describes, or None for one that cannot speak.

    Only the id is needed: what else is missing or of another type is left out.
    """
    if not isinstance(item, dict):
        return None
    voice_id = item.get("_id")
    if not isinstance(voice_id, str) or not is_voice_id(voice_id):
        return None
    if item.get("type", "tts") != "tts" or item.get("state", "trained") != "trained":
        return None
    author, uses = item.get("author"), item.get("task_count")
    recordings = (s.get("audio") for s in _items(item, "samples") if isinstance(s, dict))
    codes = _items(item, "languages")
    codes = [code for code in codes if isinstance(code, str) and _LANGUAGE.fullmatch(code)]
    return Voice(
        id=voice_id,
        title=_title(item.get("title")) or _title(voice_id),
        languages=tuple(codes) if len(_items(item, "languages")) <= MAX_LANGUAGES else (),
        description=_title(item.get("description")),
        author=_title(author.get("nickname")) if isinstance(author, dict) else "",
        uses=uses if type(uses) is int and 0 <= uses <= MAX_USES else 0,
        sample=next((r for r in recordings if _is_address(r)), None),
    )


def _items(item: dict[str, Any], field: str) -> list[Any]:
    return value if isinstance(value := item.get(field), list) else []


def _amount(value: object) -> Decimal | None:
    """US dollars; None if it is not an amount."""
    # A number with an exponent could have a million digits.
    if (
        isinstance(value, bool)
        or len(written := str(value)[: MAX_AMOUNT_CHARS + 1]) > MAX_AMOUNT_CHARS
    ):
        return None
    try:
        amount = Decimal(written)
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and abs(amount) < MAX_CREDIT else None


def _is_address(value: object) -> TypeGuard[str]:
    """Whether it is the address of a file on the web."""
    return (
        _is_printable(value, MAX_ADDRESS_CHARS)
        and value.isascii()
        and value.startswith(("https://", "http://"))
    )


def _is_printable(value: object, max_chars: int) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= max_chars and value.isprintable()


def _title(value: object) -> str:
    """What a person may read of a text that strangers wrote; nothing of another type."""
    return one_line(value, MAX_TITLE_CHARS) if isinstance(value, str) else ""


def _mapping(answer: object) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise ProtocolError("The server's answer cannot be read.")
    return answer
