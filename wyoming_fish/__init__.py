"""Fish Audio's voices for Home Assistant and everything else that speaks Wyoming."""

__version__ = "0.1.0"
