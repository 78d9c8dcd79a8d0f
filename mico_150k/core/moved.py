"""The documented modules of 0.1 that have moved.

Importing the old name raises an error that names the new one.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "mico_150k.torch_loading": "mico_150k.loaders.torch",
    "mico_150k.dataset_builder": "mico_150k.loaders.huggingface",
    "mico_150k.registration": "mico_150k.loaders.registration",
    "mico_150k.builder": "mico_150k.core.configuration",
    "mico_150k.columns": "mico_150k.core.columns",
    "mico_150k.errors": "mico_150k.core.errors",
    "mico_150k.sample": "mico_150k.core.sample",
    "mico_150k.export.trainer": "mico_150k.core.trainer",
}
"""Name in 0.1 → name since 0.2.0; CHANGELOG.md lists them too."""


class _Moved(MetaPathFinder):
    """An import finder that comes last, after every other has failed."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raise ModuleNotFoundError, with the new name, for a module that has moved."""
        del path, target
        if fullname in MOVED:
            msg = f"{fullname} moved to {MOVED[fullname]} in version 0.2.0: import that."
            raise ModuleNotFoundError(msg, name=fullname)
        return None


def explain_moved_modules() -> None:
    """Install the finder, so that imports of old names say where the modules are now."""
    sys.meta_path.append(_Moved())
