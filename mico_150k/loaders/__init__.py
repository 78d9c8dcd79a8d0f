"""Loads rows for training, through `datasets` and through torch."""
