"""Where the text of a session is cut into the chunks that the model speaks one by one."""

import re
from collections.abc import Iterator

from ..settings import Split

SENTENCE_END = re.compile(r"""(?<![.!?…])[.!?…]+["'”’)\]]*\s+|[。！？]+["'”’）」』]*""")


class UnspokenText:
    """Text that waits to be spoken.

    Chunks joined are the text as it came, its spaces included; a chunk is never blank.
    """

    def __init__(self, chunk_length: int, min_chunk_length: int, split: Split) -> None:
        self._chunk_length = chunk_length
        self._min_chunk_length = min_chunk_length
        self._split = split
        self._text = ""

    def add(self, text: str) -> Iterator[str]:
        """Take text in and give the chunks that are long enough to be spoken unasked."""
        self._text += text
        begin = 0
        try:
            while (end := self._cut(begin)) is not None:
                chunk = self._text[begin:end]
                begin = end
                yield chunk
        finally:
            self._text = self._text[begin:]

    def take(self) -> str | None:
        """Give all there is, for a flush or the end. Blank text stays: it leads what follows."""
        if not self._text or self._text.isspace():
            return None
        text, self._text = self._text, ""
        return text

    def _cut(self, begin: int) -> int | None:
        if self._split == "never":
            return None
        limit = begin + self._chunk_length
        if self._split == "sentence":
            for match in SENTENCE_END.finditer(self._text, begin, limit):
                end = match.end()
                if end - begin >= self._min_chunk_length and not self._blank(begin, end):
                    return end
        if len(self._text) < limit:
            return None
        for end in range(limit, begin, -1):
            if self._text[end - 1].isspace():
                if self._blank(begin, end):
                    break
                return end
        # One word that is longer than a chunk: cut it, or it would never be spoken.
        return limit

    def _blank(self, begin: int, end: int) -> bool:
        return self._text[begin:end].isspace()
