"""A look at a dataset as its users see it, which can end nothing but itself."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from mico_150k.core.errors import HubError, RowUnreadable, RowUnreadableNow
from mico_150k.hub.retry import RetryPolicy
from mico_150k.io.transient import is_transient
from mico_150k.loaders import first_row
from mico_150k.loaders.first_row import FirstRow, FirstRows


@pytest.fixture(scope="module")
def rows(dataset: Path) -> Iterator[FirstRows]:
    """What reads rows of the dataset; one process for all tests."""
    with closing(FirstRows(str(dataset))) as rows:
        yield rows


@pytest.mark.slow
def test_pictures_are_decoded_and_shown_by_their_size(rows: FirstRows) -> None:
    row = rows.read("bagel", "train")
    assert row is not None
    assert row.pictures >= 2
    assert row.cells["image_list"].startswith("[JPEG 384×384, ")
    assert list(row.cells) == ["image_list", "instruction"]


def test_what_load_dataset_says_is_told_and_the_next_row_is_read(rows: FirstRows) -> None:
    with pytest.raises(RowUnreadable, match="^ValueError: .*flux.* not found"):
        rows.read("flux", "train")
    assert isinstance(rows.read("index", "train"), FirstRow)


def test_nothing_of_it_is_in_this_process(dataset: Path) -> None:
    before = set(sys.modules)
    with closing(FirstRows(str(dataset))) as rows:
        assert rows.read("index", "train")
    assert not any(name.startswith("datasets.") for name in set(sys.modules) - before)


@pytest.mark.slow
@pytest.mark.parametrize("variable", ["HF_HOME", "HOME", "HF_DATASETS_CACHE", "XDG_CACHE_HOME"])
def test_caches_that_cannot_be_written_are_not_needed(
    dataset: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "/dev/null/x")
    with closing(FirstRows(str(dataset))) as rows:
        assert rows.read("index", "train")


def start_with(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the process take this for a row; `read` reads one."""
    code = (
        "import mico_150k.loaders.first_row as module; read = module.read_first_row; "
        f"module.read_first_row = lambda **asked: {code}; serve(int"
    )
    monkeypatch.setattr(first_row, "_START", first_row._START.replace("serve(int", code))


def test_torch_is_not_imported_for_it(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start_with("{**read(**asked), 'torch': 'torch' in sys.modules}", monkeypatch)
    with closing(FirstRows(str(dataset))) as rows:
        row = rows.read("bagel", "train")
    assert row is not None
    assert row.cells["torch"] == "False"


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGKILL])
def test_how_it_ends_is_told_and_another_one_reads_on(
    dataset: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(FirstRows(str(dataset))) as rows:
        with monkeypatch.context() as context:
            start_with(f"__import__('os').kill(__import__('os').getpid(), {number.value})", context)
            with pytest.raises(RowUnreadable, match=f"was killed by {number.name}"):
                rows.read("index", "train")
        assert rows.read("index", "train")


def test_one_that_never_answers_is_ended(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start_with("__import__('time').sleep(1000)", monkeypatch)
    started = time.monotonic()
    with (
        closing(FirstRows(str(dataset), seconds=2)) as rows,
        pytest.raises(RowUnreadableNow, match="no row after 2 s"),
    ):
        rows.read("index", "train")
    assert time.monotonic() - started < 60


def test_nothing_stays_behind(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    open_before = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    with closing(FirstRows(str(dataset))) as rows:
        rows.read("index", "train")
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())
    if sys.platform == "linux":
        assert len(os.listdir("/proc/self/fd")) == open_before


def test_what_lies_in_the_working_directory_is_not_run(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "datasets", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text(
            f"open({str(tmp_path / 'run')!r}, 'w')\nraise SystemExit"
        )
    monkeypatch.chdir(tmp_path)
    with closing(FirstRows(str(dataset))) as rows:
        assert rows.read("index", "train")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("status", "kind"), [(503, RowUnreadableNow), (403, RowUnreadable)])
def test_what_the_hub_said_is_judged_as_if_it_were_asked_here(
    status: int, kind: type[RowUnreadable]
) -> None:
    error = OSError("no\nmore")
    answer = SimpleNamespace(status_code=status, headers={"Retry-After": "7"}, reason_phrase="No")
    error.response = answer  # type: ignore[attr-defined]
    with pytest.raises(RowUnreadable) as raised:
        first_row._raise(json.loads(json.dumps(first_row._fault(error))))
    assert type(raised.value) is kind
    assert str(raised.value) == "OSError: no"
    assert is_transient(raised.value) is (status == 503)
    waits: list[tuple[str, float]] = []
    retry = RetryPolicy(tries=2, first=0, on_wait=lambda *told: waits.append(told))

    def ask() -> None:
        raise raised.value

    raised.value.response.headers["Retry-After"] = "0.0"  # type: ignore[attr-defined]
    with pytest.raises(HubError):
        retry.call("user/x", "reading", ask)
    assert len(waits) == (status == 503)
