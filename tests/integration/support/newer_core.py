"""Lets the test helpers run in a Home Assistant that is newer than they are.

Pytest loads this before it loads the helpers. Home Assistant replaces httpx when it is imported,
which must happen first.
"""

from homeassistant.components import logger
from homeassistant.components.logger import helpers

# Home Assistant 2026.11 has it only in `helpers`. The test helpers import it from `logger`.
logger.__dict__.setdefault("_clear_logger_overwrites", helpers._clear_logger_overwrites)  # noqa: SLF001
