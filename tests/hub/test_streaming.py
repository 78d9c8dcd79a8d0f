"""A build that pushes as it goes: the same state as a push at the end, on a smaller disk."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from datasets import load_dataset

from mico_150k.build.build import Build, BuildOptions
from mico_150k.card.file import write_card
from mico_150k.card.text import CardText
from mico_150k.core.errors import DiskTooSmall, NotSent, PushRefused
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.dataset.records import ShardRecord
from mico_150k.hub.placeholder import is_placeholder
from mico_150k.hub.push import Push, PushOptions
from mico_150k.hub.repository import Repository
from mico_150k.hub.retry import RetryPolicy
from mico_150k.hub.streaming import HubTarget, StreamingPush
from mico_150k.sources import open_source

from ..factories import Case, write_release
from . import Hub
from .folders import LICENCE, build, local
from .repository import Entry
from .repository import Repository as HubRepository

pytest.importorskip("huggingface_hub", minversion="2.0", reason="push needs it")

pytestmark = pytest.mark.usefixtures("hub")

NAME = "user/mico-150k"
QUICK = RetryPolicy(tries=3, first=0.01, longest=0.02)
OPTIONS = BuildOptions(configs=("default", "bagel"), shard_bytes=200_000)


@pytest.fixture(scope="session")
def whole(samples: list[Case], tmp_path_factory: pytest.TempPathFactory) -> DatasetFolder:
    """The same, built without pushing; its release is beside it."""
    return build(samples, tmp_path_factory.mktemp("whole"))


def begin(out: Path, *, private: bool = False, workers: int = 1) -> StreamingPush:
    target = HubTarget.look(Repository(NAME, QUICK), private=private)
    target.refuse_published()
    sink = StreamingPush(target, out, workers=workers)
    sink.begin()
    return sink


def stream(whole: DatasetFolder, out: Path) -> None:
    """Build with every shard going to the Hub, then push what is left."""
    planned = Build.prepare(open_source(str(whole.path.parent / "release")), out, OPTIONS)
    repository = Repository(NAME, QUICK)
    planned.run(sink=begin(out))
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
    assert shards_here(tmp_path / "out") == [layout.INDEX]
    rows = load_dataset(NAME, "bagel", split="train")
    assert len(rows) == 24


def used(out: Path) -> int:
    """Bytes of shards that are here."""
    return sum(path.stat().st_size for path in out.glob("*/*.parquet"))


def watch(out: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes that are here each time that a shard is taken: filled in later."""
    take, seen = StreamingPush.take, list[int]()

    def looking(self: StreamingPush, record: ShardRecord) -> None:
        seen.append(used(out))
        take(self, record)

    monkeypatch.setattr(StreamingPush, "take", looking)
    return seen


