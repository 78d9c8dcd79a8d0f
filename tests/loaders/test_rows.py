"""`load_dataset`, in its three ways, on whichever `datasets` is installed; CI runs it on three.

The folder, the registered builder, and the builder class by itself; the loading script where
`datasets` still runs such scripts.
"""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest
from datasets import load_dataset
from datasets.distributed import split_dataset_by_node
from mico_150k.builders import BUILDERS

import mico_150k
from mico_150k.build.build import Build, BuildOptions
from mico_150k.core.errors import MicoError
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder, read_rows
from mico_150k.loaders.huggingface import Mico150k
from mico_150k.sources import open_source

from ..factories import Case, cases, encode, picture, write_release

CONFIGS = [*BUILDERS, layout.SAMPLE, layout.INDEX]
RUNS_SCRIPTS = int(datasets.__version__.split(".")[0]) < 4
SCRIPT = Path(__file__).parent.parent.parent / "builders" / "mico_150k.py"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of another test comes from a cache."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def registered() -> Iterator[None]:
    """The builder in the table of `datasets`, for one test."""
    from datasets import packaged_modules

    before = dict(packaged_modules._PACKAGED_DATASETS_MODULES)
    mico_150k.register()
    yield
    packaged_modules._PACKAGED_DATASETS_MODULES.clear()
    packaged_modules._PACKAGED_DATASETS_MODULES.update(before)


