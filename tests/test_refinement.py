"""A dataset made of a dataset: what must not be in it is gone, all else is there, byte by byte."""

import gc
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset
from mico_150k.builders import BUILDERS

from mico_150k import names
from mico_150k.bench import BenchCase
from mico_150k.build import Build, BuildOptions, BuildResult
from mico_150k.check import check_dataset
from mico_150k.dataset import open_dataset
from mico_150k.dataset_builder import Mico150k
from mico_150k.dataset_folder import DatasetFolder, read_rows
from mico_150k.errors import (
    BadSelection,
    BrokenFile,
    DiskTooSmall,
    OutputRefused,
    TooManyLeftOut,
    TooManyLost,
    UsageError,
)
from mico_150k.images.reader import digest_of
from mico_150k.machine import cores
from mico_150k.refine.options import RefineOptions
from mico_150k.refine.refinement import Refinement
from mico_150k.row_group import MAX_ROWS
from mico_150k.selection import Selection
from mico_150k.sources import open_source
from mico_150k.sources.cells import Cell
from mico_150k.sources.storage import ImagePaths

from .factories import Case, cases, encode, garment, picture, unique_png, write_bench, write_release
from .folders import contents
from .killing import interrupt_after, start_and_kill

IMAGE_CONFIGS = tuple(BUILDERS)


@pytest.fixture(autouse=True)
def no_cache_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def own(name: str, size: tuple[int, int] = (64, 48)) -> bytes:
    """A picture whose bytes no other name's have."""
    return unique_png(encode(picture(len(name), size)), name)


@pytest.fixture(scope="module")
def distinct() -> list[Case]:
    """Twelve samples of each task, each with pictures of its own: demo images repeat."""
    return [
        replace(
            case,
            inputs=tuple(own(f"{at}/{place}") for place in range(2 + at % 3)),
            output=own(f"{at}/output", (96, 64)),
        )
        for at, case in enumerate(cases(12))
    ]


