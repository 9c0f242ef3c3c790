"""The Wyoming server: connections, events, and replies to requests."""
