"""The emulated account: its voices, its wallet, and how Fish Audio lists them.

The fields are those of the official OpenAPI text and of the models in both official SDKs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from multidict import MultiMapping

from .errors import ApiError

ACCOUNT_CREATED = "2026-01-05T09:00:00.000000Z"
ACCOUNT_UPDATED = "2026-11-01T09:00:00.000000Z"

OTHER_USER_ID = "5f0c1b9a7d3e4f268c1a0b9e7d5f3a21"

PAGE_SIZE = 10
LARGEST_PAGE = 100
SORTINGS = ("score", "task_count", "created_at")


@dataclass(frozen=True, slots=True)
class EmulatedVoice:
    """A voice model on the emulated Fish Audio."""

    id: str
    """32 hexadecimal digits: what a request names in `reference_id`."""
    title: str
    languages: tuple[str, ...] = ()
    """Language codes. Fish knows none for some voices."""
    mine: bool = False
    """Whether the account itself made it, so that `self=true` lists it."""
    visibility: str = "public"
    """public | unlist | private"""
    description: str = ""
    tags: tuple[str, ...] = ()
    task_count: int = 0
    like_count: int = 0
    created_at: str = ACCOUNT_CREATED
    sample: str | None = None
    """The address of its sample, if that is not the emulator's own."""
    espeak_variant: str = "m3"
    """How espeak-ng makes it sound unlike the others: a name below its `voices/!v`."""


VOICES = (
    EmulatedVoice(
        "6c1f2a4be0d94f7f8a53c2b9d7e61034",
        "Captain Kelp",
        ("en",),
        mine=True,
        visibility="private",
        description="A calm voice for the house",
        tags=("male", "calm"),
        task_count=420,
        like_count=3,
        created_at="2026-10-02T08:15:30.120000Z",
        espeak_variant="m3",
    ),
    EmulatedVoice(
        "0b77d3c58f1e4d6e9f20a4c6e8b1d352",
        "Coral",
        ("en", "de"),
        mine=True,
        visibility="unlist",
        tags=("female",),
        task_count=77,
        like_count=1,
        created_at="2026-09-18T19:40:00Z",
        espeak_variant="f2",
    ),
    EmulatedVoice(
        "f4a90e7d21bc4c3bb6d5e1837a92c6fe",
        "Coral",
        ("de",),
        description="Another voice of the same title",
        tags=("female", "narration"),
        task_count=15230,
        like_count=801,
        created_at="2025-12-24T12:00:00Z",
        espeak_variant="f4",
    ),
    EmulatedVoice(
        "9d2b6f10c4e84a1d8e7f35a6b0c9d841",
        "Old Harbour",
        mine=True,
        visibility="private",
        task_count=5,
        created_at="2026-11-03T21:07:09.500000Z",
        espeak_variant="m7",
    ),
    EmulatedVoice(
        "3e58c7a6d9f0412cb1e4f6a87d0253b9",
        "Étoile de mer",
        ("fr",),
        tags=("female", "young"),
        task_count=98211,
        like_count=4120,
        created_at="2026-03-30T06:30:00Z",
        espeak_variant="f5",
    ),
    EmulatedVoice(
        "a1d4e8b25c7f4960937be2d06f184cda",
        "汐",
        ("zh", "ja"),
        tags=("male",),
        task_count=50007,
        like_count=2950,
        created_at="2026-05-11T03:00:00Z",
        espeak_variant="m5",
    ),
)


def model_entity(voice: EmulatedVoice, origin: str, user_id: str) -> dict[str, Any]:
    """Fish's ModelEntity for `voice`. `origin` is the address at which its sample can be heard."""
    return {
        "_id": voice.id,
        "type": "tts",
        "title": voice.title,
        "description": voice.description,
        "cover_image": "",
        "train_mode": "fast",
        "state": "trained",
        "tags": list(voice.tags),
        "samples": [
            {
                "title": "Default Sample",
                "text": sample_text(voice),
                "task_id": voice.id[::-1],
                "audio": voice.sample or f"{origin}/sample/{voice.id}.wav",
            }
        ],
        "created_at": voice.created_at,
        "updated_at": voice.created_at,
        "languages": list(voice.languages),
        "visibility": voice.visibility,
        "lock_visibility": False,
        "like_count": voice.like_count,
        "mark_count": 0,
        "shared_count": 0,
        "task_count": voice.task_count,
        "liked": False,
        "marked": False,
        "author": {
            "_id": _author_id(voice, user_id),
            "nickname": "You" if voice.mine else "Somebody else",
            "avatar": "",
        },
    }


