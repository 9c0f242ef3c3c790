"""How a message is spoken: its options, voice, and audio."""
