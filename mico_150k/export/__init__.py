"""Writes the files that a trainer reads from a dataset."""
