"""A dataset made of a dataset: what must not be in it is gone, all else is there, byte by byte."""

import gc
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from mico_150k.api.refine import refine_dataset
from mico_150k.build.build import Build, BuildOptions
from mico_150k.core.errors import (
    BadSelection,
    BrokenFile,
    DiskTooSmall,
    OutputRefused,
    TooManyLost,
    TooManySkipped,
    UsageError,
)
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.dataset.reader import open_dataset
from mico_150k.dataset.row_group import MAX_ROWS
from mico_150k.dataset.selection import Selection
from mico_150k.dataset.workspace import Workspace
from mico_150k.io.cells import Cell
from mico_150k.io.machine import cores
from mico_150k.loaders.huggingface import Mico150k
from mico_150k.refine.benchmark import BenchCase
from mico_150k.refine.options import RefineOptions
from mico_150k.refine.refinement import Refinement
from mico_150k.sources import open_source
from mico_150k.sources.image_paths import ImagePaths

from ..factories import Case, encode, garment, picture, write_bench, write_release
from ..folders import contents
from ..killing import interrupt_after, start_and_kill
from ..pretokenize.material import add_codes
from .refining import (
    IMAGE_CONFIGS,
    assert_sound,
    build_of_them,
    distinct_cases,
    ids,
    own,
    planted_bench,
    refine,
    remove_list,
    rows,
)


@pytest.fixture(autouse=True)
def no_cache_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def distinct() -> list[Case]:
    return distinct_cases()


