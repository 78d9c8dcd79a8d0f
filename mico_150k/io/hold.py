"""Locks a folder for writing, and removes what killed runs left in it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mico_150k.io.files import sweep
from mico_150k.io.locks import lock_folder


@contextmanager
def hold(  # noqa: PLR0913 - all but the folder have a default
    folder: Path,
    below: Iterable[str] = (),
    *,
    work: str = "",
    who: str = "",
    shared: bool = False,
    gently: bool = False,
    name: str = "",
) -> Iterator[None]:
    """Lock a folder, and remove unfinished files from it at the beginning and at the end.

    Args:
        folder: The folder.
        below: The folders inside that are swept as well.
        work: The name of the folder inside for unfinished work.
        who: The command that holds the lock, for the messages of others.
        shared: Whether other shared holders are let in; what they may be writing then stays.
        gently: Whether to keep what others may be writing, though the lock is not shared.
        name: The folder's name in a message.

    Raises:
        OutputRefused: Another run has locked the folder.
    """
    # The folder itself may be a link, by the user's choice; those below it may not.
    places = [folder.resolve(), *(folder / part for part in below)]
    unfinished = folder / work if work else None
    with lock_folder(folder, work=unfinished, who=who, shared=shared, name=name):
        sweep(*places, everyones=not (shared or gently))
        try:
            yield
        finally:
            sweep(*places, everyones=not (shared or gently))
