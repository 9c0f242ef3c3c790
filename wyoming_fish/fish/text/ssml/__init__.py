"""SSML and phonemes."""
