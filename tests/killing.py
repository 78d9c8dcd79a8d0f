"""Work that is stopped in the midst of it."""

import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from mico_150k.dataset.config_file import ConfigFile


def start_and_kill(program: str, *arguments: object, after: float) -> None:
    """Run Python code, and kill it so many seconds after it has printed its first line."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


def interrupt_after(monkeypatch: pytest.MonkeyPatch, shards: int) -> None:
    """Stop a build, as by Ctrl-C, after that many finished shards and half of the next."""
    original, count = ConfigFile.finish, Counter[str]()

    def stop(self: ConfigFile) -> object:
        count[self.path.parent.name] += 1
        if count["blip3o"] > shards:
            raise KeyboardInterrupt
        return original(self)

    monkeypatch.setattr(ConfigFile, "finish", stop)
