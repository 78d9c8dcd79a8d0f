"""A patch on a clone: as a diff, or made, in all files or in none."""

import difflib
import shutil
from dataclasses import dataclass
from pathlib import Path

from mico_150k.core.errors import CloneRefused, UnsafeFile
from mico_150k.io.files import disk_errors, remove_abandoned
from mico_150k.io.regular import Root, read_small
from mico_150k.io.temporary import partial
from mico_150k.trainers.patches.edit import Patch

_NO_NEW_LINE = "\n\\ No newline at end of file\n"
"""What stands in a diff after a file's last line, where nothing ends that."""


@dataclass(frozen=True, slots=True)
class Change:
    """One file of a clone, before and after."""

    file: str
    path: Path
    before: str
    after: str

    @property
    def diff(self) -> str:
        """What `git apply` takes in the clone, and takes back with `-R`; empty without change."""
        lines = difflib.unified_diff(
            _lines(self.before),
            _lines(self.after),
            f"a/{self.file}",
            f"b/{self.file}",
        )
        return "".join(line if line.endswith("\n") else line + _NO_NEW_LINE for line in lines)


def _lines(text: str) -> list[str]:
    """As git has them: `splitlines` would also cut at form feeds and the like."""
    *whole, last = text.split("\n")
    return [f"{line}\n" for line in whole] + ([last] if last else [])


def plan_changes(patch: Patch, clone: Path) -> list[Change]:
    """The files that the patch would change in a clone; none where it is made already.

    Raises `CloneRefused` where the clone is not as the patch knows it.
    """
    if not clone.is_dir():
        msg = f"{clone} is not a folder; it must be a clone of {patch.origin}."
        raise CloneRefused(msg)
    changes = [_change(patch, clone, file) for file in patch.files]
    return [change for change in changes if change.before != change.after]


def _change(patch: Patch, clone: Path, file: str) -> Change:
    try:
        # A link that stays in the clone keeps being one: what it leads to is changed.
        path = Root.at(clone).file(file).resolve()
        before = read_small(path).decode()
    except UnsafeFile as error:
        raise CloneRefused(str(error)) from error
    except (OSError, ValueError) as error:
        msg = f"{clone / file} cannot be read; is {clone} a clone of {patch.origin}? ({error})"
        raise CloneRefused(msg) from error
    # Edits are written with plain ends of lines; a file keeps its own.
    windows = "\r\n" in before
    after = before.replace("\r\n", "\n") if windows else before
    for edit in patch.edits:
        if edit.file == file:
            after = edit.apply(after, str(clone / file))
    return Change(file, path, before, after.replace("\n", "\r\n") if windows else after)


def make_changes(changes: list[Change]) -> None:
    """Write all of them or, where one cannot be written, none. Raises `CloneRefused`."""
    made: list[Change] = []
    try:
        for change in changes:
            remove_abandoned(change.path)
            with disk_errors(change.path):
                partial(change.path).write_bytes(change.after.encode())
                shutil.copymode(change.path, partial(change.path))
        for change in changes:
            partial(change.path).replace(change.path)
            made.append(change)
    except BaseException as error:
        for change in made:
            change.path.write_bytes(change.before.encode())
        if isinstance(error, OSError):
            msg = f"the clone cannot be written: {error}. Nothing was changed."
            raise CloneRefused(msg) from error
        raise
    finally:
        for change in changes:
            partial(change.path).unlink(missing_ok=True)
