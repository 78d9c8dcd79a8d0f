"""The version of the package, and nothing else: setuptools reads it without importing the rest."""

__version__ = "0.2.0"