@pytest.fixture(scope="module")
def dataset(distinct: list[Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_of_them(distinct, tmp_path_factory.mktemp("refined"))


def test_where_chooses_rows_and_small_remains_are_packed(dataset: Path, tmp_path: Path) -> None:
    result = refine(dataset, tmp_path / "out", where="task = 'hoi' and num_inputs < 4")
    gone = {
        str(row["id"])
        for row in rows(dataset, "index")
        if row["task"] != "hoi" or row["num_inputs"] == 4
    }
    assert_sound(tmp_path / "out", dataset, gone)
    assert result.shards < len(DatasetFolder(dataset).files("bagel"))
    report = json.loads((tmp_path / "out" / layout.REPORT).read_text())
    assert report["skipped"]["hoi"] == {"not-selected": 4}
    assert not (tmp_path / "out" / layout.QUARANTINE).exists()


def test_a_sample_has_as_many_rows_as_are_asked_for(dataset: Path, tmp_path: Path) -> None:
    refine(dataset, tmp_path / "out", sample=10)
    assert len(ids(tmp_path / "out")) == 10
    assert_sound(tmp_path / "out", dataset, set(ids(dataset)) - set(ids(tmp_path / "out")))


def test_rows_of_the_benchmark_are_left_out_and_it_stands_beside(
    dataset: Path, distinct: list[Case], tmp_path: Path
) -> None:
    bench = planted_bench(tmp_path / "bench", distinct)
    refine(dataset, tmp_path / "out", bench=str(bench), exact=True)
    assert_sound(tmp_path / "out", dataset, {"hoi/5", "de_re/5"})
    lines = (tmp_path / "out" / layout.QUARANTINE).read_text().splitlines()
    details = {json.loads(line)["id"]: json.loads(line)["detail"] for line in lines}
    assert details == {
        "hoi/5": "same output as hoi/1",
        "de_re/5": "same inputs as de_re/2",
    }
    report = json.loads((tmp_path / "out" / layout.REPORT).read_text())
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


def test_marks_are_those_of_the_benchmark_that_was_given_last(
    dataset: Path, distinct: list[Case], tmp_path: Path
) -> None:
    bench = planted_bench(tmp_path / "bench", distinct)
    refine(dataset, tmp_path / "one", bench=str(bench), mark=True, exact=True)
    case = next(case for case in distinct if (case.task, case.id) == ("hoi", 7))
    other = write_bench(tmp_path / "other", [replace(case, id=9)])
    refine(tmp_path / "one", tmp_path / "two", bench=str(other), mark=True, exact=True)
    refine(tmp_path / "one", tmp_path / "none", bench=str(other), exact=True)
    refine(tmp_path / "one", tmp_path / "kept", where="id <> 'hoi/5'")
    marks = {
        name: [row["overlap"] for row in rows(tmp_path / name, "index") if row["overlap"]]
        for name in ("two", "none", "kept")
    }
    assert marks == {
        "two": ["same output as hoi/9"], "none": [], "kept": ["same inputs as de_re/2"],
    }  # fmt: skip


def test_a_refinement_that_another_run_finishes_as_it_begins_ends_as_a_finished_one(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    held = Workspace.held

    def late(workspace: Workspace, **options: bool) -> AbstractContextManager[None]:
        monkeypatch.undo()
        refine(dataset, out, sample=9)
        return held(workspace, **options)

    monkeypatch.setattr(Workspace, "held", late)
    result = refine(dataset, out, sample=9)
    assert result.resumed == result.shards > 0
    assert contents(out) == contents(refine(dataset, tmp_path / "whole", sample=9).folder)
    assert not (out / layout.WORK).exists()


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
    report = json.loads((tmp_path / "out" / layout.REPORT).read_text())
    assert report["bench"]["overlaps"]["near inputs"] == len(ids(dataset)) - len(
        ids(tmp_path / "out")
    )

    def refuse(_: object) -> bytes:
        pytest.fail("looked at again")

    for module in ("perceptual_hash", "contamination"):
        monkeypatch.setattr(f"mico_150k.refine.{module}.fingerprint_of", refuse)
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


@pytest.mark.slow
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
        held.append(sum(type(thing) is BenchCase for thing in gc.get_objects()))

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
    with pytest.raises(TooManySkipped, match="(?s)1 of 4 cases .* --tolerance 0.26"):
        refine(dataset, tmp_path / "out", bench=str(bench), exact=True)
    options = RefineOptions(bench=str(bench), exact=True)
    Refinement.prepare(dataset, tmp_path / "out", options, tolerance=0.26).run()
    assert_sound(tmp_path / "out", dataset, {"de_re/5"})
    report = json.loads((tmp_path / "out" / layout.REPORT).read_text())
    assert report["bench"]["skipped"] == {"file-missing": 1}
    assert report["bench"]["cases"] == len(rows(tmp_path / "out", "bench", "test")) == 3
    for folder in bench.iterdir():
        if folder.is_dir():
            shutil.rmtree(folder)
    with pytest.raises(TooManySkipped, match="none of the 4 cases") as raised:
        refine(dataset, tmp_path / "other", bench=str(bench), exact=True)
    assert "--tolerance" not in str(raised.value)


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
    report = json.loads((tmp_path / "out" / layout.REPORT).read_text())
    assert sum(report["validation"].values()) == 8
    with pytest.raises(UsageError, match="already has a split validation"):
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
    report = json.loads((tmp_path / "out" / layout.REPORT).read_text())
    lost = sum(reasons.get("shares-image", 0) for reasons in report["skipped"].values())
    assert lost == len(ids(dataset)) - 4 - len(ids(tmp_path / "out")) > 0


def test_row_groups_keep_their_limit_when_remains_are_packed(release: Path, tmp_path: Path) -> None:
    dataset = tmp_path / "mico-150k"
    Build.prepare(open_source(str(release)), dataset, BuildOptions()).run()
    refine(dataset, tmp_path / "out", sample=23)
    groups = pq.read_metadata(tmp_path / "out" / "bagel" / layout.shard_name(0))
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
    assert not (tmp_path / "out" / layout.MANIFEST).exists()
    result = refine(dataset, tmp_path / "out", **EVERYTHING)
    assert result.resumed >= shards
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert refine(dataset, tmp_path / "out", **EVERYTHING).resumed == result.shards


def test_codes_that_come_meanwhile_stop_no_refinement_and_what_it_reads_does(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refine(dataset, tmp_path / "whole", **EVERYTHING)
    copy = Path(shutil.copytree(dataset, tmp_path / "mico-150k"))
    interrupt_after(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt):
        refine(copy, tmp_path / "out", **EVERYTHING)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    add_codes(DatasetFolder(copy))
    result = refine(copy, tmp_path / "out", **EVERYTHING)
    assert 1 <= result.resumed < result.shards
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    add_codes(DatasetFolder(copy), first=7)
    assert refine(copy, tmp_path / "out", **EVERYTHING).resumed == result.shards
    manifest = json.loads((copy / layout.MANIFEST).read_text())
    next(iter(manifest["configs"]["bagel"].values()))["sha256"] = "0" * 64
    (copy / layout.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(OutputRefused, match="what differs is the dataset that it is derived from"):
        refine(copy, tmp_path / "out", **EVERYTHING)


KILLED = """
import sys
from pathlib import Path
from mico_150k.io.machine import cores
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
    one = tmp_path / "copied" / "bagel" / layout.shard_name(5)
    assert not one.samefile(dataset / "bagel" / one.name)


def test_the_dataset_itself_is_never_written(dataset: Path, tmp_path: Path) -> None:
    before = contents(dataset)
    with pytest.raises(OutputRefused, match="is the dataset itself"):
        refine(dataset, dataset, sample=5)
    with pytest.raises(OutputRefused, match="is inside"):
        refine(dataset, dataset / "below" / "out", sample=5)
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
    shard = copy / "default" / layout.shard_name(0)
    data = bytearray(shard.read_bytes())
    cell = rows(dataset, "default")[1]["output_image"]["bytes"]  # type: ignore[index]
    data[data.index(cell) + len(cell) // 2] ^= 1
    shard.write_bytes(data)
    with pytest.raises(BrokenFile, match="an image differs from the one in the index"):
        refine(copy, tmp_path / "out", remove=remove_list(tmp_path, str(row["id"])))
    (copy / "bagel" / layout.shard_name(3)).unlink()
    with pytest.raises(BrokenFile, match=r"bagel/train-00003\.parquet cannot be read"):
        refine(copy, tmp_path / "other", where="shard <> 0")


def test_a_disk_that_is_too_small_is_refused(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "mico_150k.io.machine.shutil.disk_usage", lambda path: type("Usage", (), {"free": 1000})
    )
    with pytest.raises(DiskTooSmall, match="will be written, besides hard links"):
        refine(dataset, tmp_path / "out", validation=6, max_loss=0.5)


def test_what_makes_no_sense_is_refused(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--mark and --exact"):
        RefineOptions(mark=True)
    with pytest.raises(UsageError, match="--max-loss needs"):
        RefineOptions(max_loss=0.5)
    with pytest.raises(BadSelection):
        refine(dataset, tmp_path / "out", where="num_inputs > 100")
    with pytest.raises(UsageError, match="leaves none to train on"):
        refine(dataset, tmp_path / "out", validation=48)
    every = remove_list(tmp_path, *ids(dataset))
    with pytest.raises(UsageError, match="would be left to train on"):
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
        ("{dataset} --out {out}", (2, "needs a change")),
        ("{dataset} --sample 5 --out s3://x/y", (2, "a local folder")),
        ("{release} --sample 5 --out {out}", (1, "is a source and not a dataset")),
        ("user/name --sample 5 --out {out}", (2, "hf download --repo-type dataset user/name")),
        ("{dataset} --sample 5 --out {dataset}", (2, "is the dataset itself")),
        (
            "{dataset} --validation 20 --max-loss 0.001 --benchmark {out} --out {out}",
            (1, "no such"),
        ),
    ],
)
def test_the_command_says_what_it_did_or_why_not(
    dataset: Path, release: Path, tmp_path: Path, arguments: str, ends: tuple[int, str]
) -> None:
    listed = remove_list(tmp_path, "hoi/3")
    words = arguments.format(dataset=dataset, release=release, list=listed, out=tmp_path / "out")
    done = subprocess.run(
        [sys.executable, "-m", "mico_150k", "refine", *words.split()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == ends[0], done.stderr
    assert ends[1] in done.stderr


def test_the_seconds_that_are_said_are_those_of_the_command(
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepare = Refinement.prepare

    def slowly(*given: Any, **named: Any) -> Refinement:
        time.sleep(0.5)
        return prepare(*given, **named)

    monkeypatch.setattr(Refinement, "prepare", slowly)
    made = refine_dataset(dataset, tmp_path / "out", where="num_inputs = 2")
    assert made.seconds > 0.5