def test_shards_wait_and_go_together_where_there_is_room(
    hub: Hub, whole: DatasetFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mico_150k.hub.streaming.BATCH_FILES", 6)
    stream(whole, tmp_path / "out")
    shards = len(whole.files("bagel"))
    # Two files a shard, and what the push itself sends at the end.
    assert hub.repositories[NAME].history().count("Add shards") == -(-shards // 3) + 1
    assert len(hub.asked("GET .*/tree/.*recursive=true")) < shards
    assert remote(hub) == local(whole)


def test_they_are_sent_at_once_where_room_is_short(
    hub: Hub, whole: DatasetFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    options = replace(OPTIONS, shard_bytes=20_000)
    source = open_source(str(whole.path.parent / "release"))
    Build.prepare(source, tmp_path / "all", options).run()
    every = DatasetFolder(tmp_path / "all")
    shards = (
        sum((every.path / config / file.name).stat().st_size for config in options.configs)
        for file in every.files("bagel")
    )
    disk = 4 * max(shards)
    assert disk < used(every.path) / 2
    monkeypatch.setattr(
        "mico_150k.io.machine.shutil.disk_usage",
        lambda _: type("Usage", (), {"free": disk - used(out)}),
    )
    seen = watch(out, monkeypatch)
    Build.prepare(source, out, options).run(sink=begin(out))
    assert 0 < max(seen) <= disk
    assert remote(hub) == local(every, *options.configs)


def test_shards_that_are_finished_and_not_sent_are_sent_by_the_next_run_and_not_built_again(
    hub: Hub, whole: DatasetFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    take = StreamingPush.take

    def stop(self: StreamingPush, record: ShardRecord) -> None:
        if record.number == 3:
            raise KeyboardInterrupt
        take(self, record)

    with monkeypatch.context() as patch:
        patch.setattr(StreamingPush, "take", stop)
        with pytest.raises(KeyboardInterrupt):
            stream(whole, out)
    finished = {path: path.stat().st_ino for path in out.glob("*/*.parquet")}
    assert len(finished) >= 2
    assert not remote(hub)
    upload, sent = Repository.upload, dict[Path, int]()

    def look(self: Repository, folder: Path, paths: list[str], *more: str) -> str:
        sent.update({folder / path: (folder / path).stat().st_ino for path in paths})
        return upload(self, folder, paths, *more)

    monkeypatch.setattr(Repository, "upload", look)
    stream(whole, out)
    assert remote(hub) == local(whole)
    assert {path: sent[path] for path in finished} == finished


def test_a_private_build_is_refused_where_the_repository_is_public_or_holds_a_script(
    hub: Hub, tmp_path: Path
) -> None:
    hub.repositories[NAME] = HubRepository(NAME)
    with pytest.raises(PushRefused, match="is public"):
        begin(tmp_path, private=True)
    hub.repositories[NAME].commit("main", {"mico-150k.py": Entry(1, content=b"x")}, "old loader")
    with pytest.raises(PushRefused, match="a script named like the repository"):
        begin(tmp_path)
    assert hub.repositories[NAME].history() == ["old loader"]
    del hub.repositories[NAME]
    begin(tmp_path, private=True)
    assert hub.repositories[NAME].private


def test_readers_are_stopped_until_the_card_comes(
    hub: Hub, whole: DatasetFolder, tmp_path: Path
) -> None:
    stream(whole, tmp_path / "out")
    for commit in hub.repositories[NAME].refs["main"][2:-1]:
        for config in (None, "bagel"):
            with pytest.raises(FileNotFoundError, match="not-whole-yet"):
                load_dataset(NAME, config, revision=commit.oid, streaming=True)


@pytest.mark.parametrize("stop_at", [0, 1, 3])
def test_stopped_it_goes_on_with_what_the_hub_holds(
    hub: Hub, whole: DatasetFolder, tmp_path: Path, stop_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, sent = Repository.upload, list[str]()

    monkeypatch.setattr("mico_150k.hub.streaming.BATCH_FILES", 2)

    def stop(self: Repository, folder: Path, paths: list[str], *more: str) -> str:
        if len(sent) == stop_at * 2:
            raise KeyboardInterrupt
        sent.extend(paths)
        return upload(self, folder, paths, *more)

    with monkeypatch.context() as patch:
        patch.setattr(Repository, "upload", stop)
        with pytest.raises(KeyboardInterrupt):
            stream(whole, tmp_path / "out")
    card = CardText(hub.content(hub.repositories[NAME].tree("main")[layout.CARD]).decode())
    assert is_placeholder(card)
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
    with pytest.raises(PushRefused, match="already published"):
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

    def with_free(size: float) -> None:
        usage = SimpleNamespace(free=size)
        monkeypatch.setattr("mico_150k.io.machine.shutil.disk_usage", lambda _: usage)

    with_free(1000)
    with pytest.raises(DiskTooSmall):
        planned.run(sink=begin(out))
    with_free(planned.forecast.output / 3)
    with pytest.raises(DiskTooSmall):
        planned.run()
    planned.run(sink=begin(out))