def sample_text(voice: EmulatedVoice) -> str:
    """What the voice says in its sample."""
    return f"Hello, this is {voice.title}."


def list_models(
    voices: Iterable[EmulatedVoice], query: MultiMapping[str], origin: str, user_id: str
) -> dict[str, Any]:
    """Answer `GET /model`: what is public, or with `self=true` what is the account's own.

    Raises ApiError 422 for a page or an order that Fish does not know.
    """
    page_size = _whole_number(query, "page_size", PAGE_SIZE, LARGEST_PAGE)
    page_number = _whole_number(query, "page_number", 1, None)
    sort_by = query.get("sort_by", "score")
    if sort_by not in SORTINGS:
        raise _invalid("sort_by", f"Input should be one of {', '.join(SORTINGS)}", sort_by)

    own = query.get("self", "false").lower() in ("true", "1")
    found = [voice for voice in voices if (voice.mine if own else voice.visibility == "public")]
    words = query.get("title", "").casefold().split()
    if words:
        found = [voice for voice in found if all(word in voice.title.casefold() for word in words)]
    if languages := query.getall("language", []):
        found = [voice for voice in found if set(languages) & set(voice.languages)]
    if tags := query.getall("tag", []):
        found = [voice for voice in found if set(tags) <= set(voice.tags)]
    if not own and (author := query.get("author_id")):
        found = [voice for voice in found if _author_id(voice, user_id) == author]

    orders = {
        "score": lambda voice: voice.like_count,
        "task_count": lambda voice: voice.task_count,
        "created_at": lambda voice: voice.created_at,
    }
    found.sort(key=orders[sort_by], reverse=True)
    first = (page_number - 1) * page_size
    return {
        "total": len(found),
        "items": [model_entity(v, origin, user_id) for v in found[first : first + page_size]],
        "max_offset": 10_000,
        "accessible_upper_bound": len(found),
        "window_limited": False,
        "total_is_exact": True,
    }


def api_credit(user_id: str, credit: Decimal, *, check_free_credit: bool) -> dict[str, Any]:
    """Answer `GET /wallet/self/api-credit`: the wallet that speech is paid from, in US dollars."""
    return {
        "_id": "7b3f9c1d5e8a4b60",
        "user_id": user_id,
        "credit": str(credit),
        "cumulative_top_up": str(max(credit, Decimal(0))),
        "created_at": ACCOUNT_CREATED,
        "updated_at": ACCOUNT_UPDATED,
        "has_phone_sha256": False,
        "has_free_credit": False if check_free_credit else None,
    }


def package(user_id: str) -> dict[str, Any]:
    """Answer `GET /wallet/self/package`: the website's subscription, which pays for no API call."""
    return {
        "_id": "2d6a8e0c4b1f4735",
        "user_id": user_id,
        "type": "free",
        "total": 8000,
        "balance": 8000,
        "created_at": ACCOUNT_CREATED,
        "updated_at": ACCOUNT_UPDATED,
        "finished_at": "2027-01-05T09:00:00.000000Z",
    }


def _author_id(voice: EmulatedVoice, user_id: str) -> str:
    return user_id if voice.mine else OTHER_USER_ID


def _whole_number(query: MultiMapping[str], name: str, default: int, largest: int | None) -> int:
    given = query.get(name)
    if given is None:
        return default
    if not given.isdecimal():
        raise _invalid(name, "Input should be a valid integer", given)
    number = int(given)
    if number < 1:
        raise _invalid(name, "Input should be greater than or equal to 1", given)
    if largest is not None and number > largest:
        raise _invalid(name, f"Input should be less than or equal to {largest}", given)
    return number


def _invalid(name: str, message: str, given: str) -> ApiError:
    # Management endpoints answer a bad parameter with a list (official error reference).
    detail = {
        "loc": ["query", name],
        "type": "value_error",
        "msg": message,
        "ctx": {"given": given},
        "in": "query",
    }
    return ApiError(422, message, body=[detail])
