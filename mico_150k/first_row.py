"""The first row of a configuration, as `load_dataset` gives it to whoever uses the dataset."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from typing import Any

from mico_150k import names


def read_first_row(location: str, config: str, **where: str) -> dict[str, Any] | None:
    """A row with its pictures decoded, or None where there is none; no code of a repository runs.

    `where` may say `revision`. Raises what `load_dataset` raises.
    """
    from datasets import load_dataset

    # datasets before 4 asks the terminal whether to run a repository's script, and arms an alarm
    # that it leaves armed where nobody can answer: the process ends 15 s later.
    asks = "trust_remote_code" in signature(load_dataset).parameters
    options: dict[str, Any] = {**where, **({"trust_remote_code": False} if asks else {})}
    options |= {"split": names.main_split(config), "streaming": True}
    with _without_torch():
        rows = load_dataset(location, config, **options)
        started = iter(rows)
        try:
            row: dict[str, Any] | None = next(started, None)
        finally:
            # pyarrow's scanner makes Python hang or abort at its end where a reader is left over
            # (apache/arrow#45214, huggingface/datasets#7467): 5 of 80 runs of it on a busy machine.
            del started, rows
            gc.collect()
    return row


@contextmanager
def _without_torch() -> Iterator[None]:
    """Keep datasets from importing torch, where it is installed, for what is streamed.

    That takes longer than to read a row of every configuration. Where torch is there already, it
    stays: it would remember of the class that is streamed that it is none of its own.
    """
    from datasets import config

    before = config.TORCH_AVAILABLE
    config.TORCH_AVAILABLE = before and "torch" in sys.modules
    try:
        yield
    finally:
        config.TORCH_AVAILABLE = before
