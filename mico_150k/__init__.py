"""MICo-150K: from the release to `load_dataset("mico-150k", "bagel")`."""

from mico_150k.version import __version__

__all__ = ["__version__"]
