"""A build to the Hub ends with what a build and a push make, however often it is stopped."""

import errno
import hashlib
import os
import random
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mico_150k.api.build_to_hub import HubBuildResult, build_to_hub
from mico_150k.build.build import Build, BuildOptions
from mico_150k.build.executors import Executor, InProcess, shards_at_once
from mico_150k.build.processes import Processes
from mico_150k.card.file import License, write_card
from mico_150k.core.errors import DiskTooSmall, OutputRefused, PushRefused
from mico_150k.core.progress import Progress
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.hub.push import Push, PushOptions, PushProgress
from mico_150k.hub.push_forecast import PushForecast
from mico_150k.hub.repository import Repository
from mico_150k.hub.retry import RetryPolicy
from mico_150k.hub.streaming import HubTarget, StreamingPush
from mico_150k.hub.work_folder import HubWorkFolder
from mico_150k.io.cache import cache_folder
from mico_150k.sources import open_source

from ..hub import Hub

pytest.importorskip("huggingface_hub", minversion="2.0", reason="push needs it")

NAME = "user/mico-150k"
QUICK = RetryPolicy(tries=3, first=0.01, longest=0.02)
OPTIONS = BuildOptions(configs=("bagel", "default", "sample"), shard_bytes=60_000)
LICENSE = License("cc-by-nc-4.0")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of default work folders."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache_folder() / "builds"


@pytest.fixture
def expected(hub: Hub, source: Path, tmp_path: Path) -> dict[str, str]:
    """What a build into a folder and a push of it make."""
    folder = DatasetFolder(tmp_path / "folder")
    Build.prepare(open_source(str(source)), folder.path, OPTIONS).run()
    write_card(folder, LICENSE)
    Push.prepare(folder, Repository(NAME, QUICK), PushOptions()).run()
    made = tree(hub)
    del hub.repositories[NAME]
    return made


def tree(hub: Hub) -> dict[str, str]:
    """SHA-256 of every file there."""
    return {
        path: entry.sha256 or hashlib.sha256(entry.content).hexdigest()
        for path, entry in hub.repositories[NAME].tree().items()
    }


def publish(source: Path, workers: int = 1, **how: Any) -> HubBuildResult:
    options, license = how.pop("options", OPTIONS), how.pop("license", LICENSE)
    target = HubTarget.look(Repository(NAME, QUICK), private=how.pop("private", False))

    def choose(_: Build) -> Executor:
        return InProcess() if workers == 1 else Processes(workers)

    return build_to_hub(
        open_source(str(source)), target, options, license, choose_executor=choose, **how
    )


def stop(*_: object) -> None:
    raise KeyboardInterrupt