def undecoded(rows: Any) -> Any:
    """The same rows with images as they are stored."""
    raw = datasets.Image(decode=False)
    list_of = getattr(datasets, "List", datasets.Sequence)
    for name, feature in rows.features.items():
        if isinstance(feature, datasets.Image):
            rows = rows.cast_column(name, raw)
            continue
        # `datasets` 3.6 reads a card's list of images as a Python list of one feature.
        inner = feature[0] if isinstance(feature, list) else getattr(feature, "feature", None)
        if isinstance(inner, datasets.Image):
            rows = rows.cast_column(name, list_of(raw))
    return rows


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose images are bytes, so that rows of every way can be compared."""

    def of(value: Any) -> Any:
        if isinstance(value, dict) and "bytes" in value:
            return value["bytes"]
        return [of(item) for item in value] if isinstance(value, list) else value

    return {name: of(value) for name, value in row.items()}


def stored(folder: Path, config: str) -> list[dict[str, Any]]:
    return [plain(row) for path in DatasetFolder(folder).files(config) for row in read_rows(path)]


def by_words(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: row.get("instruction", row.get("prompt")))


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("config", CONFIGS)
def test_the_folder_gives_every_row_byte_for_byte(
    dataset: Path, config: str, streaming: bool
) -> None:
    rows = load_dataset(str(dataset), config, split="train", streaming=streaming)
    assert [plain(row) for row in undecoded(rows)] == stored(dataset, config)


@pytest.mark.parametrize("config", BUILDERS)
def test_images_come_decoded(dataset: Path, config: str) -> None:
    row = next(iter(load_dataset(str(dataset), config, split="train", streaming=True)))
    sizes = [
        image.size
        for value in row.values()
        for image in (value if isinstance(value, list) else [value])
        if hasattr(image, "size")
    ]
    widths = stored(dataset, "default")[0]["widths"]
    assert [size[0] for size in sizes] == widths


def test_the_bare_name_finds_the_folder_in_the_working_directory(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(dataset.parent)
    assert load_dataset("mico-150k", "bagel", split="train").num_rows == 24


def test_without_a_configuration_it_is_default(dataset: Path) -> None:
    assert "task" in load_dataset(str(dataset), split="train").features


def test_a_wrong_configuration_is_refused_with_those_there_are(dataset: Path) -> None:
    with pytest.raises(ValueError, match="bagel"):
        load_dataset(str(dataset), "flux")


def test_splits_can_be_sliced(dataset: Path) -> None:
    rows = load_dataset(str(dataset), "omnigen2", split="train[5:9]")
    expected = [row["instruction"] for row in stored(dataset, "omnigen2")[5:9]]
    assert rows["instruction"][:] == expected


@pytest.fixture
def sharded(release: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "sharded" / "mico-150k"
    Build.prepare(open_source(str(release)), folder, BuildOptions(shard_bytes=200_000)).run()
    assert len(DatasetFolder(folder).files("bagel")) >= 4
    return folder


def test_several_processes_load_it(sharded: Path) -> None:
    rows = load_dataset(str(sharded), "dimoo", split="train", num_proc=2)
    assert [plain(row) for row in undecoded(rows)] == stored(sharded, "dimoo")


def test_nodes_share_it_and_lose_nothing(sharded: Path) -> None:
    rows = load_dataset(str(sharded), "index", split="train", streaming=True)
    parts = [split_dataset_by_node(rows, rank=rank, world_size=2) for rank in range(2)]
    ids = [row["id"] for part in parts for row in part]
    assert sorted(ids) == sorted(row["id"] for row in stored(sharded, "index"))


def test_a_stream_goes_on_where_its_state_was_taken(sharded: Path) -> None:
    rows = load_dataset(str(sharded), "bagel", split="train", streaming=True)
    seen = []
    for row in rows:
        seen.append(row["instruction"])
        if len(seen) == 9:
            state = rows.state_dict()
            break
    again = load_dataset(str(sharded), "bagel", split="train", streaming=True)
    again.load_state_dict(state)
    seen += [row["instruction"] for row in again]
    assert seen == [row["instruction"] for row in stored(sharded, "bagel")]


@pytest.mark.usefixtures("registered")
class TestRegistered:
    """`register()`, then `load_dataset("mico-150k", …, data_dir=…)`."""

    @pytest.mark.parametrize("streaming", [False, True])
    @pytest.mark.parametrize("config", BUILDERS)
    def test_a_source_gives_what_a_build_writes(
        self, release: Path, dataset: Path, config: str, streaming: bool
    ) -> None:
        rows = load_dataset(
            "mico-150k", config, data_dir=str(release), split="train", streaming=streaming
        )
        found = by_words([plain(row) for row in undecoded(rows)])
        assert found == by_words(stored(dataset, config))

    def test_a_changed_source_gives_no_stale_rows(
        self, samples: list[Case], tmp_path: Path
    ) -> None:
        source = write_release(tmp_path / "r", samples)
        load = {"data_dir": str(source), "split": "train"}
        assert load_dataset("mico-150k", "bagel", **load).num_rows == 24
        for path in source.rglob("*.parquet"):
            path.unlink()
        write_release(source, samples[:20])
        assert load_dataset("mico-150k", "bagel", **load).num_rows == 20

    def test_several_processes_generate_it(self, release: Path, dataset: Path) -> None:
        rows = load_dataset(
            "mico-150k", "blip3o", data_dir=str(release), split="train",
            num_proc=2, shard_bytes=300_000,
        )  # fmt: skip
        found = by_words([plain(row) for row in undecoded(rows)])
        assert found == by_words(stored(dataset, "blip3o"))

    def test_nodes_share_a_source(self, release: Path) -> None:
        rows = load_dataset(
            "mico-150k", "default", data_dir=str(release), split="train",
            streaming=True, shard_bytes=300_000,
        )  # fmt: skip
        parts = [split_dataset_by_node(rows, rank=rank, world_size=2) for rank in range(2)]
        ids = [row["id"] for part in parts for row in part]
        assert len(ids) == len(set(ids)) == 24

    def test_a_stream_of_a_source_goes_on_where_its_state_was_taken(self, release: Path) -> None:
        load = {"data_dir": str(release), "split": "train", "streaming": True}
        rows = load_dataset("mico-150k", "omnigen2", **load)
        seen = []
        for row in rows:
            seen.append(row["instruction"])
            if len(seen) == 7:
                state = rows.state_dict()
                break
        again = load_dataset("mico-150k", "omnigen2", **load)
        again.load_state_dict(state)
        seen += [row["instruction"] for row in again]
        assert seen == [row["instruction"] for row in load_dataset("mico-150k", "omnigen2", **load)]

    @pytest.mark.parametrize("config", CONFIGS)
    @pytest.mark.parametrize("given", ["folder", "nothing"])
    def test_given_a_dataset_folder_or_nothing_it_gives_that_folders_rows(
        self, dataset: Path, config: str, given: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(dataset.parent)
        where = {"data_dir": str(dataset)} if given == "folder" else {}
        rows = load_dataset("mico-150k", config, split="train", **where)
        assert [plain(row) for row in undecoded(rows)] == stored(dataset, config)

    def test_a_folder_that_was_built_again_gives_its_new_rows(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for count in (3, 2):
            source = write_release(tmp_path / str(count), cases(count))
            planned = Build.prepare(open_source(str(source)), Path("mico-150k"), BuildOptions())
            planned.run(overwrite=True)
            assert load_dataset("mico-150k", "dimoo", split="train").num_rows == 4 * count

    def test_a_part_of_a_folder_is_enough(self, dataset: Path, tmp_path: Path) -> None:
        shutil.copytree(dataset / "bagel", tmp_path / "part" / "bagel")
        rows = load_dataset("mico-150k", "bagel", data_dir=str(tmp_path / "part"), split="train")
        assert rows.num_rows == 24

    def test_what_is_no_source_is_a_clear_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "x").mkdir()
        (tmp_path / "x" / "notes.txt").write_text("nothing here")
        with pytest.raises(MicoError, match="no .parquet, .json or .jsonl"):
            load_dataset("mico-150k", "bagel", data_dir=str(tmp_path / "x"))
        monkeypatch.chdir(tmp_path / "x")
        with pytest.raises(MicoError, match="data_dir=SOURCE"):
            load_dataset("mico-150k", "bagel")

    def test_a_wrong_configuration_is_refused(self, release: Path) -> None:
        with pytest.raises(ValueError, match="bagel"):
            load_dataset("mico-150k", "flux", data_dir=str(release))

    def test_rows_that_are_left_out_are_said(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        samples = [case for case in cases(5) if case.task == "hoi"]
        odd = Case("hoi", 99, "x", (encode(picture(1)),), b"no image")
        source = write_release(tmp_path / "r", [*samples, odd])
        load = {"data_dir": str(source), "split": "train"}
        rows = load_dataset("mico-150k", "bagel", tolerance=0.5, **load)
        assert rows.num_rows == 5
        assert "skipped 1 rows: {'unknown-format': 1}" in caplog.text
        with pytest.raises(Exception, match="--tolerance|error occurred"):
            load_dataset("mico-150k", "bagel", **load)

    def test_options_of_a_source_can_be_given(self, samples: list[Case], tmp_path: Path) -> None:
        hoi = [case for case in samples if case.task == "hoi"]
        source = write_release(tmp_path / "r", hoi)
        (source / "HumanObjectInteraction").rename(source / "stuff")
        rows = load_dataset(
            "mico-150k", "default", data_dir=str(source), split="train", task_map="stuff=de_re"
        )
        assert set(rows["task"][:]) == {"de_re"}
        shutil.copytree(source / "stuff", source / "a b")
        rows = load_dataset(
            "mico-150k", "default", data_dir=str(source), split="train",
            task_map="stuff=hoi", exclude="'a b' 'a b/*'",
        )  # fmt: skip
        assert set(rows["task"][:]) == {"hoi"}
        with pytest.raises(MicoError, match="'x' is not one of header, structure, decode"):
            load_dataset("mico-150k", "default", data_dir=str(source), verify="x")

    def test_the_tolerance_is_of_the_rows_that_are_read(self, tmp_path: Path) -> None:
        """Else a process that reads a broken part of a large source would yield nothing of it."""
        samples = [case for case in cases(40) if case.task == "hoi"]
        odd = [replace(case, output=b"no image") for case in samples[-4:]]
        source = write_release(tmp_path / "r", [*samples[:-4], *odd], rows_per_file=4)
        load = {"data_dir": str(source), "split": "train", "shard_bytes": 1, "tolerance": 0.2}
        assert load_dataset("mico-150k", "bagel", **load).num_rows == 36
        with pytest.raises(MicoError, match="20.00% of 4"):
            list(load_dataset("mico-150k", "bagel", streaming=True, **load))

    @pytest.mark.slow
    def test_the_seed_says_in_which_order_a_stream_comes(self, source: Path) -> None:
        def words(seed: int) -> list[str]:
            load = {"data_dir": str(source), "split": "train", "streaming": True}
            rows = load_dataset("mico-150k", "bagel", **load, shard_bytes=1, seed=seed)
            return [row["instruction"] for row in rows]

        assert words(0) == words(0)
        assert words(0) != words(1)
        assert sorted(words(0)) == sorted(words(1))


def test_importing_the_package_registers_nothing() -> None:
    from datasets import packaged_modules

    assert layout.DATASET not in packaged_modules._PACKAGED_DATASETS_MODULES


def test_the_builder_class_by_itself(release: Path, dataset: Path, tmp_path: Path) -> None:
    cache = str(tmp_path / "direct")
    builder = Mico150k(config_name="bagel", data_dir=str(release), cache_dir=cache)
    builder.download_and_prepare()
    rows = builder.as_dataset("train")
    assert by_words([plain(row) for row in undecoded(rows)]) == by_words(stored(dataset, "bagel"))
    stream = Mico150k(config_name="bagel", data_dir=str(release)).as_streaming_dataset("train")
    assert len(list(undecoded(stream))) == 24


def test_the_builder_class_by_itself_takes_a_single_file(release: Path) -> None:
    """`load_dataset` looks for a folder at `data_dir`, before any builder is asked."""
    file = release / "HumanObjectInteraction" / "part-0.parquet"
    stream = Mico150k(config_name="bagel", data_dir=str(file)).as_streaming_dataset("train")
    assert len(list(undecoded(stream))) == 6


def test_the_builder_class_by_itself_returns_no_stale_rows(
    samples: list[Case], tmp_path: Path
) -> None:
    for count in (24, 20):
        for path in (tmp_path / "r").rglob("*.parquet"):
            path.unlink()
        source = write_release(tmp_path / "r", samples[:count])
        builder = Mico150k(config_name="dimoo", data_dir=str(source), cache_dir=str(tmp_path / "c"))
        builder.download_and_prepare()
        assert builder.as_dataset("train").num_rows == count


class TestScript:
    """`builders/mico_150k.py`, which `datasets` before 4 runs and later ones refuse."""

    @pytest.mark.parametrize("streaming", [False, True])
    def test_it_gives_what_a_build_writes(
        self, release: Path, dataset: Path, streaming: bool
    ) -> None:
        load = {"data_dir": str(release), "split": "train", "streaming": streaming}
        if not RUNS_SCRIPTS:
            with pytest.raises(RuntimeError, match="no longer supported"):
                load_dataset(str(SCRIPT), "bagel", **load)
            return
        rows = load_dataset(str(SCRIPT), "bagel", trust_remote_code=True, **load)
        found = by_words([plain(row) for row in undecoded(rows)])
        assert found == by_words(stored(dataset, "bagel"))

    def test_it_is_never_in_a_dataset_folder(self, dataset: Path) -> None:
        assert not list(dataset.rglob("*.py"))
