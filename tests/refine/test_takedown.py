"""A takedown: what is named is nowhere any more, and all else stays where it is."""

import json
import shutil
from pathlib import Path

import pytest
from datasets import load_dataset
from mico_150k.builders import get_trainer

from mico_150k.card.file import write_card
from mico_150k.core.errors import UsageError
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.dataset.reader import open_dataset
from mico_150k.export.job import ExportJob, ExportOptions
from mico_150k.export.run import run_export
from mico_150k.hub.push import Push, PushOptions
from mico_150k.hub.repository import Repository
from mico_150k.images.reader import digest_of
from mico_150k.inspection.page import write_preview
from mico_150k.inspection.page_rows import Choice
from mico_150k.io.files import write_atomically
from mico_150k.loaders.huggingface import Mico150k
from mico_150k.pretokenize.dataset_images import EncodeInputs
from mico_150k.refine.options import RefineOptions
from mico_150k.refine.refinement import Refinement

from ..factories import Case
from ..hub import Hub
from ..hub.folders import LICENCE, local
from .refining import (
    IMAGE_CONFIGS,
    assert_sound,
    build_of_them,
    distinct_cases,
    ids,
    in_shard,
    planted_bench,
    refine,
    remove_list,
    rows,
)


@pytest.fixture(scope="module")
def distinct() -> list[Case]:
    return distinct_cases()


