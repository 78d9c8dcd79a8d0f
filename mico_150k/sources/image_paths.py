"""Finds and reads the images that a file of a source names by path."""

import os
import posixpath
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from mico_150k.core.errors import PathOutsideSource
from mico_150k.core.excerpt import excerpt
from mico_150k.core.plural import counted
from mico_150k.core.reasons import Reason
from mico_150k.core.recognize import not_a_path, recognize_path
from mico_150k.core.sample import Missing
from mico_150k.images.probe import MAX_BYTES
from mico_150k.io.regular import open_regular
from mico_150k.io.storage import Storage


@dataclass(frozen=True, slots=True)
class ImagePaths:
    """Reads the images that one file of a source names by path, relative to that file.

    A path that leaves the source's root is refused: manifests come from strangers, and what
    they name would be published. `allow_outside` is for one's own.
    """

    storage: Storage
    file: str
    allow_outside: bool = False

    def read(self, path: str) -> bytes | Missing:
        """Return the file's bytes, or why it is missing; raises `PathOutsideSource`."""
        full, size, _ = self._find(path)
        if isinstance(size, Missing):
            return size
        if not self.storage.is_local:
            return self.storage.fs.cat_file(full)  # type: ignore[no-any-return]
        with open_regular(full) as file:
            return file.read()

    def status(self, path: str) -> tuple[int | Missing, str]:
        """Return the file's size and a token of its state; raises `PathOutsideSource`."""
        return self._find(path)[1:]

    def _find(self, path: str) -> tuple[str, int | Missing, str]:
        """Return an image's path, its size, and its modification token."""
        if what := not_a_path(path):
            return path, Missing(Reason.FILE_MISSING, f"not a path: {what}"), ""
        try:
            full, is_file, size, mtime_token = self._look(path)
        except (OSError, ValueError) as error:  # ValueError: a NUL or a lone surrogate
            if (other := self._in_another_form(path)) is None:
                return path, Missing(Reason.FILE_MISSING, self._why(path, error)), ""
            full, is_file, size, mtime_token = other
        if not is_file:
            what = f"{excerpt(path)} (not a regular file)"
            return full, Missing(Reason.FILE_MISSING, what), mtime_token
        if size > MAX_BYTES:
            detail = f"{excerpt(path)}: {counted(size, 'byte')}"
            return full, Missing(Reason.TOO_LARGE, detail), mtime_token
        return full, size, mtime_token

    def _look(self, path: str) -> tuple[str, bool, int, str]:
        full = self._resolve(path)
        if self.storage.is_local:
            status = os.stat(full)
            return full, stat.S_ISREG(status.st_mode), status.st_size, str(status.st_mtime_ns)
        info = self.storage.fs.info(full)
        content = info.get("ETag") or info.get("xet_hash")
        mtime_token = str(content or info.get("mtime") or "")
        return full, info["type"] == "file", int(info["size"]), mtime_token

    def _name(self, path: str) -> str:
        """Return the path relative to the source's root, if it is below the root."""
        return posixpath.normpath(posixpath.join(posixpath.dirname(self.file), path))

    def _resolve(self, path: str) -> str:
        full = self.storage.path(self._name(path))
        if self.allow_outside or self._is_inside(full):
            return full
        msg = (
            f"{excerpt(self.file)}: the image path '{excerpt(path)}' leads out of "
            f"{excerpt(self.storage.location)}, and would add a file from elsewhere to the "
            "dataset.\n"
            f"If you trust these paths: --allow-outside{self.storage.snapshot_hint}"
        )
        raise PathOutsideSource(msg)

    def _is_inside(self, full: str) -> bool:
        if self.storage.inside and "\0" not in full:
            return self.storage.inside.holds(full)  # a link may leave the folder, as ".." may
        root = self.storage.root
        within = f"{full}/".startswith(f"{root.rstrip('/')}/" if root else "")
        return within and not full.startswith("../")

    def _in_another_form(self, path: str) -> tuple[str, bool, int, str] | None:
        """Find the one file whose name is equal after Unicode normalization; macOS decomposes é."""
        forms = () if path.isascii() else self._forms(path)
        found = [look for look in map(self._look_for, forms) if look is not None]
        return found[0] if len(found) == 1 else None

    def _look_for(self, path: str) -> tuple[str, bool, int, str] | None:
        try:
            return self._look(path)
        except (OSError, ValueError):
            return None

    def _forms(self, path: str) -> Iterator[str]:
        """Yield the path in other Unicode forms; locally, each folder in the form that exists."""
        if not self.storage.is_local:
            yield from {unicodedata.normalize(form, path) for form in ("NFC", "NFD")} - {path}
            return
        found = [""]
        base = posixpath.dirname(self.file)
        for part in path.split("/"):
            forms = dict.fromkeys((part, *(unicodedata.normalize(f, part) for f in ("NFC", "NFD"))))
            found = [
                joined
                for start in found
                for form in forms
                for joined in [f"{start}{form}/"]
                if not part or os.path.lexists(self.storage.path(posixpath.join(base, joined)))
            ][:_MOST_FORMS]
        yield from (form.rstrip("/") for form in found)

    def _why(self, path: str, error: Exception) -> str:
        """Return the path and why there is no file; paths are relative to the source's root."""
        if what := recognize_path(path):
            return f"{excerpt(path)}: {what}"
        folder = posixpath.dirname(self._name(path))
        where = excerpt(folder) if folder else "the source's own folder"
        if isinstance(error, PermissionError):
            return f"{excerpt(path)}: permission denied, in {where}"
        if self.storage.is_local and folder and not _is_folder(self.storage.path(folder)):
            return f"{excerpt(path)}: no such folder: {where}"
        return f"{excerpt(path)}: no such file in {where}"


def _is_folder(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


_MOST_FORMS = 8
"""The most forms of one path that are tried: few names differ only in their code points."""
