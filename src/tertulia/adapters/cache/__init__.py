"""Short-term memory: what may be lost at any time."""
