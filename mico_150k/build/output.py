"""Where a build may write: not over a file or its own source, and where `load_dataset` looks."""

from pathlib import Path

from fsspec.implementations.local import LocalFileSystem

from mico_150k.core.errors import OutputRefused, UsageError
from mico_150k.core.excerpt import excerpt
from mico_150k.core.pattern import misread
from mico_150k.core.sample import is_text
from mico_150k.io.machine import existing
from mico_150k.io.storage import is_url, local_or_url
from mico_150k.sources import DEMO, Source


def checked_out(out: str) -> str:
    """The place that `--out` names, as a path or a URL.

    Raises:
        UsageError: It names nothing.
        OutputRefused: A file is in the way, or `load_dataset` would not find a dataset there.
    """
    if not is_url(out):
        return str(checked_folder(out))
    if why := misread(out):
        msg = f"--out {out}: `load_dataset` {why}. Choose another."
        raise OutputRefused(msg)
    return out


def checked_folder(out: str) -> Path:
    """The folder that `--out` names: a shell leaves the ~ of --out=~/x as it is.

    Raises as `checked_out`, and `UsageError` for a URL.
    """
    if not out:
        msg = "--out '' names no folder."
        raise UsageError(msg)
    if is_url(out):
        msg = f"--out {out}: this command writes to a folder on this machine."
        raise UsageError(msg)
    folder = Path(out).expanduser() if out.startswith("~/") else Path(out)
    refuse_file(folder)
    refuse_misread(folder)
    return folder


def refuse_file(out: Path) -> None:
    """Raise `OutputRefused` where a file is in the way of a folder."""
    if (found := existing(out)) and not found.is_dir():
        msg = f"--out {out}: {found} is a file. Choose another folder."
        raise OutputRefused(msg)


def refuse_misread(out: Path) -> None:
    """Raise `OutputRefused` where `load_dataset` would not find a dataset in this folder.

    It goes by the whole path with its links followed, whatever was said to be in it.
    """
    place = str(out.resolve())
    why = misread(place)
    if not is_text(place):
        why = "takes no name that is not UTF-8"
    if why:
        msg = f"--out {excerpt(out)} is {excerpt(place)}: `load_dataset` {why}. Choose another."
        raise OutputRefused(msg)


def refuse_source(out: Path, source: Source) -> None:
    """Raise `OutputRefused` where a folder is the source's, or has it somewhere within."""
    fs, path = local_or_url(source.location)
    if source.kind == DEMO or not isinstance(fs, LocalFileSystem):
        return
    place, here = out.resolve(), Path(path).resolve()
    if place == here or place in here.parents:
        what = "is the source itself" if place == here else f"contains the source, {here}"
        msg = f"--out {out} {what}. Choose another folder: one within the source will do."
        raise OutputRefused(msg)
