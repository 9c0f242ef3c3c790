"""What is said, and how it is written."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

# Seconds of the emulated model to its first audio.
MODEL: Final = 0.3

# Words a second of a text that is there as a whole.
AT_ONCE: Final = float("inf")


class Text(NamedTuple):
    """A reply."""

    name: str
    sentences: tuple[str, ...]

    @property
    def words(self) -> list[str]:
        """The words, each with the space before it, as language models write them."""
        return words(" ".join(self.sentences))

    def limit(self, pace: float) -> float:
        """Seconds from the first word to the first audio, at the least there can be.

        That is the end of the first sentence, and what the model needs for it.
        """
        return (len(self.sentences[0].split()) - 1) * interval(pace) + MODEL


TEXTS: Final = (
    Text(
        "three sentences",
        (
            "Tomorrow morning seven friends will travel by train to a village.",
            "Please remember to bring bread, cheese, apples and a bottle of cold water.",
            "After lunch we could visit the old church, walk along the river and take some photos.",
        ),
    ),
    Text(
        "short first sentence",
        (
            "Sure.",
            "I have switched off the lamps in the kitchen and closed the blinds upstairs.",
            "Is there anything else that you would like me to do before you leave?",
        ),
    ),
    Text(
        "long first sentence",
        (
            (
                "When you come home this evening the heating will be on in the living room, the "
                "lamps in the hall will be lit, the soup from yesterday will be warm on the "
                "stove, and the cat, who has been asleep on your chair since noon, will want her "
                "supper."
            ),
            "The garage is closed.",
            "Drive carefully, and have a safe trip home.",
        ),
    ),
    Text(
        "abbreviations and decimals",
        (
            "Dr. Smith will see you on Friday at 3.30 p.m. in the clinic near St. Mary's church.",
            "It costs about 22.5 dollars, i.e. a little less than before.",
            "Mr. and Mrs. Jones are coming with you, but have to leave at 5.45 sharp.",
        ),
    ),
)

THREE_SENTENCES: Final = TEXTS[0]


def words(text: str) -> list[str]:
    """Cut a text into its words, each with the space before it."""
    first, *rest = text.split(" ")
    return [first, *(f" {word}" for word in rest)]


def interval(pace: float) -> float:
    """Seconds between two words; a pace of infinity is all at once."""
    return 1 / pace


async def written(
    pieces: list[str],
    pace: float,
    began: float,
    *,
    pause_before: int = -1,
    pause: float = 0.0,
) -> AsyncIterator[str]:
    """Give ``pieces`` at ``pace`` a second, the first at ``began``; at infinity, as one.

    ``began`` is a time of the running loop. Before the piece of the number ``pause_before``
    nothing comes for ``pause`` more seconds. What is not asked for in time is there when it is.
    """
    if pace == AT_ONCE:
        yield "".join(pieces)
        return
    now = asyncio.get_running_loop().time
    for number, piece in enumerate(pieces):
        at = began + number * interval(pace)
        if 0 <= pause_before <= number:
            at += pause
        await asyncio.sleep(max(0.0, at - now()))
        yield piece
