"""Fish Audio's API, emulated: one module for each endpoint."""
