"""What a speech recogniser hears in a WAV file."""

import math
import re
import tempfile
import wave
from collections import defaultdict
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path

import numpy as np
import soxr
from pocketsphinx import Decoder

# The recogniser's model was trained at this rate.
RATE = 16000

# How far the recogniser trusts that one word follows another as in the texts.
TRUST = 0.9


def hear(wav: Path, texts: Sequence[str]) -> list[str]:
    """Return the words that are heard, among those of all these texts.

    The recogniser expects none of the texts more than another. A formant synthesiser is hard to
    understand for a model of human speech: with all of English to choose from, it hears next to
    nothing right.
    """
    with wave.open(str(wav)) as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    model_samples = soxr.resample(samples.astype(np.float32), rate, RATE)
    pcm = np.clip(model_samples, -32768, 32767).astype("<i2").tobytes()

    with tempfile.NamedTemporaryFile("w", suffix=".lm") as model:
        model.write(_language_model(texts))
        model.flush()
        decoder = Decoder(lm=model.name, samprate=RATE, loglevel="FATAL")
    decoder.start_utt()
    decoder.process_raw(pcm, full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    # A second pronunciation of a word is written `the(2)`.
    return re.sub(r"\(\d\)", "", hypothesis.hypstr).split() if hypothesis else []


def share_heard(text: str, heard: Sequence[str]) -> float:
    """Return how much of the text was heard in its order, from 0 to 1; additions count too."""
    written = _words(text)
    blocks = SequenceMatcher(None, written, heard, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks) / max(len(written), len(heard))


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def _language_model(texts: Sequence[str]) -> str:
    """Return a bigram model in ARPA's format, with equal chances for all that the texts have."""
    following: defaultdict[str, set[str]] = defaultdict(set)
    for text in texts:
        for phrase in filter(_words, re.split(r"[.,]", text)):
            words = ["<s>", *_words(phrase), "</s>"]
            for first, second in pairwise(words):
                following[first].add(second)
    words = sorted(set(following) | {"</s>"})
    pairs = [(first, second) for first in sorted(following) for second in sorted(following[first])]
    return "\n".join(
        [
            "\\data\\",
            f"ngram 1={len(words)}",
            f"ngram 2={len(pairs)}",
            "\n\\1-grams:",
            *(
                f"{-99 if word == '<s>' else -math.log10(len(words) - 1):.4f} "
                f"{word} {math.log10(1 - TRUST):.4f}"
                for word in words
            ),
            "\n\\2-grams:",
            *(
                f"{math.log10(TRUST / len(following[first])):.4f} {first} {second}"
                for first, second in pairs
            ),
            "\n\\end\\\n",
        ]
    )
