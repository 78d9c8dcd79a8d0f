"""Exports: they write the files that one trainer reads from a dataset."""
