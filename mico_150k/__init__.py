"""MICo-150K: from the release to `load_dataset("mico-150k", "bagel")`.

    source ──► Sample ──► builder: one row shape per model ──► shards ──► dataset folder

Importing this package changes nothing; `register()` makes `load_dataset` know its builder.
"""

from pathlib import Path

if not Path(__file__).with_name("builders").is_dir():
    # In a clone, builders/ lies beside this package; installed, it lies within.
    __path__.append(str(Path(__file__).parent.parent))

from mico_150k.core.moved import explain_moved_modules
from mico_150k.loaders.registration import register
from mico_150k.version import __version__

__all__ = ["__version__", "register"]

explain_moved_modules()
