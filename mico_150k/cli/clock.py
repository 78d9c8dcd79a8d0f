"""The wall time of a command, from the start of its process."""

import time

from mico_150k.cli.terminal import duration

_SHORT = 120
"""Seconds that are told with a decimal."""


class _Clock:
    started = time.monotonic()


def start(started: float | None = None) -> None:
    """A command begins, or has begun at that time of `time.monotonic`."""
    _Clock.started = time.monotonic() if started is None else started


def elapsed() -> str:
    """The time since then: `18.3 s`, `12 min`."""
    seconds = time.monotonic() - _Clock.started
    return f"{seconds:.1f} s" if seconds < _SHORT else duration(seconds)
