"""Reads the images that a row names by path, within limits, and checks that they are unchanged."""

from collections.abc import Sequence
from dataclasses import dataclass

from mico_150k.core.excerpt import excerpt
from mico_150k.core.reasons import Reason
from mico_150k.core.sample import MAX_INPUTS, MAX_ROW_BYTES, Missing
from mico_150k.io.cells import Cell
from mico_150k.sources.image_paths import ImagePaths
from mico_150k.sources.named_images import ImageStates
from mico_150k.sources.source import changed

TOO_MANY = Missing(Reason.TOO_LARGE, f"in a row with more than {MAX_INPUTS} inputs")


@dataclass(frozen=True, slots=True)
class Named:
    """An image that a cell names and that is not read yet."""

    path: str


Found = Cell | Named


@dataclass(frozen=True, slots=True)
class RowImages:
    """Reads the images that one file of a source names; `planned` is their planned state."""

    paths: ImagePaths
    planned: ImageStates

    def row(self, inputs: Sequence[Found], output: Found) -> tuple[tuple[Cell, ...], Cell]:
        """Return all images of a row; reads none if there are too many or they are too large.

        Raises `PathOutsideSource`, and `SourceChanged` if a file has changed since planning.
        """
        if len(inputs) > MAX_INPUTS:
            return (TOO_MANY,) * len(inputs), TOO_MANY
        held = 0
        images: list[Cell] = []
        for cell in (*inputs, output):
            image = self._read(cell.path, held) if isinstance(cell, Named) else cell
            held += 0 if isinstance(image, Missing) else len(image)
            images.append(image)
        return tuple(images[:-1]), images[-1]

    def _read(self, path: str, held: int) -> Cell:
        if held > MAX_ROW_BYTES:
            return Missing(Reason.TOO_LARGE, f"more than {MAX_ROW_BYTES} bytes of images in a row")
        image = self.paths.read(path)
        size = self.planned.size(path)
        if size is None:
            return image
        # The status is checked after reading, so that a write meanwhile is detected. Over a network
        # that would take one more request per image, so only the length is compared.
        if self.paths.storage.is_local:
            same = self.planned.is_same(path, self.paths.status(path))
        else:
            same = True
        length = 0 if isinstance(image, Missing) else len(image)
        if not same or length != size:
            raise changed(f"{self.paths.file}: the image {excerpt(path)}", self.paths.storage)
        return image
