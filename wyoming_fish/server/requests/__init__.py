"""One synthesis request: who answers it, and what became of it."""
