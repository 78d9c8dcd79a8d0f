"""A network that fails is asked again, and what fails for good is an error at once."""

from pathlib import Path

import pytest

from mico_150k.core.errors import BrokenFile
from mico_150k.dataset.reader import open_dataset
from mico_150k.io.retry import again

from ..web import serve


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mico_150k.io.retry.PAUSES", (0.0, 0.0))


@pytest.mark.filterwarnings("ignore:.*retrying in 0 s")
def test_rows_come_whole_over_a_network_that_fails_now_and_then(dataset: Path) -> None:
    with serve(dataset.parent) as web:
        there = open_dataset(f"{web.address}/{dataset.name}")
        chosen = there.index()
        web.failing = 2
        read = [sample for group in there.samples(chosen) for sample in group]
        assert not web.failing
    here = open_dataset(dataset)
    assert read == [sample for group in here.samples(here.index()) for sample in group]


@pytest.mark.filterwarnings("ignore:.*retrying in 0 s")
def test_a_network_that_always_fails_is_an_error_that_names_the_file(dataset: Path) -> None:
    with serve(dataset.parent) as web:
        there = open_dataset(f"{web.address}/{dataset.name}")
        web.failing = 1_000_000
        with pytest.raises(BrokenFile, match=r"index/train-00000.parquet cannot be read"):
            there.index()


def test_it_is_told_that_a_call_is_made_again() -> None:
    answers = iter((TimeoutError("no answer"), None))

    def call() -> str:
        if error := next(answers):
            raise error
        return "rows"

    with pytest.warns(UserWarning, match="TimeoutError: no answer; retrying in 0 s"):
        assert again(call) == "rows"


@pytest.mark.parametrize("error", [FileNotFoundError("gone"), PermissionError("not yours")])
def test_what_would_fail_again_is_not_tried_again(error: Exception) -> None:
    calls = []

    def call() -> None:
        calls.append(1)
        raise error

    with pytest.raises(type(error)):
        again(call)
    assert len(calls) == 1
