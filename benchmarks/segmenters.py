"""Cuts texts with a segmenter other than ours: segmenters.py NAME, in an environment that has it.

It reads pairs of a language and a text, as JSON, and writes their sentences and the microseconds of
the processor for a character. It imports nothing of the project.
"""

import json
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

Segment = Callable[[str, str], list[str]]


def _sentence_stream() -> Segment:
    module: Any = import_module("sentence_stream")
    return lambda _language, text: list(module.stream_to_sentences(list(text)))


def _pysbd() -> Segment:
    module: Any = import_module("pysbd")
    known = import_module("pysbd.languages").LANGUAGE_CODES
    segmenters: dict[str, Any] = {}

    def segment(language: str, text: str) -> list[str]:
        if language not in known:
            language = "en"
        if language not in segmenters:
            segmenters[language] = module.Segmenter(language=language, clean=False)
        return list(segmenters[language].segment(text))

    return segment


def _blingfire() -> Segment:
    module: Any = import_module("blingfire")
    return lambda _language, text: str(module.text_to_sentences(text)).split("\n")


def _stream2sentence() -> Segment:
    module: Any = import_module("stream2sentence")

    def segment(language: str, text: str) -> list[str]:
        # By default it joins short sentences. The comparison is only about where sentences end.
        return list(
            module.generate_sentences(
                iter(text),
                language=language,
                minimum_sentence_length=1,
                minimum_first_fragment_length=1,
            )
        )

    return segment


SEGMENTERS: Final[dict[str, Callable[[], Segment]]] = {
    "sentence-stream": _sentence_stream,
    "pysbd": _pysbd,
    "blingfire": _blingfire,
    "stream2sentence": _stream2sentence,
}


def main(name: str) -> None:
    """Read the texts, and write their sentences and what they cost."""
    segment = SEGMENTERS[name]()
    texts = json.load(sys.stdin)
    for language, text in texts:
        segment(language, text)
    started = time.process_time()
    sentences = [segment(language, text) for language, text in texts]
    spent = time.process_time() - started
    characters = sum(len(text) for _, text in texts)
    json.dump({"sentences": sentences, "microseconds": 1e6 * spent / characters}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
