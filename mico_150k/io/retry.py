"""Reading over a network once more, where that has failed by chance."""

import time
import warnings
from collections.abc import Callable
from typing import TypeVar

import pyarrow as pa

T = TypeVar("T")

PAUSES = (1.0, 5.0, 20.0)
"""Seconds before each further try."""

_LASTING = (FileNotFoundError, PermissionError, pa.ArrowException)
"""What would be the same again: a file that is not there, not ours to read, or damaged."""
_REFUSED = range(400, 500)
_TOO_MANY = 429
"""Of the answers in that range, the one that asks for patience."""


def again(call: Callable[[], T]) -> T:
    """What the call returns. Where the network fails it, it is made again, with a warning."""
    for pause in PAUSES:
        try:
            return call()
        except Exception as error:  # every file system has its own way to say no
            status = getattr(error, "status", None)
            if isinstance(error, _LASTING) or (status in _REFUSED and status != _TOO_MANY):
                raise
            said = f"{type(error).__name__}: {error}"
        warnings.warn(f"{said}; retrying in {pause:.0f} s", stacklevel=2)
        time.sleep(pause)
    return call()
