"""`register()`: makes `load_dataset("mico-150k", …)` run this package's builder.

From version 4 on `datasets` runs no code but its own builders, and finds those in one table, which
is private. This module alone knows of it; the tests hold it against each major version.
"""

from mico_150k.dataset.layout import DATASET


def register(name: str = DATASET) -> None:
    """Make `load_dataset(name, CONFIG, data_dir=SOURCE)` generate rows from a source.

    This affects only the current process. The name then hides a folder of that name in the working
    directory: without `data_dir`, or with a dataset folder, the builder yields the folder's rows.
    """
    from datasets import packaged_modules

    from mico_150k.loaders import huggingface
    from mico_150k.loaders.package_hash import package_hash

    table = packaged_modules._PACKAGED_DATASETS_MODULES  # noqa: SLF001 - see above
    table[name] = (huggingface.__name__, package_hash())