def stop_at_upload(source: Path, upload: int = 0, workers: int = 1, **how: Any) -> None:
    """A run that ends as by Ctrl-C at an upload, with a shard or two in each."""
    send, sent = Repository.upload, list[int]()

    def count(self: Repository, *arguments: Any) -> str:
        if len(sent) == upload:
            raise KeyboardInterrupt
        sent.append(1)
        return send(self, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mico_150k.hub.streaming.BATCH_FILES", 4)
        patch.setattr(Repository, "upload", count)
        with pytest.raises(KeyboardInterrupt):
            publish(source, workers, **how)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_tree_is_that_of_a_build_and_a_push_and_nothing_stays_here(
    hub: Hub, source: Path, cache: Path, expected: dict[str, str], workers: int
) -> None:
    forecasts, rows, sent = list[PushForecast](), list[Progress](), list[PushProgress]()
    result = publish(
        source,
        workers,
        on_forecast=forecasts.append,
        on_progress=rows.append,
        on_transfer=sent.append,
    )
    assert tree(hub) == expected
    assert not list(cache.iterdir())
    shards = [path for path in expected if path.endswith(".parquet")]
    assert (result.rows_read, result.rows, result.skipped) == (32, 32, {})
    assert (result.files, result.resumed, result.was_published) == (len(shards), 0, False)
    assert result.url == f"{hub.endpoint}/datasets/{NAME}"
    assert result.commit == hub.repositories[NAME].refs["main"][-1].oid
    assert rows[-1].rows == rows[-1].total_rows == 32
    assert [done.files for done in sent] == sorted(done.files for done in sent)
    assert sent[-1].files == sent[-1].total_files == len(shards)
    assert sent[-1].bytes == sent[-1].total_bytes == result.bytes
    # The index and the sample come at the end, and are no part of the forecast.
    assert [forecast.files for forecast in forecasts] == [2 * result.shards] == [len(shards) - 2]


@pytest.mark.parametrize(("workers", "upload"), [(1, 0), (1, 3), (2, 0), (2, 2)])
def test_stopped_it_resumes_and_sends_no_shard_twice(
    hub: Hub,
    source: Path,
    cache: Path,
    expected: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
    upload: int,
) -> None:
    stop_at_upload(source, upload, workers)
    assert len(list(cache.iterdir())) == 1
    before = {path for path in tree(hub) if path.endswith(".parquet")}
    again = list[str]()
    send = Repository.upload

    def count(self: Repository, folder: Path, paths: list[str], *how: str) -> str:
        again.extend(paths)
        return send(self, folder, paths, *how)

    monkeypatch.setattr(Repository, "upload", count)
    result = publish(source, workers)
    assert result.resumed >= 1
    assert tree(hub) == expected
    assert not before & set(again)
    assert not list(cache.iterdir())


def test_what_is_published_already_is_left_as_it_is(hub: Hub, source: Path, cache: Path) -> None:
    first = publish(source)
    commits = len(hub.repositories[NAME].refs["main"])
    again = publish(source)
    assert again.was_published
    assert replace(again, seconds=0, was_published=False, resumed=0) == replace(first, seconds=0)
    assert len(hub.repositories[NAME].refs["main"]) == commits
    assert not list(cache.iterdir())


@pytest.mark.parametrize(
    "other",
    [
        {"options": replace(OPTIONS, seed=1)},
        {"options": replace(OPTIONS, configs=("bagel",))},
        {"license": License("mit")},
    ],
    ids=str,
)
def test_a_repository_that_is_published_takes_no_other_build(
    hub: Hub, source: Path, other: dict[str, Any]
) -> None:
    publish(source)
    before = tree(hub)
    with pytest.raises(PushRefused, match=f"already published.*\n.*mico push FOLDER {NAME}"):
        publish(source, **other)
    assert tree(hub) == before


def test_a_published_build_that_lacks_a_shard_is_not_taken_for_whole(
    hub: Hub, source: Path
) -> None:
    publish(source)
    shard = next(path for path in tree(hub) if path.startswith("bagel/"))
    hub.repositories[NAME].commit("main", {}, "by hand", delete=(shard,))
    with pytest.raises(PushRefused, match="already published"):
        publish(source)


def test_killed_after_the_push_the_next_run_removes_what_was_left(
    hub: Hub, source: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(HubWorkFolder, "clear", stop)
        with pytest.raises(KeyboardInterrupt):
            publish(source)
    made = tree(hub)
    assert list(cache.iterdir())
    assert publish(source).was_published
    assert not list(cache.iterdir())
    assert tree(hub) == made


def test_a_repository_that_was_removed_meanwhile_gets_everything_again(
    hub: Hub,
    source: Path,
    cache: Path,
    expected: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Push, "prepare", stop)
        with pytest.raises(KeyboardInterrupt):
            publish(source)
    del hub.repositories[NAME]
    publish(source)
    assert tree(hub) == expected
    assert not list(cache.iterdir())


def test_other_builds_and_other_repositories_have_other_work_folders(
    hub: Hub, source: Path, cache: Path
) -> None:
    for options in (OPTIONS, replace(OPTIONS, seed=1)):
        stop_at_upload(source, options=options)
    assert len(list(cache.glob("user--mico-150k-*"))) == 2
    assert list(hub.repositories) == [NAME]


def test_a_work_folder_that_is_named_holds_the_state_and_goes(
    hub: Hub,
    source: Path,
    tmp_path: Path,
    cache: Path,
    expected: dict[str, str],
) -> None:
    work = tmp_path / "work"
    stop_at_upload(source, 1, work=work)
    assert list(work.rglob("*.json"))
    assert publish(source, work=work).resumed
    assert tree(hub) == expected
    assert not work.exists()
    assert not cache.exists()


def test_a_work_folder_of_something_else_is_refused_and_left(
    hub: Hub, source: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "letter").write_text("Dear")
    with pytest.raises(OutputRefused, match="mine is not empty.*\n.*--work"):
        publish(source, work=mine)
    assert [path.name for path in mine.iterdir()] == ["letter"]
    built = tmp_path / "built"
    Build.prepare(open_source(str(source)), built, OPTIONS).run()
    there = sorted(built.rglob("*"))
    with pytest.raises(OutputRefused, match="built is not empty.*\n.*--work"):
        publish(source, work=built)
    assert sorted(built.rglob("*")) == there
    assert not hub.repositories
    stop_at_upload(source, work=tmp_path / "work")
    with pytest.raises(OutputRefused, match=r"--seed \(0 there, 1 now\).*\n.*another --work"):
        publish(source, work=tmp_path / "work", options=replace(OPTIONS, seed=1))
    del hub.repositories[NAME]
    file = next(path for path in source.rglob("*.parquet"))
    times = file.stat()
    os.utime(file)
    try:
        with pytest.raises(OutputRefused, match="has been rewritten"):
            publish(source, work=tmp_path / "work")
    finally:
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.usefixtures("hub")
def test_a_second_run_is_kept_out_until_the_first_one_has_ended(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = list[str]()
    prepare = Push.prepare

    def meanwhile(*how: Any) -> Push:
        with pytest.raises(OutputRefused, match="is writing to it") as raised:
            publish(source)
        refused.append(str(raised.value))
        return prepare(*how)

    monkeypatch.setattr(Push, "prepare", meanwhile)
    publish(source)
    assert len(refused) == 1
    assert "`mico build --out hf://…`" in refused[0]


def test_a_disk_that_is_too_small_is_refused_before_anything_is_sent(
    hub: Hub, source: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = SimpleNamespace(free=1000)
    monkeypatch.setattr("mico_150k.io.machine.shutil.disk_usage", lambda _: usage)
    with pytest.raises(DiskTooSmall, match="--work FOLDER names another disk"):
        publish(source)
    assert not hub.repositories
    assert not list(cache.iterdir())


@pytest.mark.parametrize("after", [0, 2])
def test_a_disk_that_fills_up_stops_the_build_which_resumes(
    hub: Hub,
    source: Path,
    expected: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    after: int,
) -> None:
    fsync, full = os.fsync, [after * 8]

    def fill(handle: int) -> None:
        full[0] -= 1
        if full[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr("mico_150k.io.files.os.fsync", fill)
        with pytest.raises(DiskTooSmall, match="--work FOLDER names another disk"):
            publish(source)
    publish(source)
    assert tree(hub) == expected


def test_it_is_as_private_as_was_asked_for(hub: Hub, source: Path) -> None:
    stop_at_upload(source, private=True)
    assert hub.repositories[NAME].private
    hub.repositories[NAME].private = False
    with pytest.raises(PushRefused, match="is public"):
        publish(source, private=True)


@pytest.mark.usefixtures("hub")
def test_workers_build_no_more_than_is_allowed_while_shards_are_sent(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each upload takes as long as several shards, and each shard is sent on its own."""
    work, most, send = tmp_path / "work", [0], Repository.upload
    monkeypatch.setattr("mico_150k.hub.streaming.BATCH_FILES", 1)
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.005):
            names = {path.name for path in work.glob("*/bagel/*.parquet")}
            most[0] = max(most[0], len(names))

    def slow(self: Repository, *how: Any) -> str:
        time.sleep(0.2)
        return send(self, *how)

    monkeypatch.setattr(Repository, "upload", slow)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        result = publish(source, 2, work=work)
    finally:
        ended.set()
        watcher.join()
    assert result.shards > shards_at_once(2)
    assert 0 < most[0] <= shards_at_once(2)


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(("workers", "shards"), [(1, 3), (2, 5)])
def test_the_room_that_is_kept_free_grows_with_the_workers(
    source: Path, monkeypatch: pytest.MonkeyPatch, workers: int, shards: int
) -> None:
    seen = list[int]()

    def look(self: StreamingPush) -> None:
        seen.append(self.shards_here)
        raise KeyboardInterrupt

    monkeypatch.setattr(StreamingPush, "begin", look)
    with pytest.raises(KeyboardInterrupt):
        publish(source, workers)
    assert seen == [shards]


PROGRAM = """
import sys
import mico_150k.hub.streaming
from mico_150k.api.build_to_hub import build_to_hub
from mico_150k.build.build import BuildOptions
from mico_150k.build.executors import InProcess
from mico_150k.build.processes import Processes
from mico_150k.card.file import License
from mico_150k.hub.repository import Repository
from mico_150k.hub.streaming import HubTarget
from mico_150k.sources import open_source

if __name__ == "__main__":
    mico_150k.hub.streaming.BATCH_FILES = 4
    source, name, workers = sys.argv[1:]
    options = BuildOptions(configs=("bagel", "default", "sample"), shard_bytes=60_000)
    say = lambda _: print("going on", flush=True)
    build_to_hub(
        open_source(source), HubTarget.look(Repository(name)), options, License("cc-by-nc-4.0"),
        choose_executor=lambda _: InProcess() if workers == "1" else Processes(int(workers)),
        on_forecast=say, on_progress=say, on_transfer=say,
    )
"""
KILLS = 5


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_five_times_while_it_builds_and_sends_the_tree_is_the_same(
    hub: Hub,
    source: Path,
    cache: Path,
    expected: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
) -> None:
    for name, value in (
        ("HF_ENDPOINT", hub.endpoint),
        ("HF_HOME", str(tmp_path / "home")),
        ("HF_HUB_OFFLINE", "0"),
    ):
        monkeypatch.setenv(name, value)
    rng = random.Random(workers)
    killed = 0
    steps = 1 + 32 + 10  # about: what it says, row groups, and uploads
    for _ in range(KILLS):
        killed += run_and_kill(source, workers, after=rng.randrange(1, steps // 2))
    publish(source, workers)
    assert killed >= KILLS - 1
    assert tree(hub) == expected
    assert not list(cache.iterdir())


def run_and_kill(source: Path, workers: int, after: int) -> bool:
    """Kill a run when it has said so many lines; whether it had not come to its end by then."""
    words = [sys.executable, "-c", PROGRAM, str(source), NAME, str(workers)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout
        for _ in range(after):
            if not process.stdout.readline():
                assert process.wait() == 0
                return False
        process.kill()
    return True
