"""Rows into a training: through `datasets`, and through torch."""
