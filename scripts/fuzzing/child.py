"""One call in a process of its own: forked from this one, in which all is imported already.

Whoever forks must have no threads, and must not have used pyarrow: that is for the children.
"""

import ctypes
import faulthandler
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from process_family import family

UNCAUGHT = 70
"""The exit status of a child that ended with a traceback; `mico` has none of this number."""
SECONDS_BETWEEN_LOOKS = 0.02
SECONDS_FOR_STACKS = 0.5
"""For a child that hangs, to write where it does."""
LARGEST_FILE = 4 << 30
SHOWN_BYTES = 4 << 20

PAGE = resource.getpagesize()


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a call may take, and how many bytes of memory with all that it starts."""

    seconds: float = 60.0
    memory: int = 2 * 10**9


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call has ended. `status` is negative where a signal ended it.

    `over` is the bound that it broke: "time", "memory" or "". `peak` are bytes of memory.
    """

    status: int
    seconds: float
    peak: int
    stdout: str
    stderr: str
    over: str = ""


def call(
    function: Callable[[], object], folder: Path, limits: Limits, log: Path, *, teardown: bool
) -> Ended:
    """Call a function in a child whose working directory is `folder`.

    What the child prints goes into files beside `log`, which stay there. A command is called with
    `teardown`, so that the child ends as a Python process does; what only prepares or judges a case
    goes without, since that takes longer than most commands.
    """
    out, err = log.with_suffix(".out"), log.with_suffix(".err")
    sys.stdout.flush()
    sys.stderr.flush()
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        _live(function, folder, out, err, teardown=teardown)
    status, peak, over = _watch(child, started, limits)
    seconds = time.monotonic() - started
    return Ended(status, seconds, peak, _shown(out), _shown(err), over)


def _live(
    function: Callable[[], object], folder: Path, out: Path, err: Path, *, teardown: bool
) -> None:
    """The child's life; it ends here."""
    status = UNCAUGHT
    try:
        os.setsid()
        for path, descriptor in ((out, 1), (err, 2)):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(handle, descriptor)
            os.close(handle)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(folder)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
        faulthandler.enable()
        faulthandler.register(signal.SIGUSR1, all_threads=True)
        status = _status_of(function)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - also what the streams raise; it must not get out
        with suppress(BaseException):
            traceback.print_exc()
    if not teardown:
        os._exit(status)
    # With all that happens at a real process's end: threads are waited for, libraries torn down.
    ctypes.pythonapi.Py_Exit(ctypes.c_int(status))


def _status_of(function: Callable[[], object]) -> int:
    try:
        function()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:  # noqa: BLE001 - whatever it is, it is what is looked for
        traceback.print_exc()
        return UNCAUGHT
    return 0


def _watch(child: int, started: float, limits: Limits) -> tuple[int, int, str]:
    """Wait for the child, and kill it where it breaks a bound."""
    peak, over = 0, ""
    while True:
        done, status, usage = os.wait4(child, os.WNOHANG)
        if done:
            break
        peak = max(peak, sum(map(_memory_of, family(child))))
        if not over and peak > limits.memory:
            over = "memory"
        elif not over and time.monotonic() - started > limits.seconds:
            over = "time"
        if over:
            _end(child)
        time.sleep(SECONDS_BETWEEN_LOOKS)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what it has started and left
    peak = max(peak, usage.ru_maxrss << 10)
    if not over and peak > limits.memory:
        over = "memory"
    return os.waitstatus_to_exitcode(status), peak, over


def _end(child: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGUSR1)
        time.sleep(SECONDS_FOR_STACKS)
        os.killpg(child, signal.SIGKILL)


def _memory_of(process: int) -> int:
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * PAGE
    return 0


def _shown(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(SHOWN_BYTES).decode(errors="replace")
    except OSError:
        return ""
