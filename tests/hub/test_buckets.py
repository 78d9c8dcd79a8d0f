"""A dataset is built into a bucket of the Hub, resumes there, and is read back from there."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import datasets
import huggingface_hub
import pytest
from datasets import load_dataset
from packaging.version import Version

from mico_150k import build_dataset, open_dataset
from mico_150k.api.build_to_url import build_to_url
from mico_150k.build.build import Build, BuildOptions, BuildResult
from mico_150k.build.drop_limit import TOLERANCE
from mico_150k.build.executors import InProcess
from mico_150k.build.processes import Processes
from mico_150k.core.errors import NotADataset, OutputRefused, RemoteError, UsageError
from mico_150k.core.progress import Progress
from mico_150k.dataset import layout
from mico_150k.io.places import HubBucket, parse_place
from mico_150k.io.storage import Storage
from mico_150k.sources import open_source

from ..commands import DONE, WRONG_USAGE, Mico, runner
from ..factories import Case, manifest_rows, write_json
from ..folders import contents
from . import Bucket, Hub

pytest.importorskip("huggingface_hub", minversion="1.6", reason="the first that knows buckets")

OUT = "hf://buckets/user/data/sets/mico-150k"
FOLDER = "sets/mico-150k/"
READS_THE_CARD = "5.1"
"""`datasets` 4.8 to 5.0 drop a bucket's card where no `.huggingface.yaml` is beside it: load.py,
`HubBucketDatasetModuleFactory.get_module`."""
OPTIONS = BuildOptions(configs=("bagel", "sample"), shard_bytes=250_000)


@pytest.fixture(scope="module")
def whole(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a build makes here."""
    folder = tmp_path_factory.mktemp("whole") / "mico-150k"
    Build.prepare(open_source(str(source)), folder, OPTIONS).run()
    return folder


