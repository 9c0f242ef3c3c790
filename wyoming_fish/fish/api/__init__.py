"""Fish Audio's API, as it is on the wire: one module for each endpoint."""
