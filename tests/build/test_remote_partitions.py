"""Partitions of a build with no folder in common: on an object store, and in a Hub bucket."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import pytest
from fsspec.core import url_to_fs

from mico_150k.api.build_to_url import build_to_url
from mico_150k.build.build import Build, BuildOptions, BuildResult
from mico_150k.build.drop_limit import TOLERANCE
from mico_150k.build.executors import InProcess
from mico_150k.build.partition import Partition, PartitionResult
from mico_150k.core.errors import OutputRefused, ShardsMissing
from mico_150k.core.progress import Progress
from mico_150k.dataset import layout
from mico_150k.io.places import HubBucket, RemoteUrl, parse_place
from mico_150k.sources import open_source

from ..folders import contents
from ..hub import Hub

OPTIONS = BuildOptions(configs=("bagel", "sample"), shard_bytes=120_000)


@pytest.fixture(scope="module")
def whole(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What one build makes here."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    Build.prepare(open_source(str(source)), folder, OPTIONS).run()
    return contents(folder)


@pytest.fixture(params=["file", pytest.param("s3", marks=pytest.mark.slow), "hf"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """A URL that other processes reach as well."""
    if request.param == "file":
        yield f"file://{tmp_path}/store/mico-150k"
    elif request.param == "hf":
        if tuple(map(int, huggingface_hub.__version__.split(".")[:2])) < (1, 6):
            pytest.skip("this client knows no buckets")
        hub: Hub = request.getfixturevalue("hub")
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        monkeypatch.setenv("HF_HUB_OFFLINE", "0")
        yield "hf://buckets/user/data/mico-150k"
    else:
        yield request.getfixturevalue("s3")


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A folder in a bucket of a local S3."""
    pytest.importorskip("s3fs", reason="the package for s3:// URLs")
    server = pytest.importorskip("moto.server", reason="a local S3").ThreadedMotoServer(port=0)
    import s3fs

    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    bucket = f"bucket-{uuid.uuid4().hex}"  # it outlives its server
    s3fs.S3FileSystem().mkdir(bucket)
    yield f"s3://{bucket}/data/mico-150k"
    server.stop()


def build(
    source: Path | str,
    place: str,
    partition: str = "",
    *,
    finish: bool = False,
    seed: int = 0,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> BuildResult | PartitionResult:
    """As `build_dataset`, whose smallest shards are too large for a test."""
    parsed = parse_place(place)
    assert isinstance(parsed, RemoteUrl | HubBucket)
    return build_to_url(
        open_source(str(source)),
        parsed,
        replace(OPTIONS, seed=seed),
        lambda _: InProcess(),
        None,
        TOLERANCE,
        on_progress,
        partition=Partition.parse(partition) if partition else None,
        finish=finish,
    )


def there(place: str) -> dict[str, str]:
    """Every file of the folder with its SHA-256, as `contents` says."""
    fs, root = url_to_fs(place)
    fs.invalidate_cache()
    if not fs.exists(root):
        return {}
    return {
        path.removeprefix(f"{root}/"): hashlib.sha256(fs.cat_file(path)).hexdigest()
        for path in sorted(fs.find(root))
        if not path.endswith(layout.MTIME_TOKENS)
    }


PROCESS = """
import json, os, signal, sys
from tests.build.test_remote_partitions import build
from mico_150k.core.errors import OutputRefused
source, place, partition, seed, kill_at = json.loads(sys.argv[1])
def on_progress(done):
    if kill_at is not None and done.rows > kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
print("ready", flush=True)
sys.stdin.readline()
try:
    build(source, place, partition, seed=seed, on_progress=on_progress)
except OutputRefused as refused:
    print(refused)
"""


def at_once(
    source: Path, place: str, *builds: tuple[str, int], kill_at: int | None = None
) -> list[tuple[int, str]]:
    """How processes end, and what they say, that begin at the same moment."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, json.dumps([str(source), place, *one, kill_at])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env=os.environ,
        )
        for one in builds
    ]
    for process in started:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate()[0] for process in started]
    return [(process.returncode, words) for process, words in zip(started, said, strict=True)]


@pytest.mark.slow
def test_two_partitions_at_once_and_a_killed_one_are_one_build(
    source: Path, whole: dict[str, str], place: str
) -> None:
    ((killed, _),) = at_once(source, place, ("3/3", 0), kill_at=4)
    assert killed == -signal.SIGKILL
    assert at_once(source, place, ("1/3", 0), ("2/3", 0)) == [(0, "")] * 2
    with pytest.raises(ShardsMissing, match=r"I/N` for 3/3 \(not finished\): "):
        build(source, place, finish=True)
    resumed = build(source, place, "3/3")
    assert isinstance(resumed, PartitionResult)
    assert 0 < resumed.resumed < resumed.shards
    finished = build(source, place, finish=True)
    assert isinstance(finished, BuildResult)
    assert finished.location == place
    assert there(place) == whole
    again = build(source, place, "2/3")
    assert isinstance(again, PartitionResult)
    assert again.resumed == again.shards


@pytest.mark.slow
def test_of_two_different_builds_that_begin_at_once_no_byte_is_mixed(
    source: Path, place: str
) -> None:
    ended = at_once(source, place, ("1/2", 0), ("2/2", 7))
    refused = [words for _, words in ended if words]
    assert {status for status, _ in ended} == {0}
    assert refused  # one, or both
    assert all(f"{place} holds another build; what differs is --seed" in words for words in refused)
    claims = {name.split(".")[-2] for name in there(place) if name.startswith(".build/claims/")}
    assert len(claims) == 2 - len(refused)


@pytest.mark.slow
def test_partitions_in_any_order_are_the_same_bytes_and_what_is_missing_is_said(
    source: Path, whole: dict[str, str], place: str
) -> None:
    with pytest.raises(ShardsMissing, match=r"\d+ of \d+ shards are missing"):
        build(source, place, finish=True)
    assert not there(place)
    build(source, place, "2/3")
    with pytest.raises(ShardsMissing, match=r"for 1/3 \(not begun\), 3/3 \(not begun\): "):
        build(source, place, finish=True)
    with pytest.raises(OutputRefused, match=f"{place} holds another build; what differs is --seed"):
        build(source, place, "1/3", seed=7)
    # Another division goes on with what is there.
    build(source, place, "1/1")
    build(source, place, finish=True)
    assert there(place) == whole
    assert build(source, place, finish=True).resumed


@pytest.mark.slow
def test_a_shard_that_was_damaged_there_is_missing_at_the_end(source: Path, place: str) -> None:
    build(source, place, "1/2")
    before = {name for name in there(place) if name.endswith(".parquet")}
    fs, root = url_to_fs(place)
    for name in before:
        fs.pipe_file(f"{root}/{name}", b"")
    fs.invalidate_cache()
    assert build(source, place, "2/2").resumed == 0
    with pytest.raises(ShardsMissing, match=r"for 1/2 \(not finished\): "):
        build(source, place, finish=True)


@pytest.mark.slow
def test_a_whole_build_goes_on_with_what_partitions_have_done(
    source: Path, whole: dict[str, str], place: str
) -> None:
    build(source, place, "1/2")
    assert build(source, place).resumed
    assert there(place) == whole
