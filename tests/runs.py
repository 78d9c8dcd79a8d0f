"""`mico` in processes of its own that are killed, or stopped for a while, at a chosen point."""

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

_PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from mico_150k.io import temporary
from mico_150k.cli import main
from mico_150k.io import temporary

os.sync = lambda: None
if machine:
    temporary._machine = lambda: machine
talk = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
os.dup2(talk, 1)
os.dup2(talk, 2)
replace, done = Path.replace, 0

def counted(self, target):
    global done
    if done == at and act == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if done >= at and act == "wait":
        Path(said + ".waits").touch()
        while not Path(said + ".goes-on").exists():
            time.sleep(0.01)
    done += 1
    Path(said + ".count").write_text(str(done))
    return replace(self, target)

Path.replace = counted
while begin and not Path(begin).exists():
    time.sleep(0.001)
sys.argv = ["mico", *arguments]
main()
"""


@dataclass(frozen=True)
class Runs:
    """Starts them. `folder` is for what they say."""

    folder: Path

    def finish(self, *arguments: object) -> int:
        """Run to the end; how many files got their names meanwhile."""
        process = self.start("last", *arguments)
        process.join()
        assert process.exitcode == 0, self.said("last")
        counted = self.folder / "last.count"
        return int(counted.read_text()) if counted.exists() else 0

    def kill(self, at: int, *arguments: object, machine: str = "") -> None:
        """Kill a run by SIGKILL when so many files have their names, and the next is written.

        `machine` is the name of the machine that it thinks it is on.
        """
        process = self.start("killed", *arguments, at=at, act="kill", machine=machine)
        process.join()
        assert process.exitcode == -9, self.said("killed")

    @contextmanager
    def waiting(self, at: int, *arguments: object) -> Iterator[ForkServerProcess]:
        """A run that waits at such a point for the block's end, and then comes to its own."""
        process = self.start("waiting", *arguments, at=at, act="wait")
        while process.is_alive() and not (self.folder / "waiting.waits").exists():
            time.sleep(0.01)
        try:
            assert process.is_alive(), self.said("waiting")
            yield process
        finally:
            (self.folder / "waiting.goes-on").touch()
            process.join()
        assert process.exitcode == 0, self.said("waiting")

    def at_once(self, count: int, *arguments: object) -> list[tuple[int, str]]:
        """So many of one command at the same moment: how each ended, and what it said."""
        begin = self.folder / "begin"
        them = [self.start(f"{n}", *arguments, begin=str(begin)) for n in range(count)]
        time.sleep(0.5)
        begin.touch()
        for process in them:
            process.join()
        return [(process.exitcode or 0, self.said(f"{n}")) for n, process in enumerate(them)]

    def said(self, name: str) -> str:
        """What a run has printed."""
        return (self.folder / name).read_text()

    def start(
        self, name: str, *arguments: object, at: int = -1, act: str = "", begin: str = "",
        machine: str = "",
    ) -> ForkServerProcess:  # fmt: skip
        """A process that runs `mico`, and has imported what it needs."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["mico_150k.cli.build", "datasets", "mico_150k.cli.refine"])
        for left in self.folder.glob(f"{name}*"):
            left.unlink()
        scope = {
            "said": str(self.folder / name), "at": at, "act": act, "begin": begin,
            "machine": machine, "arguments": list(map(str, arguments)),
        }  # fmt: skip
        process = context.Process(target=exec, args=(_PROGRAM, scope))
        process.start()
        return process
