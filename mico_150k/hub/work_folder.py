"""The local folder of a build to the Hub: it holds what is not sent yet, to resume from.

It lies in a folder of its own, so that the whole run is alone there, and all of it can go at the
end: no dataset that somebody has built is ever in it.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from mico_150k.core.identity import json_sha256
from mico_150k.dataset import layout
from mico_150k.dataset.difference import differences
from mico_150k.io.cache import cache_folder
from mico_150k.io.files import read_json
from mico_150k.io.workspace import ClaimedFolder, Identity

WORK_FOLDERS = "builds"
"""The folder in the cache that they lie in by default."""
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class HubWorkFolder(ClaimedFolder):
    """The folder that a build to the Hub works in."""

    KIND: ClassVar[str] = "build"
    COMMAND: ClassVar[str] = "mico build --out hf://…"
    AGAIN: ClassVar[str] = "Build again"
    OPTION: ClassVar[str] = "--work"
    WORK: ClassVar[str] = ".hub"
    OVERWRITE: ClassVar[str] = "remove the folder to start over"

    @property
    def dataset(self) -> Path:
        """The dataset folder inside."""
        return self.folder / layout.DATASET

    def finished(self, wanted: Identity) -> Identity:  # noqa: ARG002 - as `ClaimedFolder` says
        """Nothing: when the work is finished, the folder is gone."""
        return {}

    def written(self) -> Iterator[Path]:
        """All files of the dataset folder."""
        yield from (path for path in self.dataset.rglob("*") if path.is_file())

    def differences(self, present: Identity, wanted: Identity) -> str:
        """What differs between two builds, in words."""
        there, here = present.get("build"), wanted["build"]
        if present.get("repository") != wanted["repository"]:
            return f"the repository ({present.get('repository')} there)"
        if not isinstance(there, dict) or not there.keys() >= here.keys():
            return f"{self.identity_file}, which is damaged"
        return differences(there, here)

    @contextmanager
    def claimed(self, identity: Identity) -> Iterator[None]:
        """Have the folder for a build; where none has come of it, or it is cleared, it goes.

        Raises `OutputRefused` where the folder holds something else, or another run has it.
        """
        self.holds(identity)
        with self.held():
            self.begin(identity)
            try:
                yield
            finally:
                if not self.dataset.exists():
                    self.remove_work()
        if not self.identity_file.exists():
            with suppress(OSError):  # somebody has put something there
                self.folder.rmdir()

    def clear(self) -> None:
        """Remove the dataset folder."""
        shutil.rmtree(self.dataset, ignore_errors=True)

    def clear_finished(self, identity: Identity) -> None:
        """Remove what a run of this build has left that was killed at its very end."""
        if read_json(self.identity_file) == identity:
            with self.claimed(identity):
                self.clear()


def default_work_folder(repository: str, url: str, build: dict[str, Any]) -> Path:
    """A folder in the cache for sending a build to a repository.

    Args:
        repository: Its name, `USER/NAME`.
        url: Its page, which also says on which Hub it is.
        build: What the build is: another one gets another folder.
    """
    digest = json_sha256({"repository": url, "build": build})[:_DIGITS]
    return cache_folder() / WORK_FOLDERS / f"{repository.replace('/', '--')}-{digest}"
