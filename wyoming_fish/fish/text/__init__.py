"""What is said of what was written.

cleaner = Cleaner(Backend.S2_1_PRO, TextSettings())
for piece in pieces:
    say(cleaner.write(piece))
say(cleaner.end())
"""

from .cleaner import Cleaner
from .cues import has_style
from .pronunciations import Pronunciation, parse_pronunciations
from .settings import TextSettings

__all__ = ["Cleaner", "Pronunciation", "TextSettings", "has_style", "parse_pronunciations"]
