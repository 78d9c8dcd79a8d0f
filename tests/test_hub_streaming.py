"""A build that pushes as it goes: the same state as a push at the end, on a smaller disk."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from datasets import load_dataset

from mico_150k import names
from mico_150k.build import Build, BuildOptions
from mico_150k.card_file import write_card
from mico_150k.dataset_folder import DatasetFolder
from mico_150k.errors import DiskTooSmall, NotSent, PushRefused
from mico_150k.hub.patience import Patience
from mico_150k.hub.push import Push, PushOptions
from mico_150k.hub.repository import Repository
from mico_150k.hub.streaming import StreamingPush
from mico_150k.records import ShardRecord
from mico_150k.sources import open_source

from .factories import Case, write_release
from .hub import Hub
from .hub.folders import LICENCE, build, local

pytest.importorskip("huggingface_hub", minversion="2.0", reason="push needs it")

pytestmark = pytest.mark.usefixtures("hub")

NAME = "user/mico-150k"
QUICK = Patience(tries=3, first=0.01, longest=0.02)
OPTIONS = BuildOptions(configs=("default", "bagel"), shard_bytes=200_000)


@pytest.fixture(scope="session")
def whole(samples: list[Case], tmp_path_factory: pytest.TempPathFactory) -> DatasetFolder:
    """The same, built without pushing; its release is beside it."""
    return build(samples, tmp_path_factory.mktemp("whole"))


def stream(whole: DatasetFolder, out: Path, *, keep: bool = False) -> None:
    """Build with every shard going to the Hub, then push what is left."""
    planned = Build.prepare(open_source(str(whole.path.parent / "release")), out, OPTIONS)
    repository = Repository(NAME, QUICK)
    planned.run(outlet=StreamingPush.begin(repository, out, keep=keep, private=False))
    folder = DatasetFolder(out)
    write_card(folder, LICENCE)
    Push.prepare(folder, repository, PushOptions()).run()


def remote(hub: Hub) -> dict[str, str]:
    tree = hub.repositories[NAME].tree("main")
    return {path: entry.sha256 for path, entry in tree.items() if path.endswith(".parquet")}


def shards_here(out: Path) -> list[str]:
    return [path.parent.name for path in out.glob("*/*.parquet")]


def test_the_hub_ends_with_the_bytes_of_a_whole_build_and_nothing_large_stays(
    hub: Hub, whole: DatasetFolder, tmp_path: Path
) -> None:
    stream(whole, tmp_path / "out")
    assert remote(hub) == local(whole)
    assert shards_here(tmp_path / "out") == [names.INDEX]
    rows = load_dataset(NAME, "bagel", split="train")
    assert len(rows) == 24


def test_keep_all_leaves_the_folder_whole(hub: Hub, whole: DatasetFolder, tmp_path: Path) -> None:
    stream(whole, tmp_path / "out", keep=True)
    assert remote(hub) == local(whole)
    assert local(DatasetFolder(tmp_path / "out")) == local(whole)
    assert len(shards_here(tmp_path / "out")) == len(local(whole))


def test_no_more_than_a_few_shards_are_here_at_once(
    whole: DatasetFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, most = StreamingPush.take, 0

    def counting(self: StreamingPush, record: ShardRecord) -> None:
        nonlocal most
        most = max(most, shards_here(tmp_path / "out").count("bagel"))
        take(self, record)

    monkeypatch.setattr(StreamingPush, "take", counting)
    stream(whole, tmp_path / "out")
    assert 1 <= most <= 3 < len(whole.files("bagel"))


@pytest.mark.parametrize("stop_at", [0, 1, 3])
def test_stopped_it_goes_on_with_what_the_hub_holds(
    hub: Hub, whole: DatasetFolder, tmp_path: Path, stop_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, sent = Repository.upload, list[str]()

    def stop(self: Repository, folder: Path, paths: list[str], *more: str) -> str:
        if len(sent) == stop_at * 2:
            raise KeyboardInterrupt
        sent.extend(paths)
        return upload(self, folder, paths, *more)

    with monkeypatch.context() as patch:
        patch.setattr(Repository, "upload", stop)
        with pytest.raises(KeyboardInterrupt):
            stream(whole, tmp_path / "out")
    assert names.CARD not in hub.repositories[NAME].tree("main")
    again = list[str]()

    def count(self: Repository, folder: Path, paths: list[str], *more: str) -> str:
        again.extend(paths)
        return upload(self, folder, paths, *more)

    monkeypatch.setattr(Repository, "upload", count)
    stream(whole, tmp_path / "out")
    assert remote(hub) == local(whole)
    assert not set(sent) & set(again)


def test_a_shard_that_is_neither_here_nor_there_is_built_again(
    hub: Hub, whole: DatasetFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[ShardRecord] = []

    def take_one(_: StreamingPush, record: ShardRecord) -> None:
        if taken:
            raise KeyboardInterrupt
        taken.append(record)

    with monkeypatch.context() as patch:
        patch.setattr(StreamingPush, "take", take_one)
        with pytest.raises(KeyboardInterrupt):
            stream(whole, tmp_path / "out")
    for path in (tmp_path / "out").glob("*/*.parquet"):
        path.unlink()
    stream(whole, tmp_path / "out")
    assert remote(hub) == local(whole)


def test_a_repository_that_is_published_is_refused(whole: DatasetFolder, tmp_path: Path) -> None:
    Push.prepare(whole, Repository(NAME, QUICK), PushOptions()).run()
    with pytest.raises(PushRefused, match="published already"):
        stream(whole, tmp_path / "out")


def test_a_hub_that_is_down_stops_the_build_which_goes_on_later(
    hub: Hub, whole: DatasetFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> str:
        raise TimeoutError

    with monkeypatch.context() as patch:
        patch.setattr(Repository, "upload", down)
        with pytest.raises(NotSent):
            stream(whole, tmp_path / "out")
    stream(whole, tmp_path / "out")
    assert remote(hub) == local(whole)


def test_a_disk_smaller_than_the_data_is_enough_and_one_too_small_is_refused(
    samples: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_release(tmp_path / "release", samples)
    options = BuildOptions(configs=("default", "bagel"), shard_bytes=20_000)
    out = tmp_path / "out"
    planned = Build.prepare(open_source(str(source)), out, options)
    assert planned.plan.shards > 12

    def begin() -> StreamingPush:
        return StreamingPush.begin(Repository(NAME, QUICK), out, keep=False, private=False)

    def with_free(size: float) -> None:
        usage = SimpleNamespace(free=size)
        monkeypatch.setattr("mico_150k.forecast.shutil.disk_usage", lambda _: usage)

    with_free(1000)
    with pytest.raises(DiskTooSmall):
        planned.run(outlet=begin())
    with_free(planned.forecast.output / 3)
    with pytest.raises(DiskTooSmall):
        planned.run()
    planned.run(outlet=begin())
