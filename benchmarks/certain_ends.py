"""First audio where the last word of the first sentence makes its end certain, with and without.

The engine speaks each text at each pace, in turn with the rule and with the rule turned off: then
it waits for the next word, or for a pause in the text.
"""

import asyncio
from itertools import product
from statistics import median
from typing import Final

from wyoming_fish.fish import Endpoint, FishClient
from wyoming_fish.fish.text.sentences import ends
from wyoming_fish.fish.text.sentences.abbreviations import FINAL_WORDS

from .programs import emulator
from .speakers import engine, hear
from .table import Verdict, print_table, print_verdicts, verdict
from .texts import Text

TEXTS: Final = (
    Text("percent", ("The battery of the lock is at forty percent.", "It is fine.")),
    Text("question", ("Shall I switch the lamps in the hall off?", "Or wait?")),
)
# Words a second.
PACES: Final = (5.0, 10.0, 20.0, 40.0)
ROUNDS: Final = 5

# Seconds after the limit within which such a sentence has to be heard.
TOLERANCE_S: Final = 0.02


def run(*, quick: bool = False) -> list[Verdict]:
    """Measure, print the table and give the verdicts."""
    cases = list(product(TEXTS[:1] if quick else TEXTS, PACES[-1:] if quick else PACES))
    with emulator() as fish:
        late = asyncio.run(_measure(fish.url, cases, 1 if quick else ROUNDS))
    rows, verdicts = [], []
    for text, pace in cases:
        without, with_rule = (1000 * median(late[is_on, text, pace]) for is_on in (False, True))
        name = f"{text.name}, {pace:.0f} words/s"
        rows.append([name, f"{without:.0f} ms", f"{with_rule:.0f} ms"])
        verdicts.append(
            verdict(f"{name}: first audio after the limit", with_rule, 1000 * TOLERANCE_S, "ms")
        )
    print_table(
        "First audio after the limit where the last word makes the end certain",
        ["text", "without the rule", "with the rule"],
        rows,
    )
    print_verdicts(verdicts)
    return verdicts


async def _measure(
    url: str, cases: list[tuple[Text, float]], rounds: int
) -> dict[tuple[bool, Text, float], list[float]]:
    """Seconds after the limit, of each case with and without the rule."""
    late: dict[tuple[bool, Text, float], list[float]] = {}

    async def speak(fish: FishClient, text: Text, pace: float, *, is_on: bool) -> None:
        heard = await hear(engine(fish), text.words, pace)
        seconds = heard.first_audio - text.limit(pace)
        late.setdefault((is_on, text, pace), []).append(seconds)

    async with FishClient(Endpoint("key", url), concurrency=len(cases), warm=len(cases)) as fish:
        # The first replies open the connections.
        await asyncio.gather(*(hear(engine(fish), text.words, 40.0) for text, _ in cases))
        try:
            for _, is_on in product(range(rounds), (False, True)):
                ends.FINAL_WORDS = FINAL_WORDS if is_on else frozenset()  # type: ignore[attr-defined]
                await asyncio.gather(*(speak(fish, *case, is_on=is_on) for case in cases))
        finally:
            ends.FINAL_WORDS = FINAL_WORDS  # type: ignore[attr-defined]
    return late
