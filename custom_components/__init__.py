"""Home Assistant looks for integrations here: as in a configuration folder."""