@pytest.fixture(scope="module")
def dataset(distinct: list[Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of several shards."""
    root = tmp_path_factory.mktemp("refined")
    source = write_release(root / "release", distinct, rows_per_file=4)
    folder = root / "mico-150k"
    options = BuildOptions(shard_bytes=8_000)
    result = Build.prepare(open_source(str(source)), folder, options).run()
    assert result.shards > 5
    return folder


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


def assert_sound(folder: Path, dataset: Path, gone: set[str]) -> None:
    """The folder is whole, and holds the dataset's own rows but those, in every configuration."""
    assert not [found for found in check_dataset(DatasetFolder(folder)) if found.fault]
    assert not (folder / names.WORK).exists()
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
            name = names.shard_name(row["shard"], split)  # type: ignore[arg-type]
            in_shard = pq.read_table(folder / "default" / name, columns=["id"])["id"]
            assert in_shard[row["row"]].as_py() == row["id"]
    assert sorted(there) == sorted(set(ids(dataset)) - gone)
    report = json.loads((folder / names.REPORT).read_text())
    left_out = sum(sum(reasons.values()) for reasons in report["left_out"].values())
    assert report["rows_read"] == report["rows"] + left_out == len(ids(dataset))
    assert report["rows"] == len(there) == sum(report["tasks"].values())
    assert not gone.intersection(row["id"] for row in rows(folder, "sample"))


def remove_list(tmp_path: Path, *entries: str) -> Path:
    path = tmp_path / "remove.txt"
    path.write_text("# asked for on a Monday\n\n" + "\n".join(entries) + "\n")
    return path


def test_a_takedown_rewrites_the_shards_that_change_and_links_the_others(
    dataset: Path, tmp_path: Path
) -> None:
    digest = rows(dataset, "index")[9]["digests"][0]  # type: ignore[index]
    taken = {"hoi/3", str(rows(dataset, "index")[9]["id"])}
    listed = remove_list(tmp_path, "hoi/3", digest.upper())
    refine(dataset, tmp_path / "out", remove=listed)
    assert_sound(tmp_path / "out", dataset, taken)
    places = {row["id"]: row["shard"] for row in rows(dataset, "index")}
    changed = {places[row_id] for row_id in taken}
    for config in IMAGE_CONFIGS:
        for number, old in enumerate(DatasetFolder(dataset).files(config)):
            new = tmp_path / "out" / config / old.name
            assert new.samefile(old) == (number not in changed)
    manifest = json.loads((tmp_path / "out" / names.MANIFEST).read_text())
    assert manifest["removed"] == sorted(["hoi/3", digest])
    assert manifest["left_out"] == {"removed": 2}
    quarantine = (tmp_path / "out" / names.QUARANTINE).read_text().splitlines()
    assert {json.loads(line)["id"] for line in quarantine} == taken


def test_a_takedown_of_a_takedown_knows_the_first(dataset: Path, tmp_path: Path) -> None:
    refine(dataset, tmp_path / "one", remove=remove_list(tmp_path, "hoi/3"))
    refine(tmp_path / "one", tmp_path / "two", remove=remove_list(tmp_path, "hoi/3", "hoi/4"))
    refine(tmp_path / "two", tmp_path / "three", remove=remove_list(tmp_path, "hoi/5"))
    manifest = json.loads((tmp_path / "three" / names.MANIFEST).read_text())
    assert manifest["removed"] == ["hoi/3", "hoi/4", "hoi/5"]
    assert_sound(tmp_path / "three", dataset, {"hoi/3", "hoi/4", "hoi/5"})


@pytest.mark.parametrize("entry", ["hoi/3333", "0" * 32, "hoi/3 "])
def test_a_takedown_that_names_nothing_is_an_error_and_writes_nothing(
    dataset: Path, tmp_path: Path, entry: str
) -> None:
    listed = remove_list(tmp_path, "hoi/4", entry)
    if entry.strip() == "hoi/3":  # blanks around an entry are nothing
        refine(dataset, tmp_path / "out", remove=listed)
        return
    with pytest.raises(UsageError, match=f"1 entries name no row .* {entry}"):
        refine(dataset, tmp_path / "out", remove=listed)
    assert not (tmp_path / "out").exists()


def test_an_empty_or_missing_list_is_an_error(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="names no id"):
        refine(dataset, tmp_path / "out", remove=remove_list(tmp_path))
    with pytest.raises(UsageError, match="can be read there"):
        refine(dataset, tmp_path / "out", remove=tmp_path / "nowhere.txt")


def test_where_chooses_rows_and_small_remains_are_packed(dataset: Path, tmp_path: Path) -> None:
    result = refine(dataset, tmp_path / "out", where="task = 'hoi' and num_inputs < 4")
    gone = {
        str(row["id"])
        for row in rows(dataset, "index")
        if row["task"] != "hoi" or row["num_inputs"] == 4
    }
    assert_sound(tmp_path / "out", dataset, gone)
    assert result.shards < len(DatasetFolder(dataset).files("bagel"))
    report = json.loads((tmp_path / "out" / names.REPORT).read_text())
    assert report["left_out"]["hoi"] == {"not-selected": 4}
    assert not (tmp_path / "out" / names.QUARANTINE).exists()


def test_a_sample_has_as_many_rows_as_are_asked_for(dataset: Path, tmp_path: Path) -> None:
    refine(dataset, tmp_path / "out", sample=10)
    assert len(ids(tmp_path / "out")) == 10
    assert_sound(tmp_path / "out", dataset, set(ids(dataset)) - set(ids(tmp_path / "out")))


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


def test_rows_of_the_benchmark_are_left_out_and_it_stands_beside(
    dataset: Path, distinct: list[Case], tmp_path: Path
) -> None:
    bench = planted_bench(tmp_path / "bench", distinct)
    refine(dataset, tmp_path / "out", bench=str(bench), exact=True)
    assert_sound(tmp_path / "out", dataset, {"hoi/5", "de_re/5"})
    lines = (tmp_path / "out" / names.QUARANTINE).read_text().splitlines()
    details = {json.loads(line)["id"]: json.loads(line)["detail"] for line in lines}
    assert details == {
        "hoi/5": "same output as hoi/1",
        "de_re/5": "same inputs as de_re/2",
    }
    report = json.loads((tmp_path / "out" / names.REPORT).read_text())
    assert report["bench"]["overlaps"] == {
        "same output": 1, "same inputs": 1, "near output": 0, "near inputs": 0,
    }  # fmt: skip
    test = load_dataset(str(tmp_path / "out"), "bench", split="test", streaming=True)
    assert list(test.features) == [
        "id", "task", "editing_type", "instruction", "refined_instruction", "input_images",
        "human_indices", "reference",
    ]  # fmt: skip
    found = {row["id"]: row for row in test}
    assert set(found) == {"hoi/1", "de_re/2", "human_centric/3", "object_centric/4"}
    assert found["hoi/1"]["human_indices"] == [0]
    assert found["hoi/1"]["reference"].size == (96, 64)


def test_a_takedown_reaches_the_benchmark_beside_and_later_ones(
    dataset: Path, distinct: list[Case], tmp_path: Path
) -> None:
    bench = planted_bench(tmp_path / "bench", distinct)
    refine(dataset, tmp_path / "one", bench=str(bench), mark=True, exact=True)
    (case,) = (row for row in rows(tmp_path / "one", "bench", "test") if row["id"] == "hoi/1")
    digest = digest_of(case["input_images"][1]["bytes"])  # type: ignore[index]
    refine(tmp_path / "one", tmp_path / "two", remove=remove_list(tmp_path, digest))
    left = {"de_re/2", "human_centric/3", "object_centric/4"}
    assert {row["id"] for row in rows(tmp_path / "two", "bench", "test")} == left
    assert_sound(tmp_path / "two", dataset, set())
    report = json.loads((tmp_path / "two" / names.REPORT).read_text())
    assert (report["bench"]["cases"], report["bench"]["left_out"]) == (3, {"removed": 1})
    refine(tmp_path / "two", tmp_path / "three", bench=str(bench), mark=True, exact=True)
    assert {row["id"] for row in rows(tmp_path / "three", "bench", "test")} == left
    old = tmp_path / "one" / "bench" / "test-00000.parquet"
    refine(tmp_path / "one", tmp_path / "four", remove=remove_list(tmp_path, "hoi/3"))
    assert old.samefile(tmp_path / "four" / "bench" / old.name)


def test_marked_rows_stay_and_are_told_in_the_index(
    dataset: Path, distinct: list[Case], tmp_path: Path
) -> None:
    bench = planted_bench(tmp_path / "bench", distinct)
    refine(dataset, tmp_path / "out", bench=str(bench), mark=True, exact=True)
    assert_sound(tmp_path / "out", dataset, set())
    overlaps = {row["id"]: row["overlap"] for row in rows(tmp_path / "out", "index")}
    assert {key: said for key, said in overlaps.items() if said} == {
        "hoi/5": "same output as hoi/1",
        "de_re/5": "same inputs as de_re/2",
    }
    for old in DatasetFolder(dataset).files("bagel"):
        assert old.samefile(tmp_path / "out" / "bagel" / old.name)
    refine(tmp_path / "out", tmp_path / "clean", where="overlap = ''")
    assert_sound(tmp_path / "clean", dataset, {"hoi/5", "de_re/5"})
    assert (tmp_path / "clean" / "bench" / "test-00000.parquet").is_file()


def test_near_duplicates_are_left_out_and_looked_at_once(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("imagehash", reason="near duplicates are found with the extra `bench`")
    dataset = tmp_path / "mico-150k"
    Build.prepare(open_source(str(release)), dataset, BuildOptions()).run()
    row = next(row for row in rows(dataset, "default") if row["id"] == "hoi/2")
    bench = write_bench(
        tmp_path / "bench",
        [
            Case("hoi", 7, "the same", tuple(_again(cell) for cell in row["input_images"][::-1]),  # type: ignore[attr-defined]
                 encode(picture(7))),
        ],
    )  # fmt: skip
    refine(dataset, tmp_path / "out", bench=str(bench))
    assert "hoi/2" not in ids(tmp_path / "out")
    report = json.loads((tmp_path / "out" / names.REPORT).read_text())
    assert report["bench"]["overlaps"]["near inputs"] == len(ids(dataset)) - len(
        ids(tmp_path / "out")
    )

    def refuse(_: object) -> bytes:
        pytest.fail("looked at again")

    for module in ("near", "bench_read"):
        monkeypatch.setattr(f"mico_150k.refine.{module}.look_of", refuse)
    refine(dataset, tmp_path / "again", bench=str(bench))
    assert contents(tmp_path / "again") == contents(tmp_path / "out")


def test_a_row_whose_garment_has_another_colour_is_clean(tmp_path: Path) -> None:
    pytest.importorskip("imagehash", reason="near duplicates are found with the extra `bench`")
    person = own("person")
    red, blue = (encode(garment(colour)) for colour in ("crimson", "royalblue"))
    again = encode(garment("crimson"), "JPEG", quality=50)
    samples = [
        Case("hoi", number, "wear image 2", (person, cell), own(f"output {number}"))
        for number, cell in enumerate((blue, again, red))
    ]
    source = write_release(tmp_path / "release", samples)
    Build.prepare(open_source(str(source)), tmp_path / "made", BuildOptions()).run()
    bench = write_bench(tmp_path / "bench", [replace(samples[2], output=own("reference"))])
    refine(tmp_path / "made", tmp_path / "out", bench=str(bench))
    assert ids(tmp_path / "out") == ["hoi/0"]


def test_the_benchmark_is_read_case_by_case_and_told(
    dataset: Path, distinct: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("imagehash", reason="near duplicates are found with the extra `bench`")
    other = [replace(case, output=own(f"reference {case.task} {case.id}")) for case in distinct]
    bench = write_bench(tmp_path / "bench", other)
    reads: Counter[str] = Counter()
    read = ImagePaths.read

    def counting(self: ImagePaths, path: str) -> Cell:
        reads[path] += 1
        return read(self, path)

    monkeypatch.setattr(ImagePaths, "read", counting)
    steps: list[tuple[str, int, int]] = []
    held = []

    def step(*said: Any) -> None:
        steps.append(said)
        held.append(sum(isinstance(thing, BenchCase) for thing in gc.get_objects()))

    options = RefineOptions(bench=str(bench), mark=True)
    planned = Refinement.prepare(dataset, tmp_path / "out", options, on_step=step)
    cases_told = [said for said in steps if said[0] == "cases of MICo-Bench"]
    assert cases_told == [("cases of MICo-Bench", number + 1, 48) for number in range(48)]
    assert steps[-1] == ("images", 48, 48)  # the outputs: the inputs are the benchmark's
    assert max(held) <= 2 * cores() + 2 < 48
    planned.run()
    assert set(reads.values()) == {2}  # to decide, and to write


def _again(cell: dict[str, bytes]) -> bytes:
    """The picture as a JPEG."""
    import io

    from PIL import Image

    return encode(Image.open(io.BytesIO(cell["bytes"])).convert("RGB"), "JPEG", quality=90)


def test_without_the_library_near_duplicates_are_refused_with_the_way_out(
    dataset: Path, distinct: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "imagehash", None)
    bench = planted_bench(tmp_path / "bench", distinct)
    with pytest.raises(UsageError, match=r"pip install '\.\[bench\]'"):
        refine(dataset, tmp_path / "out", bench=str(bench))


def test_a_benchmark_without_its_images_is_refused(
    dataset: Path, distinct: list[Case], tmp_path: Path
) -> None:
    bench = planted_bench(tmp_path / "bench", distinct)
    shutil.rmtree(bench / "mico_bench_hoi")
    with pytest.raises(TooManyLeftOut, match="1 of 4 cases of MICo-Bench cannot be used"):
        refine(dataset, tmp_path / "out", bench=str(bench), exact=True)
    options = RefineOptions(bench=str(bench), exact=True)
    Refinement.prepare(dataset, tmp_path / "out", options, tolerance=0.25).run()
    assert_sound(tmp_path / "out", dataset, {"de_re/5"})
    report = json.loads((tmp_path / "out" / names.REPORT).read_text())
    assert report["bench"]["left_out"] == {"file-missing": 1}
    assert report["bench"]["cases"] == len(rows(tmp_path / "out", "bench", "test")) == 3


def test_a_validation_split_is_in_every_configuration_and_shares_no_input(
    dataset: Path, tmp_path: Path
) -> None:
    refine(dataset, tmp_path / "out", validation=8, max_loss=0.5)
    apart = rows(tmp_path / "out", "index", "validation")
    assert Counter(row["task"] for row in apart) == dict.fromkeys(
        ["object_centric", "human_centric", "hoi", "de_re"], 2
    )
    inputs = {digest for row in apart for digest in row["digests"][:-1]}  # type: ignore[index]
    for row in rows(tmp_path / "out", "index"):
        assert inputs.isdisjoint(row["digests"][:-1])  # type: ignore[index]
    kept = {*ids(tmp_path / "out"), *ids(tmp_path / "out", "validation")}
    gone = set(ids(dataset)) - kept
    assert_sound(tmp_path / "out", dataset, gone)
    for config in IMAGE_CONFIGS:
        found = load_dataset(str(tmp_path / "out"), config)
        assert {split: rows.num_rows for split, rows in found.items()} == {
            "train": 48 - 8 - len(gone), "validation": 8,
        }  # fmt: skip
    report = json.loads((tmp_path / "out" / names.REPORT).read_text())
    assert sum(report["validation"].values()) == 8
    with pytest.raises(UsageError, match="has a split validation already"):
        refine(tmp_path / "out", tmp_path / "again", validation=2)


def plain(value: Any) -> Any:
    """A value with its images as bytes."""
    if isinstance(value, dict):
        return value["bytes"] if "bytes" in value else {key: plain(value[key]) for key in value}
    return [plain(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("config", [*IMAGE_CONFIGS, "index", "bench"])
def test_every_split_loads_in_every_way(
    dataset: Path, distinct: list[Case], tmp_path: Path, config: str
) -> None:
    bench = planted_bench(tmp_path / "bench", distinct)
    out = tmp_path / "out"
    refine(dataset, out, validation=8, max_loss=0.5, bench=str(bench), exact=True)
    splits = ["test"] if config == "bench" else ["train", "validation"]
    by_name = load_dataset(str(out), config, cache_dir=str(tmp_path / "datasets"))
    builder = Mico150k(config_name=config, data_dir=str(out), cache_dir=str(tmp_path / "datasets"))
    builder.download_and_prepare()
    assert sorted(by_name) == sorted(builder.info.splits) == splits
    for split in splits:
        stored = pa.concat_tables(
            pq.read_table(path) for path in DatasetFolder(out).files(config, split)
        ).to_pylist()
        for found in (by_name[split], builder.as_dataset(split)):
            assert plain(found.with_format("arrow")[:].to_pylist()) == plain(stored)


def test_rows_that_share_an_image_are_left_out_or_the_split_refused(
    release: Path, tmp_path: Path
) -> None:
    dataset = tmp_path / "mico-150k"
    Build.prepare(open_source(str(release)), dataset, BuildOptions()).run()
    with pytest.raises(TooManyLost, match="--max-loss allows"):
        refine(dataset, tmp_path / "out", validation=4, max_loss=0)
    refine(dataset, tmp_path / "out", validation=4, max_loss=1)
    report = json.loads((tmp_path / "out" / names.REPORT).read_text())
    lost = sum(reasons.get("shares-image", 0) for reasons in report["left_out"].values())
    assert lost == len(ids(dataset)) - 4 - len(ids(tmp_path / "out")) > 0


def test_a_takedown_reaches_the_validation_split_too(dataset: Path, tmp_path: Path) -> None:
    refine(dataset, tmp_path / "split", validation=8, max_loss=0.5)
    one = ids(tmp_path / "split", "validation")[3]
    before = {*ids(tmp_path / "split"), *ids(tmp_path / "split", "validation")}
    refine(tmp_path / "split", tmp_path / "out", remove=remove_list(tmp_path, one))
    assert len(ids(tmp_path / "out", "validation")) == 7
    assert_sound(tmp_path / "out", dataset, set(ids(dataset)) - before | {one})


def test_row_groups_keep_their_limit_when_remains_are_packed(release: Path, tmp_path: Path) -> None:
    dataset = tmp_path / "mico-150k"
    Build.prepare(open_source(str(release)), dataset, BuildOptions()).run()
    refine(dataset, tmp_path / "out", sample=23)
    groups = pq.read_metadata(tmp_path / "out" / "bagel" / names.shard_name(0))
    counts = [groups.row_group(place).num_rows for place in range(groups.num_row_groups)]
    assert counts == [MAX_ROWS, 3]


EVERYTHING = {"validation": 6, "max_loss": 0.5, "where": "num_inputs < 4"}


def test_two_refinements_have_the_same_bytes(dataset: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        refine(dataset, tmp_path / name, **EVERYTHING)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.parametrize("shards", [0, 1, 3])
def test_an_interrupted_refinement_goes_on_and_ends_with_the_same_bytes(
    dataset: Path, tmp_path: Path, shards: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    refine(dataset, tmp_path / "whole", **EVERYTHING)
    interrupt_after(monkeypatch, shards)
    with pytest.raises(KeyboardInterrupt):
        refine(dataset, tmp_path / "out", **EVERYTHING)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert not (tmp_path / "out" / names.MANIFEST).exists()
    result = refine(dataset, tmp_path / "out", **EVERYTHING)
    assert result.resumed >= shards
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert refine(dataset, tmp_path / "out", **EVERYTHING).resumed == result.shards


KILLED = """
import sys
from pathlib import Path
from mico_150k.machine import cores
from mico_150k.refine.options import RefineOptions
from mico_150k.refine.refinement import Refinement
planned = Refinement.prepare(sys.argv[1], Path(sys.argv[2]),
                             RefineOptions(validation=6, max_loss=0.5))
print("ready", flush=True)
planned.run()
"""


@pytest.mark.parametrize("delay", [0.01, 0.04, 0.1])
def test_killed_at_any_moment_a_refinement_goes_on(
    dataset: Path, tmp_path: Path, delay: float
) -> None:
    refine(dataset, tmp_path / "whole", validation=6, max_loss=0.5)
    start_and_kill(KILLED, dataset, tmp_path / "out", after=delay)
    refine(dataset, tmp_path / "out", validation=6, max_loss=0.5)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_where_links_cannot_be_made_files_are_copied(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = remove_list(tmp_path, "hoi/3")
    refine(dataset, tmp_path / "linked", remove=listed)

    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    refine(dataset, tmp_path / "copied", remove=listed)
    assert contents(tmp_path / "copied") == contents(tmp_path / "linked")
    one = tmp_path / "copied" / "bagel" / names.shard_name(5)
    assert not one.samefile(dataset / "bagel" / one.name)


def test_the_dataset_itself_is_never_written(dataset: Path, tmp_path: Path) -> None:
    before = contents(dataset)
    with pytest.raises(OutputRefused, match="is the dataset itself"):
        refine(dataset, dataset, sample=5)
    refine(dataset, tmp_path / "out", sample=5)
    refine(dataset, tmp_path / "link", remove=remove_list(tmp_path, "hoi/3"))
    planned = Refinement.prepare(
        dataset, tmp_path / "link", RefineOptions(selection=Selection(sample=7))
    )
    with pytest.raises(OutputRefused, match="holds another build"):
        planned.run()
    planned.run(overwrite=True)
    assert contents(dataset) == before


def test_a_damaged_image_is_noticed_where_it_would_be_written_again(
    dataset: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(dataset, tmp_path / "copy"))
    row = rows(copy, "index")[0]
    shard = copy / "default" / names.shard_name(0)
    data = bytearray(shard.read_bytes())
    cell = rows(dataset, "default")[1]["output_image"]["bytes"]  # type: ignore[index]
    data[data.index(cell) + len(cell) // 2] ^= 1
    shard.write_bytes(data)
    with pytest.raises(BrokenFile, match="an image is not the one that the index names"):
        refine(copy, tmp_path / "out", remove=remove_list(tmp_path, str(row["id"])))
    (copy / "bagel" / names.shard_name(3)).unlink()
    with pytest.raises(BrokenFile, match="is missing, or has another size"):
        refine(copy, tmp_path / "other", where="shard <> 0")


def test_a_disk_that_is_too_small_is_refused(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "mico_150k.forecast.shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000})
    )
    with pytest.raises(DiskTooSmall, match="will be written besides what is linked"):
        refine(dataset, tmp_path / "out", validation=6, max_loss=0.5)


def test_what_makes_no_sense_is_refused(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--mark and --exact"):
        RefineOptions(mark=True)
    with pytest.raises(BadSelection):
        refine(dataset, tmp_path / "out", where="num_inputs > 100")
    with pytest.raises(UsageError, match="leaves none to train on"):
        refine(dataset, tmp_path / "out", validation=48)
    every = remove_list(tmp_path, *ids(dataset))
    with pytest.raises(UsageError, match="none would be left"):
        refine(dataset, tmp_path / "out", remove=every)


def test_a_dataset_of_one_configuration_is_refined_as_well(release: Path, tmp_path: Path) -> None:
    dataset = tmp_path / "mico-150k"
    Build.prepare(open_source(str(release)), dataset, BuildOptions(configs=("dimoo",))).run()
    refine(dataset, tmp_path / "out", where="task = 'hoi'")
    assert open_dataset(tmp_path / "out").configs == ["dimoo", "index"]
    expected = dict(zip(ids(dataset), rows(dataset, "dimoo"), strict=True))
    assert rows(tmp_path / "out", "dimoo") == [expected[row] for row in ids(tmp_path / "out")]


@pytest.mark.parametrize(
    ("arguments", "ends"),
    [
        ("{dataset} --remove {list} --out {out}", (0, "1 removed")),
        ("{dataset} --out {out}", (2, "say what is to be other")),
        ("{dataset} --sample 5 --map id=x --out {out}", (2, "for a release")),
        ("{release} --sample 5 --out {out}", (2, "Build it first")),
        ("{dataset} --sample 5 --out {dataset}", (2, "is the dataset itself")),
        ("{dataset} --validation 20 --max-loss 0.001 --bench {out} --out {out}", (1, "no such")),
    ],
)
def test_the_command_says_what_it_did_or_why_not(
    dataset: Path, release: Path, tmp_path: Path, arguments: str, ends: tuple[int, str]
) -> None:
    listed = remove_list(tmp_path, "hoi/3")
    words = arguments.format(dataset=dataset, release=release, list=listed, out=tmp_path / "out")
    done = subprocess.run(
        [sys.executable, "-m", "mico_150k", "build", *words.split()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ends[0], done.stderr
    assert ends[1] in done.stderr
