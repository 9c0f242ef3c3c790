"""How many tasks speak one reply: each costs the event loop time, and may be left behind."""

import asyncio
from collections.abc import Coroutine
from types import CoroutineType
from typing import Any

import pytest

from tests.fish.replies import SENTENCES, TEXT, fish, speak, words
from wyoming_fish.emulator import decode_code_voice
from wyoming_fish.fish.text.text_buffer import TextBuffer


def _count_tasks() -> list[str]:
    """The names of the coroutines of all tasks that speak a reply, from now on."""
    created: list[str] = []

    def create(
        loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **more: Any
    ) -> asyncio.Task[Any]:
        assert isinstance(work, CoroutineType)
        if any(room in work.cr_code.co_filename for room in ("fish/synthesis", "fish/text")):
            created.append(work.__qualname__)
        return asyncio.Task(work, loop=loop, **more)

    asyncio.get_running_loop().set_task_factory(create)  # type: ignore[arg-type]
    return created


@pytest.mark.parametrize("keepalive_s", [None, 2.5])
async def test_a_reply_that_is_pushed_has_two_tasks(keepalive_s: float | None) -> None:
    """One sends and one receives; silence in the pauses, and the check of a ping, need none."""
    text = TextBuffer()
    async with fish() as (_, client):
        created = _count_tasks()
        for sentence in SENTENCES:
            asyncio.get_running_loop().call_soon(text.write, sentence)
        asyncio.get_running_loop().call_soon(text.end)
        heard = b"".join([pcm async for pcm in speak(client, text, keepalive_s=keepalive_s)])
        assert decode_code_voice(heard, allow_silence=True) == TEXT
    assert len(created) == 2


async def test_a_text_that_is_read_has_a_task_more() -> None:
    """An iterable is read by a task of its own."""
    async with fish() as (_, client):
        created = _count_tasks()
        heard = b"".join([pcm async for pcm in speak(client, words())])
        assert decode_code_voice(heard) == TEXT
    assert len(created) == 3


async def test_a_text_that_is_whole_has_two_tasks() -> None:
    """Nothing has to read a string."""
    async with fish() as (_, client):
        created = _count_tasks()
        heard = b"".join([pcm async for pcm in speak(client, TEXT)])
        assert decode_code_voice(heard) == TEXT
    assert len(created) == 2
