"""Where a text may be cut, so that speech can begin before all of it is written."""

from .boundaries import Boundaries
from .ends import MAX_SPACE_CHARS, CutKind
from .segmenter import MAX_SENTENCE_CHARS, WINDOW_CHARS, Cut, Sentences, sentence_ends

__all__ = [
    "MAX_SENTENCE_CHARS",
    "MAX_SPACE_CHARS",
    "WINDOW_CHARS",
    "Boundaries",
    "Cut",
    "CutKind",
    "Sentences",
    "sentence_ends",
]
