"""Builds: they turn a source into a dataset folder."""
