"""The memory that decoding an image takes, and the check that it is allowed.

A build learns the size of an image in a Parquet file only when it reads it. So a worker's forecast
includes images of a common size, and an image that needs more stops the build before it is
decoded. It is not skipped, since the result may not depend on memory.
"""

from mico_150k.core.errors import MemoryTooSmall

COMMON_ROOM = 256 << 20
"""Within each worker's forecast: of 16 megapixels, more than a usual camera's or generator's."""
_BYTES_A_PIXEL = 16
"""Measured: PNG 14 (16 bits, another color space), JPEG 12 (progressive CMYK), WebP 16."""
_OTHER_BYTES_A_PIXEL = 20
"""JPEG 2000; AVIF, GIF and TIFF take half of it."""
_MB = 10**6
_PLAIN = {"JPEG", "PNG", "WEBP"}


def needed(image_format: str, width: int, height: int, size: int) -> int:
    """Return the peak memory, in bytes, of decoding and re-encoding an image.

    Args:
        image_format: Pillow's name of the format.
        width: Pixels.
        height: Pixels.
        size: Bytes of the encoded image.
    """
    each = _BYTES_A_PIXEL if image_format in _PLAIN else _OTHER_BYTES_A_PIXEL
    return width * height * each + size


def check_room(room: int | None, image_format: str, sides: tuple[int, int], size: int) -> None:
    """Check that an image can be decoded in `room` bytes; None is no limit.

    Raises:
        MemoryTooSmall: It needs more.
    """
    need = needed(image_format, *sides, size)
    if room is None or need <= room:
        return
    msg = (
        f"an image of {sides[0]} × {sides[1]} pixels needs about {need // _MB} MB of memory to "
        f"decode, and --max-memory leaves {room // _MB} MB.\n"
        "Re-run the command with a larger --max-memory, or with fewer --workers, which leaves "
        "more for each. Finished work is kept."
    )
    raise MemoryTooSmall(msg)
