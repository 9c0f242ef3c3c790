"""A reply by REST: its attempts, and how much text each request has."""
