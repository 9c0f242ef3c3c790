"""The command `wyoming-fish-check`: looks for what keeps Fish Audio from speaking here."""
