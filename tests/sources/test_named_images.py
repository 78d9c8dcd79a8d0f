"""Images that are named beside embedded ones: no rewritten file goes unseen, at no great cost."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mico_150k.core.errors import PathOutsideSource
from mico_150k.core.sample import Sample
from mico_150k.sources import SourceFile, open_source
from mico_150k.sources.validate import RowValidator

from ..factories import CELLS, encode, picture

Cell = dict[str, Any] | None


def named(path: str) -> Cell:
    return {"bytes": None, "path": path}


def embedded(seed: int, path: str | None = None) -> Cell:
    return {"bytes": encode(picture(seed)), "path": path}


def write(folder: Path, lists: list[list[Cell]], outputs: list[Cell], **writer: Any) -> Path:
    """A file of these cells, and six pictures beside it that they may name."""
    (folder / "i").mkdir(parents=True, exist_ok=True)
    for seed in range(6):
        (folder / "i" / f"{seed}.png").write_bytes(encode(picture(seed)))
    table = pa.table(
        {
            "input_images": pa.array(lists, pa.list_(CELLS["struct"])),
            "output_image": pa.array(outputs, CELLS["struct"]),
            "instruction": [f"row {row}" for row in range(len(outputs))],
        }
    )
    pq.write_table(table, folder / "hoi.parquet", **writer)
    return folder


def only(folder: Path) -> SourceFile:
    (file,) = open_source(str(folder)).files
    return file


MIXED = ([[named("i/0.png"), embedded(9)], [], [named("i/1.png")]],
         [named("i/2.png"), embedded(7), named("i/3.png")])  # fmt: skip


@pytest.mark.parametrize("statistics", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_an_image_that_is_written_again_changes_the_stamp(
    tmp_path: Path, seed: int, statistics: bool
) -> None:
    folder = write(tmp_path, *MIXED, write_statistics=statistics)
    before = only(folder)
    (folder / "i" / f"{seed}.png").write_bytes(encode(picture(seed + 50)))
    after = only(folder)
    assert before.mtime_token != after.mtime_token
    assert before.image_bytes > sum((folder / "i" / f"{n}.png").stat().st_size for n in range(4))


def test_rows_of_both_kinds_of_cells_are_read(tmp_path: Path) -> None:
    rows = [RowValidator().examine_row(row) for row in only(write(tmp_path, *MIXED)).read()]
    first, _, last = rows
    assert isinstance(first, Sample)
    assert [bytes(image.data) for image in first.images] == [
        encode(picture(seed)) for seed in (0, 9, 2)
    ]
    assert isinstance(last, Sample)


def test_paths_beside_embedded_images_are_neither_looked_for_nor_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = [embedded(1, "/home/somebody/1.png"), None, embedded(2, "../2.png")]
    folder = write(tmp_path, [[embedded(3, "i/0.png")], [], [embedded(4, "i/1.png")]], outside)

    def look(*_: object) -> None:
        pytest.fail("a file was looked for")

    monkeypatch.setattr("mico_150k.sources.image_paths.ImagePaths.status", look)
    assert only(folder).rows == 3


@pytest.mark.parametrize("statistics", [True, False])
def test_a_path_that_leads_out_is_refused_where_it_is_needed(
    tmp_path: Path, statistics: bool
) -> None:
    ways = [[embedded(1, "/somebody/1.png")]] * 2
    file = only(
        write(tmp_path, ways, [embedded(1), named("../x.png")], write_statistics=statistics)
    )
    with pytest.raises(PathOutsideSource):
        list(file.read())
    write(tmp_path, ways, [named("../x.png"), named("../x.png")], write_statistics=True)
    with pytest.raises(PathOutsideSource):
        only(tmp_path)


def test_without_statistics_nothing_is_looked_for_over_a_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path, *MIXED, write_statistics=False)
    monkeypatch.setattr("mico_150k.io.storage.Storage.is_local", False)
    monkeypatch.setattr("mico_150k.sources.image_paths.ImagePaths.status", pytest.fail)
    assert only(folder).rows == 3
