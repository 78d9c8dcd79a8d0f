"""Retries reads that fail because of the network."""

import time
import warnings
from collections.abc import Callable
from typing import TypeVar

import pyarrow as pa

T = TypeVar("T")

PAUSES = (1.0, 5.0, 20.0)
"""Seconds to wait before each retry."""

_LASTING = (FileNotFoundError, PermissionError, pa.ArrowException)
"""Errors that a retry cannot cure: a file that is missing, forbidden or damaged."""
_REFUSED = range(400, 500)
_TOO_MANY = 429
"""The HTTP status of a rate limit, which a retry can cure."""


def again(call: Callable[[], T]) -> T:
    """Return what the call returns; after a network failure it is retried, with a warning."""
    for pause in PAUSES:
        try:
            return call()
        except Exception as error:  # every file system raises its own types
            status = getattr(error, "status", None)
            if isinstance(error, _LASTING) or (status in _REFUSED and status != _TOO_MANY):
                raise
            said = f"{type(error).__name__}: {error}"
        warnings.warn(f"{said}; retrying in {pause:.0f} s", stacklevel=2)
        time.sleep(pause)
    return call()
