"""A folder that one command writes in: whose it is, what of it is finished, and how to go on.

    held ──► holds? ──► begin ──► the work ──► the file that says it is finished ──► remove_work

While the work is under way, a folder inside (`.build`, `.export`) holds its identity, which is all
that decides the result, and the pieces that are finished.
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
"""What work is, in JSON: the same identity gives the same result."""

_CLEARED: dict[str, Any] = {"identity": {}}
"""The identity in a folder that is being cleared."""


@dataclass(frozen=True, slots=True)
class ClaimedFolder(ABC):
    """A folder that belongs to the work whose identity is in it."""

    folder: Path

    KIND: ClassVar[str]
    """What the work makes, in a message: another build."""
    ARTICLE: ClassVar[str] = "a"
    COMMAND: ClassVar[str]
    """Who writes in the folder, in a message to others."""
    OPTION: ClassVar[str]
    """The option that names the folder."""
    WORK: ClassVar[str]
    """The name of the folder inside for what is not finished."""
    IDENTITY: ClassVar[str] = "identity.json"
    """The name of the file in that folder that says which work has claimed the folder."""
    OVERWRITE: ClassVar[str] = "--overwrite it"
    """What a message says of writing over other work, where that can be done."""
    AGAIN: ClassVar[str]
    """What to do with work of a version whose work cannot be resumed."""
    STAYS: ClassVar[frozenset[str]] = frozenset()
    """Names of what may be there before, and stays."""

    @property
    def work(self) -> Path:
        """The folder of what is not finished."""
        return self.folder / self.WORK

    @property
    def identity_file(self) -> Path:
        """Where that file lies."""
        return self.work / self.IDENTITY

    @property
    def name(self) -> str:
        """The name that the user knows the folder by."""
        return str(self.folder)

    @property
    def below(self) -> tuple[str, ...]:
        """The folders inside that files are written in, besides the folder itself."""
        return ()

    @abstractmethod
    def finished(self, wanted: Identity) -> Identity:
        """The identity of the finished work in the folder; empty where there is none.

        What is not known of it is as `wanted`.
        """

    @abstractmethod
    def written(self) -> Iterator[Path]:
        """The files that such work has written; the one that says that it is finished is last."""

    @contextmanager
    def held(self, *, shared: bool = False, gently: bool = False) -> Iterator[None]:
        """Keep out all who write in the folder; `shared` holders keep out only those who do not.

        What killed runs have half written is removed: `gently`, only what surely is that.
        Raises `OutputRefused`.
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
        """Remove all that is half written. Not while another process works here."""
        sweep(self.folder, *(self.folder / part for part in self.below))

    def holds(self, identity: Identity) -> bool:
        """Whether this very work is finished here; where it is not, it may begin or go on.

        Raises `OutputRefused` where the folder holds something else.
        """
        # In this order: another process that claims it now writes its identity before all else.
        is_used = self.is_used()
        begun = read_json(self.identity_file)
        finished = self.finished(identity)
        present = begun or finished
        if present != identity and (present or is_used):
            raise OutputRefused(self._refusal(present, identity))
        return finished == identity

    def begin(self, identity: Identity, *, overwrite: bool = False) -> None:
        """Make the folder this work's, without what other work has written if it is to `overwrite`.

        Raises `OutputRefused` where another has begun meanwhile.
        """
        if overwrite:
            self._clear()
        if not create_json(self.identity_file, dict(identity)):
            self.holds(identity)

    def remove_work(self) -> None:
        """The work is finished: nothing is needed to go on with it."""
        empty(self.work)
        with suppress(OSError):  # the lock is in it, and goes with its holder
            self.work.rmdir()

    def is_used(self) -> bool:
        """Whether anything is there but the first traces of work that was killed at once."""
        there = self.folder.iterdir() if self.folder.exists() else ()
        return any(path.name not in {self.WORK, *self.STAYS} for path in there)

    def outdated(self, present: Identity, wanted: Identity) -> str:  # noqa: ARG002 - for those that know
        """Who wrote work that this version cannot go on with; "" where it can."""
        return ""

    def other(self, present: Identity, wanted: Identity) -> str:  # noqa: ARG002 - for those that know
        """What work the folder holds that is not the wanted one, in words."""
        return f"another {self.KIND}"

    def differences(self, present: Identity, wanted: Identity) -> str:
        """What differs between two identities, in words."""
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
            f"Run it with what it was begun with, or choose another {self.OPTION}{overwrite}."
        )

    def _clear(self) -> None:
        """Remove what other work has written; stopped half way, it can be done again."""
        write_json(self.identity_file, _CLEARED)
        with disk_errors(self.folder):
            for path in self.written():
                path.unlink(missing_ok=True)
        empty(self.work, keep=self.IDENTITY)
        self.identity_file.unlink()
