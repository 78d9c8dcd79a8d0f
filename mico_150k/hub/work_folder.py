"""The local folder of a build to the Hub, which holds what is not uploaded yet.

The folder holds only this build and never a dataset that somebody has built, so all of it can be
removed at the end.
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
"""The folder in the cache that holds the work folders by default."""
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
        """The dataset folder inside the work folder."""
        return self.folder / layout.DATASET

    def finished(self, wanted: Identity) -> Identity:  # noqa: ARG002 - required by `ClaimedFolder`
        """Return nothing: the folder is removed once the build is finished."""
        return {}

    def written(self) -> Iterator[Path]:
        """Yield all files of the dataset folder."""
        yield from (path for path in self.dataset.rglob("*") if path.is_file())

    def differences(self, present: Identity, wanted: Identity) -> str:
        """Describe the differences between two builds."""
        there, here = present.get("build"), wanted["build"]
        if present.get("repository") != wanted["repository"]:
            return f"the repository ({present.get('repository')} there)"
        if not isinstance(there, dict) or not there.keys() >= here.keys():
            return f"{self.identity_file}, which is damaged"
        return differences(there, here)

    @contextmanager
    def claimed(self, identity: Identity) -> Iterator[None]:
        """Lock the folder for a build; remove it at the end if it has no dataset.

        Raises:
            OutputRefused: The folder holds something else, or another run uses it.
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
            with suppress(OSError):  # the folder has files of others
                self.folder.rmdir()

    def clear(self) -> None:
        """Remove the dataset folder."""
        shutil.rmtree(self.dataset, ignore_errors=True)

    def clear_finished(self, identity: Identity) -> None:
        """Remove the files of a run of this build that was killed just before its end."""
        if read_json(self.identity_file) == identity:
            with self.claimed(identity):
                self.clear()


def default_work_folder(repository: str, url: str, build: dict[str, Any]) -> Path:
    """Return the folder in the cache for uploading a build to a repository.

    Args:
        repository: The repository's name, `USER/NAME`.
        url: The URL of its page, which also identifies the Hub.
        build: The identity of the build; each build has its own folder.
    """
    digest = json_sha256({"repository": url, "build": build})[:_DIGITS]
    return cache_folder() / WORK_FOLDERS / f"{repository.replace('/', '--')}-{digest}"
