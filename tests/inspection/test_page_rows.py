"""Which rows a page shows, and from how few places."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate, chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mico_150k.build.build import Build, BuildOptions
from mico_150k.core.errors import BadSelection, UnknownConfig
from mico_150k.dataset import layout, row_group
from mico_150k.dataset.reader import Dataset, open_dataset
from mico_150k.inspection.page_rows import Choice, Chosen, rows_to_show
from mico_150k.sources import open_source

from ..factories import cases, write_release
from ..refine.refining import refine
from ..web import Web, serve


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """160 rows in eight row groups, without the configuration `sample`."""
    at = tmp_path_factory.mktemp("many")
    release = write_release(at / "release", cases(40))
    options = BuildOptions(configs=(layout.DEFAULT, "bagel"))
    Build.prepare(open_source(str(release)), at / "made", options).run()
    return at / "made"


@pytest.fixture
def many(folder: Path) -> Dataset:
    return open_dataset(folder)


@pytest.fixture
def web(folder: Path) -> Iterator[Web]:
    with serve(folder) as found:
        yield found


def choose(dataset: Dataset, choice: Choice) -> Chosen:
    """The rows to show, all of one split."""
    (chosen,) = rows_to_show(dataset, dataset.indexes(), choice)
    return chosen


def tasks_of(rows: pa.Table) -> Counter[str]:
    return Counter(rows["task"].to_pylist())


def test_each_task_has_its_share(many: Dataset) -> None:
    index = many.index()
    chosen = choose(many, Choice(20))
    assert chosen.config == layout.DEFAULT
    assert chosen.fitting == 160
    assert tasks_of(chosen.rows) == dict.fromkeys(tasks_of(index), 5)
    places = list(
        zip(chosen.rows["shard"].to_pylist(), chosen.rows["row"].to_pylist(), strict=True)
    )
    assert places == sorted(set(places))


def test_rows_come_from_few_row_groups(many: Dataset) -> None:
    chosen = choose(many, Choice(20))
    read = list(many.read(layout.DEFAULT, chosen.rows))
    assert sum(part.rows.num_rows for part in read) == 20
    assert len(heights_of(many)) > 3
    assert len(groups_of(many, chosen.rows)) <= 3


def test_rows_come_from_few_row_groups_of_any_height(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_group, "MAX_BYTES", 700_000)
    options = BuildOptions(configs=(layout.DEFAULT,))
    Build.prepare(open_source(str(folder.parent / "release")), tmp_path / "made", options).run()
    made = open_dataset(tmp_path / "made")
    assert len(set(heights_of(made))) > 2
    for seed in range(4):
        chosen = choose(made, Choice(40, seed=seed))
        assert set(tasks_of(chosen.rows).values()) == {10}
        assert len(groups_of(made, chosen.rows)) <= 5


def heights_of(dataset: Dataset) -> list[int]:
    """The rows of each row group; there is one shard."""
    (shard,) = dataset.files(layout.DEFAULT)
    metadata = pq.read_metadata(dataset.storage.path(shard))
    return [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]


def groups_of(dataset: Dataset, rows: pa.Table) -> set[int]:
    """The row groups that rows lie in."""
    ends = list(accumulate(heights_of(dataset)))
    return {bisect_right(ends, row) for row in rows["row"].to_pylist()}


def test_a_page_of_a_dataset_behind_a_url_fetches_a_part_of_it(web: Web, folder: Path) -> None:
    far = open_dataset(web.address)
    chosen = choose(far, Choice(8))
    assert sum(map(len, far.samples(chosen.rows, config=chosen.config))) == 8
    size = (folder / layout.DEFAULT / layout.shard_name(0)).stat().st_size
    assert web.sent["default/train-00000.parquet"] < 0.4 * size
    assert set(web.sent) == {
        "manifest.json",
        "index/train-00000.parquet",
        "default/train-00000.parquet",
    }


def test_the_seed_decides_and_nothing_else_does(many: Dataset) -> None:
    ids = [choose(many, Choice(12, seed=seed)).rows["id"].to_pylist() for seed in (0, 0, 1)]
    assert ids[0] == ids[1] != ids[2]


def test_where_decides_which_rows_may_be_shown(many: Dataset) -> None:
    chosen = choose(many, Choice(60, where="task = 'hoi' and num_inputs = 3"))
    assert 0 < chosen.fitting < 40
    assert chosen.rows.num_rows == chosen.fitting
    assert set(chosen.rows["num_inputs"].to_pylist()) == {3}
    with pytest.raises(BadSelection, match="none of 160 rows"):
        choose(many, Choice(60, where="num_inputs = 99"))


def test_a_small_task_leaves_its_share_to_others(many: Dataset) -> None:
    few = "task = 'hoi' or source_id in ('0', '1')"
    assert tasks_of(choose(many, Choice(20, where=few)).rows) == {
        "hoi": 14, "object_centric": 2, "human_centric": 2, "de_re": 2,
    }  # fmt: skip


def test_the_sample_is_read_where_there_is_one(dataset: Path) -> None:
    opened = open_dataset(dataset)
    chosen = choose(opened, Choice(8))
    assert chosen.config == layout.SAMPLE
    read = [one for group in opened.samples(chosen.rows, config=layout.SAMPLE) for one in group]
    assert [one.id for one in read] == chosen.rows["id"].to_pylist()
    assert all(image.width for one in read for image in one.images)


def test_every_split_has_its_share_of_its_own_files(folder: Path, tmp_path: Path) -> None:
    refine(folder, tmp_path / "split", validation=8, max_loss=1.0)
    split = open_dataset(tmp_path / "split")
    parts = rows_to_show(split, split.indexes(), Choice(20))
    assert [(part.split, part.rows.num_rows) for part in parts] == [
        ("train", 12),
        ("validation", 8),
    ]
    for part in parts:
        read = list(chain.from_iterable(split.samples(part.rows, part.split, part.config)))
        assert [one.id for one in read] == part.rows["id"].to_pylist()
    (part,) = rows_to_show(split, split.indexes(), Choice(1))
    assert part.split == "train"


def test_without_images_that_is_said(folder: Path) -> None:
    opened = open_dataset(folder)
    bare = Dataset(opened.storage, {**opened.manifest, "configs": {
        layout.INDEX: opened.manifest["configs"][layout.INDEX]
    }})  # fmt: skip
    with pytest.raises(UnknownConfig, match="no configuration 'default'"):
        choose(bare, Choice(8))
