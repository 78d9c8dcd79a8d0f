"""Errors of the libraries that read images: whether an image is to blame, or a line of ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from mico_150k.core.errors import MicoError, UnusableImage
from mico_150k.core.reasons import Reason

_OURS = __name__.partition(".")[0]


@contextmanager
def blaming_the_image(reason: Reason, what: str = "") -> Iterator[None]:
    """Make whatever a library raises about an image an `UnusableImage`; `what` begins its detail.

    A broken image makes Pillow raise a dozen types, `TypeError` and `AttributeError` among them, so
    the type tells nothing. The place does: what a line of this package raises is a mistake in it,
    for which not every image may be skipped. Nor is one to blame for memory that is short.
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
    """Whether a line of this package raised it: itself, or C code that it has called."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    module = trace.tb_frame.f_globals.get("__name__", "") if trace else ""
    return bool(module.partition(".")[0] == _OURS)
