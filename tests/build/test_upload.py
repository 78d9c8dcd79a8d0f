"""A build to another file system: the same bytes there, nothing here, and no interruption lost."""

import hashlib
import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from mico_150k.build.build import Build, BuildOptions, BuildResult
from mico_150k.build.executors import Executor, InProcess
from mico_150k.build.processes import Processes
from mico_150k.build.sending import UploadExecutor
from mico_150k.build.upload import RemoteFolder
from mico_150k.core.errors import OutputRefused, RemoteError
from mico_150k.core.progress import Progress
from mico_150k.dataset import layout
from mico_150k.dataset.reader import open_dataset
from mico_150k.io.places import RemoteUrl
from mico_150k.io.temporary import FOLDER_PREFIX
from mico_150k.sources import open_source

from ..folders import contents

OPTIONS = BuildOptions(configs=("bagel", "default", "sample"), shard_bytes=60_000)
MEMORY = fsspec.filesystem("memory")


@pytest.fixture(scope="module")
def whole(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a build makes here."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    Build.prepare(open_source(str(source)), folder, OPTIONS).run()
    return folder


@pytest.fixture
def place() -> Iterator[str]:
    """A folder that nobody has used, in this process's memory."""
    name = f"/{uuid.uuid4().hex}/mico-150k"
    yield f"memory:/{name}"
    if MEMORY.exists(name):
        MEMORY.rm(name, recursive=True)


def build(
    source: Path,
    location: str,
    here: Path,
    executor: Executor | None = None,
    options: BuildOptions = OPTIONS,
    **how: object,
) -> BuildResult:
    here.mkdir()
    remote = RemoteFolder.open(RemoteUrl(location), here)
    planned = Build.prepare(open_source(str(source)), here, options, location)
    result = planned.run(
        executor=UploadExecutor(executor or InProcess(), remote),
        sink=remote,
        **how,  # type: ignore[arg-type]
    )
    remote.publish()
    return result


def there(location: str) -> dict[str, str]:
    """Every file of the folder with its SHA-256, as `contents` says."""
    root = location.removeprefix("memory:/")
    return {
        path.removeprefix(f"{root}/"): hashlib.sha256(MEMORY.cat_file(path)).hexdigest()
        for path in sorted(MEMORY.find(root))
        if not path.endswith(layout.MTIME_TOKENS)
    }


def test_the_files_there_are_those_of_a_build_here(
    source: Path, whole: Path, place: str, tmp_path: Path
) -> None:
    build(source, place, tmp_path / "here")
    assert there(place) == contents(whole)


def test_no_shard_stays_here(source: Path, place: str, tmp_path: Path) -> None:
    build(source, place, tmp_path / "here")
    left = {path.parent.name for path in (tmp_path / "here").rglob("*.parquet")}
    assert left == {layout.INDEX, layout.SAMPLE}


@pytest.mark.parametrize("at_row", [0, 5, 20])
def test_an_interrupted_build_goes_on_with_what_is_there(
    source: Path, whole: Path, place: str, tmp_path: Path, at_row: int
) -> None:
    def interrupt(done: Progress) -> None:
        if done.rows > at_row:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(source, place, tmp_path / "one", on_progress=interrupt)
    begun = {name for name in there(place) if name.startswith(".build/records/")}
    result = build(source, place, tmp_path / "another")
    assert result.resumed >= len(begun) > 0 or at_row == 0
    assert there(place) == contents(whole)


def test_a_finished_build_is_not_done_again(
    source: Path, whole: Path, place: str, tmp_path: Path
) -> None:
    build(source, place, tmp_path / "one")
    result = build(source, place, tmp_path / "another")
    assert result.resumed == result.shards
    assert there(place) == contents(whole)


def test_killed_between_the_manifest_and_the_end_it_is_finished(
    source: Path, whole: Path, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_fs: object, path: str, **_: object) -> None:
        raise KeyboardInterrupt(path)

    with monkeypatch.context() as patched:
        patched.setattr(type(MEMORY), "rm", fail)
        with pytest.raises(KeyboardInterrupt):
            build(source, place, tmp_path / "one")
    assert layout.MANIFEST in there(place)
    build(source, place, tmp_path / "another")
    assert there(place) == contents(whole)


def test_another_build_is_refused_by_its_url(source: Path, place: str, tmp_path: Path) -> None:
    build(source, place, tmp_path / "one")
    other = BuildOptions(configs=("bagel",), shard_bytes=60_000)
    with pytest.raises(OutputRefused, match=f"{place} holds another build.*--config"):
        build(source, place, tmp_path / "another", options=other)


def test_a_folder_of_something_else_is_refused_and_left_alone(
    source: Path, place: str, tmp_path: Path
) -> None:
    MEMORY.pipe_file(f"{place.removeprefix('memory:/')}/mine.txt", b"mine")
    with pytest.raises(OutputRefused, match=f"{place} is not empty"):
        build(source, place, tmp_path / "here")
    assert list(there(place)) == ["mine.txt"]


def test_a_storage_that_fails_is_an_error_that_names_it(
    source: Path, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_fs: object, _here: str, path: str, **_: object) -> None:
        raise TimeoutError(path)

    with monkeypatch.context() as patched:
        patched.setattr(type(MEMORY), "put_file", fail)
        with pytest.raises(RemoteError, match=f"{place}: TimeoutError"):
            build(source, place, tmp_path / "here")


def test_what_arrives_in_another_size_is_not_taken_for_sent(
    source: Path, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(_fs: object, here: str, path: str, **_: object) -> None:
        MEMORY.pipe_file(path, Path(here).read_bytes()[:-1])

    monkeypatch.setattr(type(MEMORY), "put_file", cut)
    with pytest.raises(RemoteError, match="has another size there"):
        build(source, place, tmp_path / "here")
    assert not [name for name in there(place) if name.startswith(".build/records/")]


def test_a_shard_that_somebody_removed_is_built_again(
    source: Path, whole: Path, place: str, tmp_path: Path
) -> None:
    def interrupt(done: Progress) -> None:
        if done.rows > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(source, place, tmp_path / "one", on_progress=interrupt)
    MEMORY.rm(next(path for path in MEMORY.find(place.removeprefix("memory:/")) if "bagel" in path))
    build(source, place, tmp_path / "another")
    assert there(place) == contents(whole)


def test_a_record_that_is_half_written_is_not_there_yet(
    source: Path, place: str, tmp_path: Path
) -> None:
    def interrupt(done: Progress) -> None:
        if done.rows > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(source, place, tmp_path / "one", on_progress=interrupt)
    root = place.removeprefix("memory:/")
    paths = [path for path in MEMORY.find(root) if "/.build/records/" in path]
    MEMORY.pipe_file(paths[0], MEMORY.cat_file(paths[0])[:-20])
    remote = RemoteFolder.open(RemoteUrl(place), tmp_path / "another")
    assert len(list(remote.records(range(1000)))) == len(paths) - 1


@pytest.mark.slow
def test_worker_processes_send_what_they_finish(source: Path, whole: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    build(source, f"file://{target}", tmp_path / "here", Processes(2))
    assert contents(target) == contents(whole)


def test_temporary_folders_are_removed(
    source: Path, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    build(source, place, tmp_path / "here")
    assert not list(tmp_path.glob(f"{FOLDER_PREFIX}*"))


def test_what_was_built_there_is_read_from_there(source: Path, place: str, tmp_path: Path) -> None:
    build(source, place, tmp_path / "here")
    assert open_dataset(place).index().num_rows == 32


def test_what_fsspec_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputRefused, match="Protocol not known"):
        RemoteFolder.open(RemoteUrl("nothing://bucket/name"), tmp_path)
