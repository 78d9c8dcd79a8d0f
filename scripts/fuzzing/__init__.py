"""The parts of `scripts/fuzz.py`: base data, what mutates it, and who watches what comes of it."""
