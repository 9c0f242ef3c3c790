"""Synthesis: one reply from text to audio."""
