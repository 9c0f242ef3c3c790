"""First audio, starved seconds and sockets: ours, the official SDK, and the limit."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import product
from statistics import median
from typing import Final, NamedTuple

import fishaudio  # type: ignore[import-untyped]

from wyoming_fish.fish import Endpoint, FishClient

from .player import Heard
from .programs import Fish, Served, emulator, ours
from .speakers import Speaker, engine, hear, official_sdk, wyoming_server
from .table import Verdict, print_table, print_verdicts, verdict
from .texts import AT_ONCE, TEXTS, THREE_SENTENCES, Text, interval

SPLITS: Final = {
    "length": "Fish cuts at `chunk_length` only",
    "sentence": "Fish cuts at sentence ends too",
}
PACES: Final = (10.0, 20.0, 40.0, AT_ONCE)
# Paces that are measured at the same time, one of each of these.
TOGETHER: Final = ((10.0, AT_ONCE), (20.0, 40.0))
ROUNDS: Final = 3

SERVER, ENGINE, COLD, SDK = "server", "engine", "cold server", "official SDK"
SPEAKERS: Final = (SERVER, ENGINE, COLD, SDK)

# Seconds without use after which the cold server holds no socket any more, and those for which
# it is left alone before each reply.
QUIET_TIME: Final = 0.5
QUIET: Final = 0.8

# Seconds after the limit and the next word within which ours has to be heard.
TOLERANCE: Final = 0.03
# Of the official SDK's first audio, at the most, with each pace and split.
RATIOS: Final = ((10.0, "length", 0.4), (AT_ONCE, "length", 0.55), (AT_ONCE, "sentence", 0.55))
# Seconds that are the machine's own, where there should be none.
NOISE: Final = 0.01


class Plan(NamedTuple):
    """What is measured: each with each."""

    splits: tuple[str, ...]
    paces: tuple[float, ...]
    texts: tuple[Text, ...]
    rounds: int


class Lane(NamedTuple):
    """One speaker, with a Fish Audio of its own."""

    split: str
    speaker: str
    paces: tuple[float, ...]
    fish: Fish
    server: Served | None


class Case(NamedTuple):
    """A text as it is written and spoken."""

    split: str
    speaker: str
    pace: float
    text: Text


@dataclass
class Results:
    """What was heard of each case, and the sockets it took."""

    heard: dict[Case, list[Heard]] = field(default_factory=dict)
    sockets: dict[tuple[str, str, float], int] = field(default_factory=dict)

    def first_audio(self, case: Case) -> float:
        """Seconds, the median of the rounds."""
        return median(heard.first_audio for heard in self.heard[case])

    def late(self, case: Case) -> float:
        """Seconds by which the first audio comes after the limit, the median of the rounds."""
        return self.first_audio(case) - case.text.limit(case.pace)

    def starved(self, speaker: str, split: str, pace: float) -> float:
        """Seconds, of the reply in which there were the most."""
        return max(
            heard.starved
            for case, replies in self.heard.items()
            if (case.split, case.speaker, case.pace) == (split, speaker, pace)
            for heard in replies
        )


def run(*, quick: bool = False) -> list[Verdict]:
    """Measure, print the tables and give the verdicts."""
    plan = Plan(tuple(SPLITS), PACES, TEXTS, ROUNDS)
    if quick:
        plan = Plan(("length",), (40.0, AT_ONCE), (THREE_SENTENCES,), 1)
    with _lanes(plan) as lanes:
        results = asyncio.run(_measure(lanes, plan))
    for split in plan.splits:
        _print_paces(split, plan, results)
    _print_texts(plan, results)
    verdicts = list(_judge(plan, results))
    print_verdicts(verdicts)
    return verdicts


@contextmanager
def _lanes(plan: Plan) -> Iterator[list[Lane]]:
    together = TOGETHER if plan.paces == PACES else (plan.paces,)
    with ExitStack() as stack:
        every = [
            (split, speaker, paces, stack.enter_context(emulator("--split", split)))
            for split, speaker, paces in product(plan.splits, SPEAKERS, together)
        ]
        lanes = []
        for split, speaker, paces, fish in every:
            flags = ("--pool-idle-timeout", str(QUIET_TIME)) if speaker == COLD else ()
            served = speaker in (SERVER, COLD)
            own = stack.enter_context(ours(fish.url, *flags)) if served else None
            lanes.append(Lane(split, speaker, paces, fish, own))
        yield lanes


@asynccontextmanager
async def _speaker(lane: Lane) -> AsyncIterator[Speaker]:
    if lane.server is not None:
        yield wyoming_server(lane.server.port)
    elif lane.speaker == ENGINE:
        async with FishClient(Endpoint("key", lane.fish.url)) as fish:
            yield engine(fish)
    else:
        async with fishaudio.AsyncFishAudio(api_key="key", base_url=lane.fish.url) as client:
            yield official_sdk(client)


async def _measure(lanes: list[Lane], plan: Plan) -> Results:
    """Have all speak at the same time, each one reply after another."""
    results = Results()

    async def drive(lane: Lane) -> None:
        async with _speaker(lane) as speaker:
            # The first reply of a program finds nothing in its caches.
            await hear(speaker, THREE_SENTENCES.words, AT_ONCE)
            for pace, _, text in product(lane.paces, range(plan.rounds), plan.texts):
                if lane.speaker == COLD:
                    await asyncio.sleep(QUIET)
                before = lane.fish.sockets
                heard = await hear(speaker, text.words, pace)
                case = Case(lane.split, lane.speaker, pace, text)
                results.heard.setdefault(case, []).append(heard)
                where = (lane.split, lane.speaker, pace)
                opened = lane.fish.sockets - before
                results.sockets[where] = results.sockets.get(where, 0) + opened

    async with asyncio.TaskGroup() as group:
        for lane in lanes:
            group.create_task(drive(lane))
    return results


def _print_paces(split: str, plan: Plan, results: Results) -> None:
    rows = []
    for pace in plan.paces:
        first = [
            results.first_audio(Case(split, speaker, pace, THREE_SENTENCES)) for speaker in SPEAKERS
        ]
        starved = [results.starved(speaker, split, pace) for speaker in (SERVER, SDK)]
        rows.append(
            [
                _named(pace),
                f"{first[0] / first[-1]:.2f}",
                f"{THREE_SENTENCES.limit(pace):.2f}",
                *(f"{seconds:.2f}" for seconds in first),
                *(f"{seconds:.2f}" for seconds in starved),
                *(results.sockets[split, speaker, pace] for speaker in (SERVER, COLD, SDK)),
            ]
        )
    print_table(
        f"{SPLITS[split]}. First audio of '{THREE_SENTENCES.name}', in seconds; of "
        f"{plan.rounds * len(plan.texts)} replies the worst one's starved seconds, and all sockets",
        [
            *("written", "server / SDK", "limit", *SPEAKERS),
            *("starved: server", "SDK", "sockets: server", "cold server", "SDK"),
        ],
        rows,
    )


def _print_texts(plan: Plan, results: Results) -> None:
    pace = plan.paces[0]
    rows = []
    for split, text in product(plan.splits, plan.texts):
        cases = [Case(split, speaker, pace, text) for speaker in SPEAKERS]
        first = [results.first_audio(case) for case in cases]
        rows.append(
            [
                text.name,
                split,
                f"{first[0] / first[-1]:.2f}",
                f"{text.limit(pace):.2f}",
                *(f"{seconds:.2f}" for seconds in first),
                *(
                    f"{max(heard.starved for heard in results.heard[case]):.2f}"
                    for case in (cases[0], cases[-1])
                ),
            ]
        )
    print_table(
        f"Each text, {_named(pace)}: first audio, and starved seconds of the worst reply",
        [
            *("text", "Fish cuts at", "server / SDK", "limit", *SPEAKERS),
            *("starved: server", "SDK"),
        ],
        rows,
    )


def _judge(plan: Plan, results: Results) -> Iterator[Verdict]:
    for pace, speaker in product(plan.paces, (SERVER, ENGINE)):
        late, worst = max(
            (results.late(Case(split, speaker, pace, text)), text.name)
            for split, text in product(plan.splits, plan.texts)
        )
        yield verdict(
            f"{_named(pace)}, {speaker}: first audio after the limit, worst text ({worst})",
            1000 * late,
            1000 * (interval(pace) + TOLERANCE),
            "ms",
        )
    for pace, split, most in RATIOS:
        if pace in plan.paces and split in plan.splits:
            own, sdk = (
                results.first_audio(Case(split, speaker, pace, THREE_SENTENCES))
                for speaker in (SERVER, SDK)
            )
            yield verdict(
                f"{_named(pace)}, {SPLITS[split]}: first audio, server / SDK", own / sdk, most
            )
    for pace, speaker in product(plan.paces, (SERVER, ENGINE)):
        starved = max(results.starved(speaker, split, pace) for split in plan.splits)
        yield verdict(f"{_named(pace)}, {speaker}: starved, worst reply", starved, NOISE, "s")


def _named(pace: float) -> str:
    return "complete text" if pace == AT_ONCE else f"{pace:.0f} words/s"
