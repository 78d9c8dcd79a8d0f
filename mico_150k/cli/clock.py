"""Measures the wall time of a command, from the start of its process."""

import time

from mico_150k.cli.terminal import duration

_SHORT = 120
"""The seconds below which a time is shown with a decimal."""


class _Clock:
    started = time.monotonic()


def start(started: float | None = None) -> None:
    """Start the clock now, or at an earlier `time.monotonic`."""
    _Clock.started = time.monotonic() if started is None else started


def elapsed() -> str:
    """Return the time since the start: `18.3 s`, `12 min`."""
    seconds = time.monotonic() - _Clock.started
    return f"{seconds:.1f} s" if seconds < _SHORT else duration(seconds)
