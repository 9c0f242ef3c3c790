"""Self-hosted servers: how each kind is detected, is asked to speak, and answers."""
