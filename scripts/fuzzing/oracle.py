"""What a build has written, compared with what plain readers see in its source.

Wrong is: a row that is neither written nor in the quarantine, or both, or twice; one that is not in
the source; another text, other images or another order than the source has under that id; an image
that was changed without an action, or a plain one that was changed at all; a digest, size or format
that is not the image's; configurations that differ; and a row that is left out though its text and
all its images are good. A known column of ids must not be passed over.

pyarrow, json and Pillow alone read here: none of the package's readers.
"""

import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import xxhash
from PIL import Image

from fuzzing.base import Row
from fuzzing.expected import CannotTellError, Expected, place_of, read_source
from fuzzing.faults import NOT_DECODABLE, UNJUDGED, WRONG_ROWS

LONG_TEXT = 10_000
MANY_IMAGES = 100
"""Beyond these a row may be refused for its size."""

Found = Iterator[tuple[str, str]]


def judge(source: Path, out: Path, layout: str, good: list[Row], *, decode: bool) -> Found:
    """What is wrong with a finished build: pairs of a kind and words."""
    written = _rows(out / "default")
    skipped = _lines(out / "quarantine.jsonl")
    report = json.loads((out / "report.json").read_text())
    told = sum(sum(reasons.values()) for reasons in report["skipped"].values())
    counts = (report["rows_read"], report["rows"], told)
    if counts != (len(written) + len(skipped), len(written), len(skipped)):
        yield WRONG_ROWS, f"the report says {counts}: {len(written)} and {len(skipped)} are there"
    ids = [row["id"] for row in written]
    if len(set(ids)) != len(ids):
        yield WRONG_ROWS, "an id twice"
    plain = {image.data for row in good for image in row.images if image.plain}
    known = {image.data for row in good for image in row.images}
    yield from _inside(written, known, decode=decode)
    for config in ("bagel",):
        lists = [row["image_list"] for row in _rows(out / config)]
        if lists != [_images(row) for row in written]:
            yield WRONG_ROWS, f"{config} has other images than default"
    try:
        expected = list(read_source(source, layout))
    except CannotTellError as error:
        yield UNJUDGED, str(error)
        return
    except Exception as error:  # noqa: BLE001 - a damaged file makes pyarrow raise anything
        yield UNJUDGED, f"{type(error).__name__}: {str(error)[:80]}"
        return
    yield from _compare(expected, written, skipped, plain, known)


def _compare(
    expected: list[Expected],
    written: list[dict[str, Any]],
    skipped: list[dict[str, Any]],
    plain: set[bytes],
    known: set[bytes],
) -> Found:
    by_id = {row["id"].partition("/")[2]: row for row in written}
    reasons = {(line["file"], line["row"]): line["reason"] for line in skipped}
    if len(reasons) != len(skipped):
        yield WRONG_ROWS, "a row skipped twice"
    if len(expected) != len(written) + len(skipped):
        yield (
            WRONG_ROWS,
            f"{len(expected)} rows in the source, {len(written) + len(skipped)} read",
        )
    for one in expected:
        reason = reasons.get((one.file, one.row))
        found = next((by_id.pop(id_) for id_ in one.ids if id_ in by_id), None)
        if reason is not None:
            if found is not None:
                yield WRONG_ROWS, "a row both written and skipped, or its id with another row"
            if _is_good(one, known):
                yield WRONG_ROWS, f"a good row was skipped: {reason}"
        elif found is None:
            place = place_of(one.file, one.row)
            dropped = place not in one.ids and place in by_id
            yield WRONG_ROWS, "its column of ids was passed over" if dropped else "a row is missing"
            by_id.pop(place, None)
        else:
            yield from _differences(one, found, plain)
    for _ in by_id:
        yield WRONG_ROWS, "a row that is not in the source"


def _is_good(one: Expected, known: set[bytes]) -> bool:
    """Whether nothing can be said against a row."""
    if one.instruction is None or not one.instruction.strip() or not one.images:
        return False
    short = len(one.instruction) < LONG_TEXT and len(one.images) < MANY_IMAGES
    return short and len(one.images) > 1 and all(image in known for image in one.images)


def _differences(one: Expected, found: dict[str, Any], plain: set[bytes]) -> Found:
    if one.images is None or one.instruction is None:
        yield WRONG_ROWS, "a row was written that lacks something in the source"
        return
    if found["instruction"] != one.instruction:
        yield WRONG_ROWS, "another instruction"
    images = _images(found)
    if len(images) != len(one.images):
        yield WRONG_ROWS, "another number of images"
        return
    for image, source, action in zip(images, one.images, found["actions"], strict=True):
        if image == source:
            if action:
                yield WRONG_ROWS, f"an image is the source's, with the action {action}"
        elif source in plain:
            yield WRONG_ROWS, "a plain image was changed, or is another"
        elif not action:
            yield WRONG_ROWS, "an image was changed without an action, or is another"
        elif not _same_sides(image, source):
            yield WRONG_ROWS, "an image of other sides than the source's"


def _same_sides(image: bytes, source: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(image)) as one, Image.open(io.BytesIO(source)) as other:
            return sorted(one.size) == sorted(other.size)
    except Exception:  # noqa: BLE001 - metadata that stops Pillow is taken out by a build
        return True


def _inside(written: list[dict[str, Any]], known: set[bytes], *, decode: bool) -> Found:
    """What is wrong with the rows in themselves."""
    for row in written:
        images = _images(row)
        lists = [row[name] for name in ("widths", "heights", "formats", "digests", "actions")]
        if any(len(one) != len(images) for one in lists):
            yield WRONG_ROWS, "lists of other lengths than the images"
            continue
        if row["num_inputs"] != len(images) - 1:
            yield WRONG_ROWS, "another num_inputs"
        for image, width, height, kind, digest in zip(images, *lists[:4], strict=True):
            if xxhash.xxh3_128_hexdigest(image) != digest:
                yield WRONG_ROWS, "a digest that is not the image's"
            if image in known:
                continue
            said = _decoded(image, (width, height), kind)
            if said:
                wrong = WRONG_ROWS if decode or said.startswith("an image") else NOT_DECODABLE
                yield wrong, said


def _decoded(image: bytes, sides: tuple[int, int], kind: str) -> str:
    """What Pillow has to say against an image; "" where it decodes it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(image)) as opened:
                if opened.size != sides or opened.format not in {kind, "MPO"}:
                    return "an image of another size or format than is said"
                opened.load()
    except Exception as error:  # noqa: BLE001 - Pillow raises a dozen types
        return f"{kind}: {type(error).__name__}: {str(error)[:60]}"
    return ""


def _images(row: dict[str, Any]) -> list[bytes]:
    return [cell["bytes"] for cell in (*row["input_images"], row["output_image"])]


def _rows(config: Path) -> list[dict[str, Any]]:
    return [
        row
        for path in sorted(config.glob("train-*.parquet"))
        for row in pq.ParquetFile(path).read().to_pylist()
    ]


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]
