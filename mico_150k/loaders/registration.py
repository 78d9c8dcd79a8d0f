"""`register()`: makes `load_dataset("mico-150k", …)` run this package's builder.

From version 4 on `datasets` runs no code but its own builders, and finds those in one table, which
is private. This module alone knows of it; the tests hold it against each major version.
"""

from mico_150k.core.errors import MissingPackage
from mico_150k.dataset.layout import DATASET


def register(name: str = DATASET) -> None:
    """Make `load_dataset(name, CONFIG, data_dir=SOURCE)` generate rows from a source.

    This affects only the current process. The name then hides a folder of that name in the working
    directory: without `data_dir`, or with a dataset folder, the builder yields the folder's rows.

    Raises:
        MissingPackage: This version of `datasets` keeps its builders elsewhere.
    """
    from datasets import __version__, packaged_modules

    from mico_150k.loaders import huggingface
    from mico_150k.loaders.package_hash import package_hash

    table = getattr(packaged_modules, "_PACKAGED_DATASETS_MODULES", None)
    if not isinstance(table, dict) or not all(map(_is_known, table.values())):
        msg = (
            f"mico_150k.register() does not work with datasets {__version__}.\n"
            "Use an older one, or the builder class: "
            "mico_150k.loaders.huggingface.Mico150k(config_name=…, data_dir=…)."
        )
        raise MissingPackage(msg)
    table[name] = (huggingface.__name__, package_hash())


def _is_known(entry: object) -> bool:
    """Return whether a table entry is a module name and a hash, as ours will be."""
    return isinstance(entry, tuple) and [*map(type, entry)] == [str, str]
