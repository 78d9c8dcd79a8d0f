"""What tests of refinements share: a dataset of several shards, and what must hold of another."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
from mico_150k.builders import BUILDERS

from mico_150k.build.build import Build, BuildOptions, BuildResult
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder, read_rows
from mico_150k.dataset.selection import Selection
from mico_150k.inspection.check import check_dataset
from mico_150k.refine.options import RefineOptions
from mico_150k.refine.refinement import Refinement
from mico_150k.sources import open_source

from ..factories import Case, cases, encode, picture, unique_png, write_bench, write_release

IMAGE_CONFIGS = tuple(BUILDERS)


def own(name: str, size: tuple[int, int] = (64, 48)) -> bytes:
    """A picture whose bytes no other name's have."""
    return unique_png(encode(picture(len(name), size)), name)


def distinct_cases() -> list[Case]:
    """Twelve samples of each task, each with pictures of its own: demo images repeat."""
    return [
        replace(
            case,
            inputs=tuple(own(f"{at}/{place}") for place in range(2 + at % 3)),
            output=own(f"{at}/output", (96, 64)),
        )
        for at, case in enumerate(cases(12))
    ]


def build_of_them(samples: Sequence[Case], root: Path) -> Path:
    """A dataset of several shards."""
    source = write_release(root / "release", samples, rows_per_file=4)
    folder = root / "mico-150k"
    options = BuildOptions(shard_bytes=8_000)
    result = Build.prepare(open_source(str(source)), folder, options).run()
    assert result.shards > 5
    return folder


def planted_bench(folder: Path, distinct: list[Case]) -> Path:
    """Four cases: a row's output, a row's inputs turned round, some of its inputs, nothing."""
    hoi, de_re, human, thing = (
        next(case for case in distinct if case.task == task and case.id == 5)
        for task in ("hoi", "de_re", "human_centric", "object_centric")
    )
    other = [own(f"other {number}", (80, 80)) for number in range(9)]
    return write_bench(
        folder,
        [
            replace(hoi, id=1, inputs=tuple(other[:2])),
            replace(de_re, id=2, inputs=de_re.inputs[::-1], output=other[2]),
            replace(human, id=3, inputs=(*human.inputs[1:], other[3]), output=other[4]),
            replace(thing, id=4, inputs=tuple(other[5:8]), output=other[8]),
        ],
    )


def refine(dataset: Path, out: Path, **options: object) -> BuildResult:
    if "where" in options or "sample" in options:
        selection = {key: options.pop(key) for key in ("where", "sample") if key in options}
        options["selection"] = Selection(**selection)  # type: ignore[arg-type]
    return Refinement.prepare(dataset, out, RefineOptions(**options)).run()  # type: ignore[arg-type]


def rows(folder: Path, config: str, split: str = "train") -> list[dict[str, object]]:
    files = DatasetFolder(folder).files(config, split)
    return [row for path in files for row in read_rows(path)]


def ids(folder: Path, split: str = "train") -> list[str]:
    return [str(row["id"]) for row in rows(folder, "index", split)]


def in_shard(dataset: Path, *numbers: int) -> list[str]:
    """The ids of the rows of these shards."""
    return [str(row["id"]) for row in rows(dataset, "index") if row["shard"] in numbers]


def remove_list(tmp_path: Path, *entries: str) -> Path:
    path = tmp_path / "remove.txt"
    path.write_text("# asked for on a Monday\n\n" + "\n".join(entries) + "\n")
    return path


def assert_sound(folder: Path, dataset: Path, gone: set[str]) -> None:
    """The folder is whole, and holds the dataset's own rows but those, in every configuration."""
    assert not [found for found in check_dataset(DatasetFolder(folder)) if found.fault]
    assert not (folder / layout.WORK).exists()
    before = {config: dict(zip(ids(dataset), rows(dataset, config), strict=True))
              for config in IMAGE_CONFIGS}  # fmt: skip
    there = []
    for split in DatasetFolder(folder).splits("index"):
        of_split = ids(folder, split)
        there += of_split
        for config in IMAGE_CONFIGS:
            found = rows(folder, config, split)
            assert found == [before[config][row_id] for row_id in of_split]
        for row in rows(folder, "index", split):
            name = layout.shard_name(row["shard"], split)  # type: ignore[arg-type]
            in_shard = pq.read_table(folder / "default" / name, columns=["id"])["id"]
            assert in_shard[row["row"]].as_py() == row["id"]
    assert sorted(there) == sorted(set(ids(dataset)) - gone)
    report = json.loads((folder / layout.REPORT).read_text())
    left_out = sum(sum(reasons.values()) for reasons in report["skipped"].values())
    assert report["rows_read"] == report["rows"] + left_out == len(ids(dataset))
    assert report["rows"] == len(there) == sum(report["tasks"].values())
    assert not gone.intersection(row["id"] for row in rows(folder, "sample"))