def make(
    source: Path | str,
    out: str,
    *,
    workers: int = 1,
    private: bool = False,
    seed: int = 0,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> BuildResult:
    """As `build_dataset`, whose smallest shards are too large for a test."""
    place = parse_place(out)
    assert isinstance(place, HubBucket)
    return build_to_url(
        open_source(str(source)),
        place,
        replace(OPTIONS, seed=seed),
        lambda _: InProcess() if workers == 1 else Processes(workers),
        None,
        TOLERANCE,
        on_progress,
        private=private,
    )


def there(hub: Hub, name: str = "user/data") -> dict[str, str]:
    """Every file of the dataset there with its SHA-256, as `contents` says."""
    return {
        path.removeprefix(FOLDER): hashlib.sha256(hub.storage.xet_content(xet)).hexdigest()
        for path, xet in sorted(hub.buckets[name].files.items())
        if path.startswith(FOLDER) and not path.endswith(layout.MTIME_TOKENS)
    }


@pytest.fixture
def mico(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Mico:
    return runner(tmp_path, monkeypatch, capsys)


def stop_at(row: int) -> Callable[[Progress], None]:
    def stop(done: Progress) -> None:
        if done.rows > row:
            raise KeyboardInterrupt

    return stop


def test_the_files_in_a_bucket_are_those_of_a_build_here(
    hub: Hub, source: Path, whole: Path
) -> None:
    result = make(source, OUT)
    assert result.location == OUT
    assert not hub.buckets["user/data"].private
    assert there(hub) == contents(whole)
    assert make(source, OUT).resumed == result.shards


@pytest.mark.parametrize("at_row", [0, 20])
def test_an_interrupted_build_resumes_with_what_the_bucket_holds(
    hub: Hub, source: Path, whole: Path, at_row: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(source, OUT, on_progress=stop_at(at_row))
    begun = [name for name in there(hub) if name.startswith(".build/records/")]
    assert layout.MANIFEST not in there(hub)
    assert make(source, OUT).resumed >= len(begun) >= min(at_row, 1)
    assert there(hub) == contents(whole)


def test_a_shard_that_somebody_removed_is_built_again(hub: Hub, source: Path, whole: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(source, OUT, on_progress=stop_at(20))
    files = hub.buckets["user/data"].files
    del files[next(path for path in files if "/bagel/" in path)]
    make(source, OUT)
    assert there(hub) == contents(whole)


@pytest.mark.slow
def test_worker_processes_send_what_they_finish(
    hub: Hub, source: Path, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")  # each reads it for itself
    make(source, OUT, workers=2)
    assert there(hub) == contents(whole)


def test_a_shard_costs_a_few_requests_whatever_its_files(hub: Hub, source: Path) -> None:
    shards = make(source, OUT).shards
    # A token and a batch for the files, and for the record; their sizes, twice; and four to fetch
    # what is joined at the end. By fsspec, it would be about 27.
    assert len(hub.requests) <= 10 * shards + 30


def test_a_dataset_in_a_bucket_is_checked_inspected_and_read(
    hub: Hub, source: Path, whole: Path, mico: Mico
) -> None:
    make(source, OUT)
    huggingface_hub.HfFileSystem.clear_instance_cache()
    done = mico("check", OUT)
    assert done.returncode == DONE, done.stderr
    assert "32 rows" in mico("inspect", OUT).stderr
    assert open_dataset(OUT).index().equals(open_dataset(whole).index())
    assert hub.asked("GET /buckets/user/data/resolve/")


@pytest.mark.usefixtures("hub")
def test_load_dataset_reads_a_bucket(source: Path, whole: Path) -> None:
    if Version(datasets.__version__) < Version(READS_THE_CARD):
        pytest.skip("an older `datasets` knows no buckets, or forgets the card of one")
    make(source, OUT)
    huggingface_hub.HfFileSystem.clear_instance_cache()
    read = load_dataset("buckets/user/data/sets/mico-150k", "bagel", split="train", streaming=True)
    here = load_dataset(str(whole), "bagel", split="train", streaming=True)
    assert [row["instruction"] for row in read] == [row["instruction"] for row in here]


def test_a_release_in_a_bucket_is_a_source_and_its_xet_hash_says_what_it_is(
    hub: Hub, source: Path, whole: Path, tmp_path: Path
) -> None:
    api = huggingface_hub.HfApi(endpoint=hub.endpoint)
    api.create_bucket("user/data")
    files = [path for path in source.rglob("*") if path.is_file()]
    api.batch_bucket_files(
        "user/data",
        add=[(str(path), f"release/{path.relative_to(source)}") for path in files],
    )
    release = open_source("hf://buckets/user/data/release")
    Build.prepare(release, tmp_path / "out", OPTIONS).run()
    assert contents(tmp_path / "out") == contents(whole)
    storage, _ = Storage.at("hf://buckets/user/data/release")
    name = files[0].relative_to(source).as_posix()
    assert storage.mtime_token(name) == hub.buckets["user/data"].files[f"release/{name}"]
    api.batch_bucket_files("user/data", add=[(b"other", f"release/{name}")])
    assert storage.state(name) == hub.buckets["user/data"].files[f"release/{name}"]


def test_an_image_of_a_manifest_in_a_bucket_is_known_by_its_xet_hash(
    hub: Hub, samples: list[Case], tmp_path: Path
) -> None:
    rows = list(manifest_rows(tmp_path, samples[:2]))
    write_json(tmp_path / "hoi.jsonl", rows)
    api = huggingface_hub.HfApi(endpoint=hub.endpoint)
    api.create_bucket("user/data")
    files = {path.relative_to(tmp_path).as_posix(): path for path in tmp_path.rglob("*.*")}
    api.batch_bucket_files("user/data", add=[(str(path), name) for name, path in files.items()])
    before = open_source("hf://buckets/user/data").files[0].mtime_token
    image = next(name for name in files if not name.endswith(".jsonl"))
    data = files[image].read_bytes()
    api.batch_bucket_files("user/data", add=[(data[:-1] + bytes([data[-1] ^ 1]), image)])
    huggingface_hub.HfFileSystem.clear_instance_cache()
    assert open_source("hf://buckets/user/data").files[0].mtime_token != before


def test_another_build_and_other_files_are_refused(hub: Hub, source: Path) -> None:
    make(source, OUT)
    with pytest.raises(OutputRefused, match=f"{OUT} holds another build.*seed"):
        make(source, OUT, seed=7)
    before = dict(hub.buckets["user/data"].files)
    with pytest.raises(OutputRefused, match="is not empty, and not a folder"):
        make(source, "hf://buckets/user/data/sets")
    assert hub.buckets["user/data"].files == before


def test_a_folder_whose_name_begins_alike_is_another_one(
    hub: Hub, source: Path, whole: Path
) -> None:
    make(source, f"{OUT}-more")
    files = hub.buckets["user/data"].files
    with pytest.raises(KeyboardInterrupt):
        make(source, OUT, on_progress=stop_at(0))
    files[f"{FOLDER}.build-mine/x"] = next(iter(files.values()))
    before = {path: xet for path, xet in files.items() if "/.build/" not in path}
    make(source, OUT)
    assert before.items() <= files.items()
    assert there(hub).keys() - contents(whole).keys() == {".build-mine/x"}


def test_a_private_bucket_is_created_and_a_public_one_is_not_taken_for_it(
    hub: Hub, source: Path
) -> None:
    make(source, OUT, private=True)
    assert hub.buckets["user/data"].private
    hub.buckets["user/open"] = Bucket("user/open")
    with pytest.raises(OutputRefused, match="exists and is public"):
        make(source, "hf://buckets/user/open", private=True)
    with pytest.raises(UsageError, match="--private is for"):
        build_dataset(source, "memory://x/y", private=True)


@pytest.mark.parametrize(
    ("out", "token", "said"),
    [
        ("hf://buckets/other/data/x", "hf_write", "no permission for the bucket other/data"),
        ("hf://buckets/user/data/x", "hf_read", "no permission for the bucket user/data"),
        ("hf://buckets/user/data/x", "hf_nonsense", "does not accept your token"),
    ],
)
def test_a_bucket_that_may_not_be_written_to_is_said(
    hub: Hub, source: Path, monkeypatch: pytest.MonkeyPatch, out: str, token: str, said: str
) -> None:
    hub.buckets["user/data"] = Bucket("user/data")
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(RemoteError, match=said):
        make(source, out)


def test_a_bucket_that_is_not_there_and_a_hub_that_fails_are_told_apart(hub: Hub) -> None:
    with pytest.raises(NotADataset, match="has no bucket user/nothing that you can read"):
        open_dataset("hf://buckets/user/nothing/x")
    hub.buckets["user/data"] = Bucket("user/data")
    with pytest.raises(NotADataset, match=r"hf://buckets/user/data/x has no manifest\.json"):
        open_dataset("hf://buckets/user/data/x")
    hub.fail("/api/buckets/user/other", 503, times=1000)
    with pytest.raises(NotADataset, match="answers with status 503"):
        open_dataset("hf://buckets/user/other/x")


def test_an_older_client_is_refused_with_the_version_that_is_needed(
    hub: Hub, mico: Mico, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.__version__", "1.5.0")
    for command in (("build", source, "--out", OUT), ("build", OUT), ("check", OUT)):
        done = mico(*command)
        assert done.returncode == WRONG_USAGE
        said = " ".join(done.stderr.split())
        assert "needs huggingface_hub 1.6 or later, and 1.5.0 is installed" in said
    assert not hub.requests


def test_a_command_builds_into_a_bucket_and_says_what_to_do_next(
    hub: Hub, mico: Mico, source: Path
) -> None:
    done = mico("build", source, "--out", OUT, "--config", "bagel", "--private")
    assert done.returncode == DONE, done.stderr
    assert f"mico check {OUT}" in done.stderr
    assert hub.buckets["user/data"].private
    refused = mico("build", source, "--out", OUT, "--work", "here")
    assert refused.returncode == WRONG_USAGE
    assert "--work is for" in refused.stderr
