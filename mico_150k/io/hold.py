"""A folder to write in: whoever has it is alone there, and no killed run's leftovers stay."""

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
    """Lock a folder, and sweep it and the folders `below` it at the beginning and at the end.

    `work` is the name of the folder in it for what is not finished. All else is `lock_folder`'s.
    Whoever has it `shared`, or does it `gently`, leaves alone what others may be writing.

    Raises `OutputRefused` where another run has it.
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
