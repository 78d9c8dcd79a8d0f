"""Exports: a dataset as the files that one trainer reads."""
