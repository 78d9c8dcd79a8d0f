"""The first row of a configuration, as `load_dataset` returns it to users of the dataset.

A separate process reads it. `datasets` uses pyarrow's scanner, whose threads can outlive the
interpreter and abort it (apache/arrow#45214): a complete build or push would then report failure.
The process also has its own caches, so that the user's need not be writable.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, NoReturn

from mico_150k.core.errors import RowUnreadable, RowUnreadableNow
from mico_150k.core.excerpt import excerpt

MOST_SECONDS = 300.0
"""The seconds allowed for one row: longer than the Hub's retries take."""
_MOST_SHOWN = 90
"""The most characters of a value to show."""
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from mico_150k.loaders.first_row import serve; serve(int(sys.argv[1]))"
)
_CACHES = ("HF_DATASETS_CACHE", "HF_MODULES_CACHE", "HF_HUB_CACHE", "HF_ASSETS_CACHE",
           "HF_XET_CACHE")  # fmt: skip


@dataclass(frozen=True, slots=True)
class FirstRow:
    """A row for display: its cells by column, and the number of decoded images."""

    cells: dict[str, str]
    pictures: int


class FirstRows:
    """Reads first rows of a dataset, in a process that lives until it is closed.

    `location` is a folder, or a repository, read at `revision`. None of its code runs.
    """

    def __init__(self, location: str, revision: str = "", seconds: float = MOST_SECONDS) -> None:
        """Set the location; `seconds` is the time limit for each row, including startup."""
        self._location = location
        self._revision = revision
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._cache: TemporaryDirectory[str] | None = None

    def close(self) -> None:
        """End the process, and remove its caches."""
        self._stop()
        if self._cache:
            with suppress(OSError):
                self._cache.cleanup()

    def read(self, config: str, split: str) -> FirstRow | None:
        """Return the first row of a split, or None if it is empty.

        Raises `RowUnreadable`, and OSError where no process can be started.
        """
        connection = self._start()
        question = {
            "location": self._location,
            "config": config,
            "split": split,
            **({"revision": self._revision} if self._revision else {}),
        }
        try:
            connection.send_bytes(json.dumps(question).encode())
            if not connection.poll(self._seconds):
                self._stop()
                msg = f"TimeoutError: no row after {self._seconds:.0f} s"
                raise RowUnreadableNow(msg)
            answer = json.loads(connection.recv_bytes())
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise RowUnreadable(self._ended()) from None
        if "said" in answer:
            _raise(answer)
        return FirstRow(**answer["row"]) if answer["row"] else None

    def _start(self) -> Connection:
        """Return the pipe to the process, which is started if necessary."""
        if self._connection:
            return self._connection
        self._cache = self._cache or TemporaryDirectory(
            prefix="mico-150k-look-", ignore_cleanup_errors=True
        )
        here, there = Pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - this Python, and our own words
                # Isolated: what lies in the working directory is not imported.
                [sys.executable, "-I", "-c", _START, str(there.fileno()), json.dumps(sys.path)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[there.fileno()],
                env={**os.environ, **_environment(self._cache.name)},
            )
        finally:
            there.close()  # so that the pipe ends when the process ends
        self._connection = here
        return here

    def _stop(self) -> None:
        if self._connection:
            self._connection.close()
        if self._process:
            self._process.kill()  # it writes nothing worth keeping
            self._process.wait()
        self._connection = self._process = None

    def _ended(self) -> str:
        """Describe how the process ended unexpectedly."""
        process = self._process
        assert process
        with suppress(subprocess.TimeoutExpired):
            process.wait(1)
        code = process.returncode
        self._stop()
        how = f"by {signal.Signals(-code).name}" if code and code < 0 else f"with status {code}"
        return f"the process that reads rows was killed {how}"


def _environment(cache: str) -> dict[str, str]:
    """Return the process's environment: this process's Hub settings, and writable caches."""
    found = {
        **{name: f"{cache}/{name.lower()}" for name in _CACHES},
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        # Importing torch takes longer than reading a row of every configuration.
        **dict.fromkeys(("USE_TORCH", "USE_TF", "USE_JAX"), "0"),
    }
    if constants := getattr(sys.modules.get("huggingface_hub"), "constants", None):
        offline = "1" if constants.HF_HUB_OFFLINE else "0"
        found |= {"HF_ENDPOINT": constants.ENDPOINT, "HF_HUB_OFFLINE": offline}
    return found


def serve(number: int) -> None:
    """Run the process: read requests from the pipe with this number, and answer with rows."""
    connection = Connection(number)
    try:
        while True:
            question = json.loads(connection.recv_bytes())
            try:
                answer = {"row": _described(read_first_row(**question))}
            except Exception as error:  # noqa: BLE001 - whatever stops a reader is what is looked for
                answer = _fault(error)
            connection.send_bytes(json.dumps(answer).encode())
    except (EOFError, OSError):
        pass
    finally:
        os._exit(0)  # without waiting for the threads that would abort it


def read_first_row(location: str, config: str, split: str, **where: str) -> dict[str, Any] | None:
    """Return a row with decoded images, or None if there is none; runs no repository code.

    Raises what `load_dataset` raises. The process must not end by itself afterwards.
    """
    from inspect import signature

    from datasets import load_dataset

    # datasets before 4 asks the terminal whether to run a repository's script, and arms an alarm
    # that it leaves armed where nobody can answer: the process ends 15 s later.
    asks = "trust_remote_code" in signature(load_dataset).parameters
    options: dict[str, Any] = {**where, **({"trust_remote_code": False} if asks else {})}
    rows = load_dataset(location, config, split=split, streaming=True, **options)
    row: dict[str, Any] | None = next(iter(rows), None)
    return row


def _described(row: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if row is None:
        return None
    pictures = sum(
        hasattr(value, "getpixel")
        for cell in row.values()
        for value in (cell if isinstance(cell, list) else [cell])
    )
    return asdict(FirstRow({name: _short(value) for name, value in row.items()}, pictures))


def _short(value: Any) -> str:  # noqa: ANN401 - any column's value
    """Return an image as its format and size, or the beginning of a text."""
    if hasattr(value, "size") and hasattr(value, "format"):
        return f"{value.format} {value.size[0]}×{value.size[1]}"
    if value == "":
        return '""'  # otherwise, a list of empty texts would show only brackets and commas
    text = f"[{', '.join(map(_short, value))}]" if isinstance(value, list) else str(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}…"


def _fault(error: Exception) -> dict[str, Any]:
    """Describe an error, so that the parent process can apply the Hub's retry rules to it."""
    from mico_150k.io.transient import is_transient

    response = getattr(error, "response", None)
    told = {
        "status_code": response.status_code,
        "headers": {
            name: value
            for name in ("Retry-After", "RateLimit", "X-Error-Message")
            if (value := response.headers.get(name)) is not None
        },
        "reason_phrase": getattr(response, "reason_phrase", getattr(response, "reason", "")),
    } if response is not None else None  # fmt: skip
    first, _, _ = str(error).partition("\n")
    return {
        "said": excerpt(f"{type(error).__name__}: {first}", 1000),
        "again": is_transient(error),
        "response": told,
    }


def _raise(fault: Mapping[str, Any]) -> NoReturn:
    """Raise the error that `_fault` described in the other process."""
    kind = RowUnreadableNow if fault["again"] else RowUnreadable
    raise kind(fault["said"], SimpleNamespace(**fault["response"]) if fault["response"] else None)
