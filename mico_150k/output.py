"""Where a build may write: a folder that is no file, and not its own source."""

from pathlib import Path

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from mico_150k.errors import OutputRefused
from mico_150k.forecast import existing
from mico_150k.sources import DEMO, Source


def refuse_file(out: Path) -> None:
    """Raise `OutputRefused` where a file is in the way of a folder."""
    if (found := existing(out)) and not found.is_dir():
        msg = f"--out {out}: {found} is a file. Choose another folder."
        raise OutputRefused(msg)


def refuse_source(out: Path, source: Source) -> None:
    """Raise `OutputRefused` where a folder is the source's, or has it somewhere within."""
    fs, path = url_to_fs(source.location)
    if source.kind == DEMO or not isinstance(fs, LocalFileSystem):
        return
    place, here = out.resolve(), Path(path).resolve()
    if place == here or place in here.parents:
        what = "is the source itself" if place == here else f"contains the source, {here}"
        msg = f"--out {out} {what}. Choose another folder: one within the source will do."
        raise OutputRefused(msg)
