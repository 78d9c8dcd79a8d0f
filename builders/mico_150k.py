"""The loading script for `datasets` before 4, which still ran such scripts.

    load_dataset("builders/mico_150k.py", "bagel", data_dir=SOURCE, trust_remote_code=True)

It needs the package installed. Never put it at the root of a dataset folder: from 4 on, a script
that is named like its folder stops `load_dataset`.
"""

from mico_150k.loaders import huggingface


class Mico150k(huggingface.Mico150k):
    """The package's builder, where `datasets` looks for one."""