@pytest.fixture(scope="module")
def dataset(distinct: list[Case], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_of_them(distinct, tmp_path_factory.mktemp("refined"))


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
    manifest = json.loads((tmp_path / "out" / layout.MANIFEST).read_text())
    assert manifest["removed"] == sorted(["hoi/3", digest])
    assert manifest["skipped"] == {"removed": 2}
    quarantine = (tmp_path / "out" / layout.QUARANTINE).read_text().splitlines()
    assert {json.loads(line)["id"] for line in quarantine} == taken


def test_a_takedown_of_a_takedown_knows_the_first(dataset: Path, tmp_path: Path) -> None:
    refine(dataset, tmp_path / "one", remove=remove_list(tmp_path, "hoi/3"))
    refine(tmp_path / "one", tmp_path / "two", remove=remove_list(tmp_path, "hoi/3", "hoi/4"))
    refine(tmp_path / "two", tmp_path / "three", remove=remove_list(tmp_path, "hoi/5"))
    manifest = json.loads((tmp_path / "three" / layout.MANIFEST).read_text())
    assert manifest["removed"] == ["hoi/3", "hoi/4", "hoi/5"]
    assert_sound(tmp_path / "three", dataset, {"hoi/3", "hoi/4", "hoi/5"})


@pytest.fixture(scope="module")
def gap(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a takedown leaves that takes shards 0 and 3, and all but one row of 2."""
    made = tmp_path_factory.mktemp("gap")
    gone = [*in_shard(dataset, 0, 3), *in_shard(dataset, 2)[1:]]
    refine(dataset, made / "mico-150k", remove=remove_list(made, *gone))
    return made / "mico-150k"


def test_after_a_takedown_shards_have_their_numbers_and_an_empty_one_is_missing(
    dataset: Path, gap: Path, tmp_path: Path
) -> None:
    gone = set(ids(dataset)) - set(ids(gap))
    assert gone.issuperset(in_shard(dataset, 0, 3))
    assert_sound(gap, dataset, gone)
    there = {
        layout.shard_name(number)
        for number in range(len(DatasetFolder(dataset).files("bagel")))
        if number not in {0, 3}
    }
    for config in IMAGE_CONFIGS:
        assert {path.name for path in DatasetFolder(gap).files(config)} == there
    old = dataset / "bagel" / layout.shard_name(5)
    assert old.samefile(gap / "bagel" / old.name)
    assert len(rows(gap, "index")) > len(in_shard(gap, 2)) == 1
    more = in_shard(dataset, 5)[0]
    refine(gap, tmp_path / "again", remove=remove_list(tmp_path, more))
    assert_sound(tmp_path / "again", dataset, gone | {more})


def test_whatever_reads_a_dataset_reads_one_with_missing_numbers(gap: Path, tmp_path: Path) -> None:
    expected = ids(gap)
    texts = [row["instruction"] for row in rows(gap, "default")]
    for config in IMAGE_CONFIGS:
        found = load_dataset(str(gap), config, split="train", streaming=True)
        key = "prompt" if config == "dimoo" else "instruction"
        assert [row[key] for row in found] == texts
    builder = Mico150k(config_name="default", data_dir=str(gap), cache_dir=str(tmp_path / "cache"))
    builder.download_and_prepare()
    assert builder.as_dataset("train")["id"][:] == expected
    for trainer, to in (("bagel", tmp_path / "bagel"), ("dimoo", tmp_path / "dimoo")):
        job = ExportJob.prepare(open_dataset(gap), get_trainer(trainer), to, ExportOptions())
        assert run_export(job).rows == len(expected)
    assert len(EncodeInputs.of(DatasetFolder(gap)).records) == len(expected)
    page = write_preview(open_dataset(gap), tmp_path / "page.html", Choice(60))
    assert page.rows == len(expected)


def test_a_dataset_with_missing_numbers_is_pushed_in_place_of_the_whole_one(
    hub: Hub, dataset: Path, gap: Path
) -> None:
    pytest.importorskip("huggingface_hub", minversion="2.0", reason="push needs it")
    for folder in (dataset, gap):
        pushed = DatasetFolder(shutil.copytree(folder, folder.with_name("pushed")))
        write_card(pushed, LICENCE)
        Push.prepare(pushed, Repository("user/mico-150k"), PushOptions()).run()
    tree = hub.repositories["user/mico-150k"].tree("main")
    on_hub = {path: entry.sha256 for path, entry in tree.items() if path.endswith(".parquet")}
    assert on_hub == local(DatasetFolder(gap))
    assert load_dataset("user/mico-150k", "bagel", split="train").num_rows == len(ids(gap))


def test_a_folder_that_is_written_over_shows_no_picture_of_before(
    dataset: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    refine(dataset, out, remove=remove_list(tmp_path, "hoi/4"))
    for name in (layout.PLOTS, layout.COLLAGE, "mine.png"):
        write_atomically(out / layout.ASSETS / name, b"picture")
    options = RefineOptions(remove=remove_list(tmp_path, "hoi/3", "hoi/4"))
    Refinement.prepare(dataset, out, options).run(overwrite=True)
    assert [path.name for path in (out / layout.ASSETS).iterdir()] == ["mine.png"]
    card = (out / layout.CARD).read_text()
    assert layout.COLLAGE not in card
    assert "mine.png" in card


def test_lines_of_a_list_may_be_indented(dataset: Path, tmp_path: Path) -> None:
    refine(dataset, tmp_path / "out", remove=remove_list(tmp_path, "  hoi/3 ", "\t# hoi/4"))
    assert_sound(tmp_path / "out", dataset, {"hoi/3"})


@pytest.mark.parametrize("entry", ["hoi/3333", "0" * 32])
def test_a_takedown_that_names_nothing_is_an_error_and_writes_nothing(
    dataset: Path, tmp_path: Path, entry: str
) -> None:
    listed = remove_list(tmp_path, "hoi/4", entry)
    with pytest.raises(UsageError, match=f"1 entry without a matching row .* {entry}"):
        refine(dataset, tmp_path / "out", remove=listed)
    assert not (tmp_path / "out").exists()


def test_an_empty_or_missing_list_is_an_error(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no id"):
        refine(dataset, tmp_path / "out", remove=remove_list(tmp_path))
    with pytest.raises(UsageError, match="not a list of ids"):
        refine(dataset, tmp_path / "out", remove=tmp_path / "nowhere.txt")


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
    report = json.loads((tmp_path / "two" / layout.REPORT).read_text())
    assert (report["bench"]["cases"], report["bench"]["skipped"]) == (3, {"removed": 1})
    refine(tmp_path / "two", tmp_path / "three", bench=str(bench), mark=True, exact=True)
    assert {row["id"] for row in rows(tmp_path / "three", "bench", "test")} == left
    old = tmp_path / "one" / "bench" / "test-00000.parquet"
    refine(tmp_path / "one", tmp_path / "four", remove=remove_list(tmp_path, "hoi/3"))
    assert old.samefile(tmp_path / "four" / "bench" / old.name)


def test_a_takedown_reaches_the_validation_split_too(dataset: Path, tmp_path: Path) -> None:
    refine(dataset, tmp_path / "split", validation=8, max_loss=0.5)
    one = ids(tmp_path / "split", "validation")[3]
    before = {*ids(tmp_path / "split"), *ids(tmp_path / "split", "validation")}
    refine(tmp_path / "split", tmp_path / "out", remove=remove_list(tmp_path, one))
    assert len(ids(tmp_path / "out", "validation")) == 7
    assert_sound(tmp_path / "out", dataset, set(ids(dataset)) - before | {one})
