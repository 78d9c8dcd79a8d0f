"""MICo-150K: from the release to `load_dataset("mico-150k", "bagel")`.

    source ──► Sample ──► builder: one row shape per model ──► shards ──► dataset folder

Importing this package changes nothing and loads none of its dependencies: each name is imported
when it is used. `register()` makes `load_dataset` know its builder.
"""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if not Path(__file__).with_name("builders").is_dir():
    # In a clone, builders/ lies beside this package; installed, it lies within.
    __path__.append(str(Path(__file__).parent.parent))

from mico_150k.core.moved import explain_moved_modules
from mico_150k.version import __version__

if TYPE_CHECKING:
    from mico_150k.api.build import build_dataset
    from mico_150k.api.card import write_card
    from mico_150k.api.check import check_dataset
    from mico_150k.api.export import export_dataset, relocate_export
    from mico_150k.api.inspect import inspect_dataset, inspect_source
    from mico_150k.api.patch import patch_clone
    from mico_150k.api.pretokenize import pretokenize_dataset
    from mico_150k.api.preview import preview_dataset
    from mico_150k.api.push import push_dataset
    from mico_150k.api.refine import refine_dataset
    from mico_150k.api.smoke import smoke_test
    from mico_150k.api.sources import open_source
    from mico_150k.core.errors import MicoError
    from mico_150k.core.sample import Sample
    from mico_150k.core.task import Task
    from mico_150k.dataset.reader import Dataset, open_dataset
    from mico_150k.dataset.selection import Selection
    from mico_150k.loaders.registration import register
    from mico_150k.loaders.torch import TrainingLoader, TrainingRows

_MODULES = {
    "Dataset": "dataset.reader",
    "MicoError": "core.errors",
    "Sample": "core.sample",
    "Selection": "dataset.selection",
    "Task": "core.task",
    "TrainingLoader": "loaders.torch",
    "TrainingRows": "loaders.torch",
    "build_dataset": "api.build",
    "check_dataset": "api.check",
    "export_dataset": "api.export",
    "inspect_dataset": "api.inspect",
    "inspect_source": "api.inspect",
    "open_dataset": "dataset.reader",
    "open_source": "api.sources",
    "patch_clone": "api.patch",
    "pretokenize_dataset": "api.pretokenize",
    "preview_dataset": "api.preview",
    "push_dataset": "api.push",
    "refine_dataset": "api.refine",
    "register": "loaders.registration",
    "relocate_export": "api.export",
    "smoke_test": "api.smoke",
    "write_card": "api.card",
}

__all__ = [
    "Dataset",
    "MicoError",
    "Sample",
    "Selection",
    "Task",
    "TrainingLoader",
    "TrainingRows",
    "__version__",
    "build_dataset",
    "check_dataset",
    "export_dataset",
    "inspect_dataset",
    "inspect_source",
    "open_dataset",
    "open_source",
    "patch_clone",
    "pretokenize_dataset",
    "preview_dataset",
    "push_dataset",
    "refine_dataset",
    "register",
    "relocate_export",
    "smoke_test",
    "write_card",
]


def __getattr__(name: str) -> object:
    """A public name, imported when it is used."""
    if name not in _MODULES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    # `help(mico_150k)` asks for each of these, and must not end where torch is not installed.
    has_torch = find_spec("torch") is not None
    return sorted(name for name in __all__ if has_torch or not name.startswith("Training"))


explain_moved_modules()
