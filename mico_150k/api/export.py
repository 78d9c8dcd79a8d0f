"""Comes with the branch of exports."""
