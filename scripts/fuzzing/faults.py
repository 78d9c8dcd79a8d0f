"""What is wrong with how a call has ended, in one of a few words, and where it happened."""

import re
import signal
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fuzzing.child import UNCAUGHT, Ended

CRASH = "crash"
HANG = "hang"
MEMORY = "memory"
TRACEBACK = "traceback"
SILENT = "silent failure"
FLOOD = "flood of text"
WRONG_ROWS = "wrong rows"
ESCAPE = "write outside"
LEAK = "leak"
RAW_HTML = "raw HTML"
KINDS = (
    CRASH, HANG, MEMORY, TRACEBACK, WRONG_ROWS, ESCAPE, LEAK, RAW_HTML, SILENT, FLOOD,
)  # fmt: skip
NOT_DECODABLE = "accepted, not decodable"
"""No fault without `--verify decode`: structure alone is looked at."""
UNJUDGED = "not judged"
"""A plain reader could not read what was built from: there is nothing to compare with."""

CLEAN = {0, 1, 2}
LONGEST_LINE = 4_000
MOST_TALK = 64_000
_FRAME = re.compile(r'File "([^"]*)", line (\d+)')
_OURS = re.compile(r".*/((?:mico_150k|builders)/.*)")
_LAST = re.compile(r"^(?:[A-Za-z_][\w.]*)(?:: .*)?$")


@dataclass(frozen=True, slots=True)
class Fault:
    """`what` is the kind, `where` tells faults of the same cause apart, `who` is the command."""

    what: str
    where: str
    who: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {self.where}"


def faults_of(ended: Ended, who: str = "") -> Iterator[Fault]:
    """The faults that can be told from a call's end alone."""
    if ended.over == "time":
        yield Fault(HANG, _place(ended.stderr, first=True), who)
    elif ended.over == "memory":
        yield Fault(MEMORY, _place(ended.stderr, first=True), who)
    elif ended.status < 0:
        name = signal.Signals(-ended.status).name
        yield Fault(CRASH, f"{name} {_place(ended.stderr, first=True)}", who)
    elif ended.status == UNCAUGHT or "Traceback (most recent call last)" in ended.stderr:
        yield Fault(TRACEBACK, f"{_error(ended.stderr)} {_place(ended.stderr)}", who)
    elif ended.status not in CLEAN:
        yield Fault(CRASH, f"exit status {ended.status}", who)
    elif ended.status and not ended.stderr.strip() and not ended.stdout.strip():
        yield Fault(SILENT, f"exit status {ended.status} silently", who)
    else:
        longest = max(map(len, ended.stderr.split("\n")), default=0)
        if longest > LONGEST_LINE or len(ended.stderr) > MOST_TALK:
            yield Fault(FLOOD, " ".join(ended.stderr[:120].split()), who)


def _place(text: str, *, first: bool = False) -> str:
    """The innermost line of ours in a traceback: its last, or faulthandler's `first`."""
    frames = _FRAME.findall(text)
    ours = [f"{found[1]}:{line}" for path, line in frames if (found := _OURS.match(path))]
    if not ours:
        return f"{frames[0 if first else -1][0]}" if frames else "nowhere"
    return ours[0 if first else -1]


def _error(text: str) -> str:
    """The traceback's last line, without what differs from case to case."""
    lines = [line for line in text.rstrip().split("\n") if line and not line[0].isspace()]
    said = next((line for line in reversed(lines) if _LAST.match(line)), lines[-1] if lines else "")
    said = re.sub(r"/[^\s:'\"]+", "…", said)
    said = re.sub(r"\b[0-9a-f]{16,}\b", "…", said)
    return re.sub(r"\d+", "N", said)[:110]


def count(faults: Iterable[Fault]) -> Counter[str]:
    """How many of each kind; the kinds that stand for faults are all there."""
    counts = Counter(dict.fromkeys(KINDS, 0))
    counts.update(fault.what for fault in faults)
    return counts
