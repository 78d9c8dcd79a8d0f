"""Tells errors that an image causes from mistakes in this package's own code."""

from collections.abc import Iterator
from contextlib import contextmanager

from mico_150k.core.errors import MicoError, UnusableImage
from mico_150k.core.reasons import Reason

_OURS = __name__.partition(".")[0]


@contextmanager
def blaming_the_image(reason: Reason, what: str = "") -> Iterator[None]:
    """Turn whatever a library raises about an image into an `UnusableImage`.

    A broken image makes Pillow raise a dozen types, `TypeError` and `AttributeError` among them, so
    the type is no evidence. The place is: an error that a line of this package raises is a mistake
    in the package and passes through, since it would skip every image. `MemoryError` passes
    through as well.

    Args:
        reason: The reason of the `UnusableImage`.
        what: The beginning of its detail.

    Raises:
        UnusableImage: A library could not read the image.
    """
    try:
        yield
    except (MicoError, MemoryError):
        raise
    except Exception as error:
        if is_ours(error):
            raise
        raise UnusableImage(reason, f"{what}{type(error).__name__}: {error}") from error


def is_ours(error: BaseException) -> bool:
    """Whether a line of this package raised the error, itself or through C code that it called."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    module = trace.tb_frame.f_globals.get("__name__", "") if trace else ""
    return bool(module.partition(".")[0] == _OURS)
