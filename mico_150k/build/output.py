"""Checks of `--out`: no file, not the source, and a path where `load_dataset` finds the dataset."""

from pathlib import Path

from fsspec.implementations.local import LocalFileSystem

from mico_150k.core.errors import OutputRefused, UsageError
from mico_150k.core.excerpt import excerpt
from mico_150k.core.pattern import misread
from mico_150k.core.sample import is_text
from mico_150k.io.machine import existing
from mico_150k.io.places import HubBucket, LocalFolder, Place, RemoteUrl, parse_place
from mico_150k.io.storage import local_or_url
from mico_150k.sources import DEMO, Source


def checked_out(out: str) -> Place:
    """Return the place that `--out` names.

    Raises:
        UsageError: It is not a place that can be written to.
        OutputRefused: A file is in the way, or `load_dataset` would not find a dataset there.
    """
    place = _parsed("--out", out)
    if isinstance(place, RemoteUrl | HubBucket) and (why := misread(out)):
        msg = f"--out {out}: `load_dataset` {why}. Choose another."
        raise OutputRefused(msg)
    if isinstance(place, LocalFolder):
        refuse_file(place.path)
        refuse_misread(place.path)
    return place


def checked_folder(out: str) -> Path:
    """Return the local folder that `--out` names; raises as `checked_out` does."""
    place = checked_out(out)
    if not isinstance(place, LocalFolder):
        msg = f"--out {out}: this command writes only to a local folder."
        raise UsageError(msg)
    return place.path


def checked_work(work: str) -> Path:
    """Return the local folder that `--work` names; raises `UsageError` for another place."""
    place = _parsed("--work", work)
    if not isinstance(place, LocalFolder):
        msg = f"--work {work}: name a local folder."
        raise UsageError(msg)
    return place.path


def _parsed(option: str, text: str) -> Place:
    try:
        return parse_place(text)
    except UsageError as error:
        msg = f"{option} {error}"
        raise UsageError(msg) from error


def refuse_file(out: Path) -> None:
    """Raise `OutputRefused` if a file is in the folder's place."""
    if (found := existing(out)) and not found.is_dir():
        msg = f"--out {out}: {found} is a file. Choose another folder."
        raise OutputRefused(msg)


def refuse_misread(out: Path) -> None:
    """Raise `OutputRefused` if `load_dataset` would not find a dataset in this folder.

    `load_dataset` looks at the whole path with its links resolved.
    """
    place = str(out.resolve())
    why = misread(place)
    if not is_text(place):
        why = "reads no name that is not UTF-8"
    if why:
        msg = f"--out {excerpt(out)} is {excerpt(place)}: `load_dataset` {why}. Choose another."
        raise OutputRefused(msg)


def refuse_source(out: Path, source: Source) -> None:
    """Raise `OutputRefused` if the folder is the source or contains it."""
    fs, path = local_or_url(source.location)
    if source.kind == DEMO or not isinstance(fs, LocalFileSystem):
        return
    place, here = out.resolve(), Path(path).resolve()
    if place == here or place in here.parents:
        what = "is the source itself" if place == here else f"contains the source, {here}"
        msg = f"--out {out} {what}. Choose another folder; one inside the source is fine."
        raise OutputRefused(msg)
