"""What one check of `mico smoke` says."""

from dataclasses import dataclass
from enum import Enum


class Outcome(str, Enum):
    """How a check ended."""

    RIGHT = "right"
    WRONG = "wrong"
    NOT_CHECKED = "not checked here"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the result.

    `subject` says what was looked at, `what` what was found, and `todo` what to do, "" for nothing.
    """

    outcome: Outcome
    subject: str
    what: str
    todo: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether a training would not start, or would not train on this export."""
        return self.outcome is Outcome.WRONG


def right(subject: str, what: str) -> Finding:
    """Return a check that has passed."""
    return Finding(Outcome.RIGHT, subject, what)


def wrong(subject: str, what: str, todo: str) -> Finding:
    """Return a check that has failed, and what to do."""
    return Finding(Outcome.WRONG, subject, what, todo)


def unknown(subject: str, what: str, todo: str) -> Finding:
    """Return a check that could not be made, and what would make it possible."""
    return Finding(Outcome.NOT_CHECKED, subject, what, todo)
