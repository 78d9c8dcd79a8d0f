"""A folder that one command writes to: whose work it holds, what is finished, and how to resume.

    held ──► holds? ──► begin ──► the work ──► the file that says it is finished ──► remove_work

During the work, a folder inside (`.build`, `.export`) holds its identity, which is everything that
decides the result, and the finished pieces.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from mico_150k.core.errors import OutputRefused
from mico_150k.io.files import create_json, disk_errors, read_json, sweep, write_json
from mico_150k.io.hold import hold
from mico_150k.io.locks import empty

Identity = Mapping[str, Any]
"""Everything that decides a result, as JSON: the same identity gives the same result."""

_CLEARED: dict[str, Any] = {"identity": {}}
"""The identity in a folder that is being cleared."""


@dataclass(frozen=True, slots=True)
class ClaimedFolder(ABC):
    """A folder that belongs to the work whose identity it holds."""

    folder: Path

    KIND: ClassVar[str]
    """What the work makes, for messages: "build"."""
    ARTICLE: ClassVar[str] = "a"
    COMMAND: ClassVar[str]
    """The command that writes to the folder, for the messages of others."""
    OPTION: ClassVar[str]
    """The option that names the folder."""
    WORK: ClassVar[str]
    """The name of the folder inside for unfinished work."""
    IDENTITY: ClassVar[str] = "identity.json"
    """The name of the file in that folder that holds the identity."""
    OVERWRITE: ClassVar[str] = "--overwrite it"
    """What a message says about overwriting other work, if that is possible."""
    AGAIN: ClassVar[str]
    """Advice for work of a version that this one cannot resume."""
    STAYS: ClassVar[frozenset[str]] = frozenset()
    """Names that may be in the folder before the work, and stay."""

    @property
    def work(self) -> Path:
        """The folder for unfinished work."""
        return self.folder / self.WORK

    @property
    def identity_file(self) -> Path:
        """The path of the file with the identity."""
        return self.work / self.IDENTITY

    @property
    def name(self) -> str:
        """The folder's name in messages."""
        return str(self.folder)

    @property
    def below(self) -> tuple[str, ...]:
        """The folders inside that files are written to."""
        return ()

    @abstractmethod
    def finished(self, wanted: Identity) -> Identity:
        """Return the identity of the finished work in the folder; empty if there is none.

        Values that the folder does not record are taken from `wanted`.
        """

    @abstractmethod
    def written(self) -> Iterator[Path]:
        """Yield the files that such work has written; the one that marks it finished is last."""

    @contextmanager
    def held(self, *, shared: bool = False, gently: bool = False) -> Iterator[None]:
        """Lock the folder, and remove what killed runs left unfinished.

        Args:
            shared: Whether other shared holders are let in.
            gently: Whether to remove only what no running process can be writing.

        Raises:
            OutputRefused: Another run has locked the folder.
        """
        with hold(
            self.folder,
            self.below,
            work=self.WORK,
            who=f"`{self.COMMAND}`",
            shared=shared,
            gently=gently,
            name=self.name,
        ):
            yield

    def sweep(self) -> None:
        """Remove all unfinished files. No other process may be working here."""
        sweep(self.folder, *(self.folder / part for part in self.below))

    def holds(self, identity: Identity) -> bool:
        """Whether this work is finished here; if not, it may begin or resume.

        Raises:
            OutputRefused: The folder holds something else.
        """
        # In this order: another process that claims the folder now writes its identity first.
        is_used = self.is_used()
        begun = read_json(self.identity_file)
        finished = self.finished(identity)
        present = begun or finished
        if present != identity and (present or is_used):
            raise OutputRefused(self._refusal(present, identity))
        return finished == identity

    def begin(self, identity: Identity, *, overwrite: bool = False) -> None:
        """Claim the folder for this work; with `overwrite`, remove what other work has written.

        Raises:
            OutputRefused: Other work has begun in the folder in the meantime.
        """
        if overwrite:
            self._clear()
        if not create_json(self.identity_file, dict(identity)):
            self.holds(identity)

    def remove_work(self) -> None:
        """Remove the folder for unfinished work, since the work is finished."""
        empty(self.work)
        with suppress(OSError):  # the lock file is in it, and its holder removes it
            self.work.rmdir()

    def is_used(self) -> bool:
        """Whether the folder holds more than the first traces of work that was killed at once."""
        there = self.folder.iterdir() if self.folder.exists() else ()
        return any(path.name not in {self.WORK, *self.STAYS} for path in there)

    def outdated(self, present: Identity, wanted: Identity) -> str:  # noqa: ARG002 - for those that know
        """Return who wrote work that this version cannot resume; "" if it can."""
        return ""

    def other(self, present: Identity, wanted: Identity) -> str:  # noqa: ARG002 - for those that know
        """Return a phrase for the other work that the folder holds."""
        return f"another {self.KIND}"

    def differences(self, present: Identity, wanted: Identity) -> str:
        """Return what differs between two identities, in words."""
        keys = sorted({*present, *wanted})
        return ", ".join(
            key.replace("_", " ") for key in keys if present.get(key) != wanted.get(key)
        )

    def _refusal(self, present: Identity, wanted: Identity) -> str:
        if not present:
            what = "is a git clone" if (self.folder / ".git").exists() else "is not empty"
            return (
                f"{self.name} {what}, and not a folder that `{self.COMMAND}` has begun: "
                f"it holds files that no {self.KIND} has written.\n"
                f"Nothing in it was changed. Choose another folder with {self.OPTION}."
            )
        if present == _CLEARED:
            return (
                f"{self.name} was being overwritten by another {self.KIND}, which was stopped: "
                "--overwrite it again."
            )
        overwrite = "" if "://" in self.name else f", or {self.OVERWRITE}"
        if author := self.outdated(present, wanted):
            return (
                f"{self.name} holds {self.ARTICLE} {self.KIND} of {author}, "
                "which this version cannot use.\n"
                f"{self.AGAIN}, with another {self.OPTION}{overwrite}."
            )
        return (
            f"{self.name} holds {self.other(present, wanted)}; "
            f"what differs is {self.differences(present, wanted)}.\n"
            f"Re-run it with its original options, or choose another {self.OPTION}{overwrite}."
        )

    def _clear(self) -> None:
        """Remove what other work has written; an interrupted removal can be repeated."""
        write_json(self.identity_file, _CLEARED)
        with disk_errors(self.folder):
            for path in self.written():
                path.unlink(missing_ok=True)
        empty(self.work, keep=self.IDENTITY)
        self.identity_file.unlink()
