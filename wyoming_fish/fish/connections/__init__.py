"""Connections: which one carries a reply."""
