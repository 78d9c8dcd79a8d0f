"""The twin of `mico export` and `mico relocate` does what the command does."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from mico_150k.builders import TAKEN

from mico_150k.api.export import export_dataset, relocate_export
from mico_150k.core.errors import NotAnExport, UnknownConfig, UsageError
from mico_150k.core.progress import Progress
from mico_150k.dataset.reader import open_dataset
from mico_150k.export.folder import EXPORT
from mico_150k.export.forecast import ExportForecast

from ..commands import DONE, Mico, runner
from ..folders import contents
from ..pretokenize.material import add_codes, write_dataset

WHERE = "num_inputs <= 3"
KINDS: dict[str, tuple[str, list[str], dict[str, Any]]] = {
    "paths": (
        "blip3o",
        ["--where", WHERE, "--sample", "9", "--seed", "1", "--over-limit", "truncate"],
        {"where": WHERE, "sample": 9, "seed": 1, "over_limit": "truncate"},
    ),
    "images": (
        "dimoo",
        ["--format", "images", "--limit", "5", "--max-inputs", "2", "--images", "shared"],
        {"format": "images", "limit": 5, "max_inputs": 2, "images": "shared"},
    ),
    "shards": (
        "bagel",
        ["--ranks", "3", "--num-workers", "2"],
        {"ranks": 3, "num_workers": 2},
    ),
    "codes": (
        "dimoo",
        ["--system-prompt", "Do.", "--max-seq-len", "3000", "--seed", "2"],
        {"system_prompt": "Do.", "max_seq_len": 3000, "seed": 2},
    ),
}
"""A trainer, and the same options for the command and its twin."""


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with codes."""
    made = write_dataset(tmp_path_factory.mktemp("coded") / "mico-150k")
    add_codes(made)
    return made.path


@pytest.fixture
def mico(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Mico:
    return runner(tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("kind", KINDS)
def test_the_twin_returns_and_writes_what_the_command_does(
    kind: str, dataset: Path, coded: Path, tmp_path: Path, mico: Mico
) -> None:
    trainer, words, options = KINDS[kind]
    source = coded if kind == "codes" else dataset
    done = mico("export", trainer, source, "--out", "out", *words, "--json")
    assert done.returncode == DONE, done.stderr
    told, written = json.loads(done.stdout), contents(tmp_path)
    for path in tmp_path.iterdir():
        shutil.rmtree(path)
    exported = export_dataset(trainer, source, "out", **options)
    assert asdict(exported) == told
    assert exported.rows
    assert contents(tmp_path) == written
    # Of an open dataset as well: it is finished, and nothing is written again.
    assert export_dataset(trainer, open_dataset(source), Path("out"), **options) == exported


def test_without_a_folder_it_is_in_place(dataset: Path, tmp_path: Path, mico: Mico) -> None:
    shutil.copytree(dataset, tmp_path / "mico-150k")
    done = mico("export", "bagel", "mico-150k", "--in-place", "--ranks", "1", "--json")
    written = contents(tmp_path)
    exported = export_dataset("bagel", "mico-150k", ranks=1)
    assert asdict(exported) == json.loads(done.stdout)
    assert contents(tmp_path) == written


def test_moved_exports_are_followed_as_the_command_does(
    dataset: Path, tmp_path: Path, mico: Mico
) -> None:
    for trainer in ("omnigen2", "bagel"):
        export_dataset(trainer, dataset, tmp_path / "before")
        (tmp_path / "before").rename(tmp_path / trainer)
        done = mico("relocate", trainer, "--json")
        written = contents(tmp_path / trainer)
        (tmp_path / trainer).rename(tmp_path / "before")
        relocate_export(tmp_path / "before")
        (tmp_path / "before").rename(tmp_path / trainer)
        exported = relocate_export(trainer)
        assert asdict(exported) == json.loads(done.stdout)
        assert contents(tmp_path / trainer) == written
        with pytest.raises(NotAnExport if trainer == "omnigen2" else UsageError, match="images"):
            relocate_export(trainer, images="nowhere")


def test_progress_and_the_forecast_are_told(dataset: Path, tmp_path: Path) -> None:
    done: list[Progress] = []
    forecasts: list[ExportForecast] = []
    exported = export_dataset(
        "blip3o", dataset, tmp_path / "out", on_progress=done.append, on_forecast=forecasts.append
    )
    assert done[-1].rows == done[-1].total_rows == exported.rows
    [forecast] = forecasts
    assert (forecast.chosen, forecast.rows) == (exported.rows_chosen, exported.rows)


@pytest.mark.parametrize(
    ("trainer", "options", "message"),
    [
        ("bagel", {"max_seq_len": 9}, "BAGEL has no option max_seq_len: its .* ranks, num_workers"),
        ("blip3o", {"ranks": 9}, "BLIP3o-Next has no option ranks: it has none"),
        ("omnigen2", {"format": "images"}, "format='images': OmniGen2 reads one kind"),
        ("dimoo", {"format": "pickles"}, "format='pickles': Lumina-DiMOO has images or codes"),
        (
            "dimoo",
            {"format": "images", "tokenizer": "x"},
            "with format='images' has no .*tokenizer",
        ),
        ("dimoo", {"format": "codes", "max_seq_len": 0}, "max_seq_len=0 must be at least 1"),
        ("dimoo", {"format": "codes", "max_seq_len": "9"}, "max_seq_len='9' is not of type int"),
        ("dimoo", {"format": "codes", "images": "x"}, "codes: --images does not apply"),
        ("dimoo", {}, "mico pretokenize .* --vq .*mico export dimoo .* --format images"),
        ("bagel", {"ranks": True}, "ranks=True is not of type int"),
        ("bagel", {"num_workers": 2}, "num_workers needs ranks"),
        ("bagel", {"ranks": 0}, "ranks=0 must be at least 1"),
        ("bagel", {"ranks": 8, "num_workers": 0}, "num_workers=0 must be at least 1"),
        ("bagel", {"images": "x"}, "from Parquet: --images does not apply"),
        ("bagel", {"over_limit": "keep"}, "over_limit='keep' must be drop or error or truncate"),
        ("bagel", {"sample": 0}, "sample=0 must be at least 1"),
        ("bagel", {"max_inputs": 1.5}, "max_inputs=1.5 must be at least 1"),
        ("mine", {}, "'mine' is not a known trainer"),
    ],
)
def test_what_has_no_effect_is_refused_by_its_name(
    trainer: str, options: dict[str, Any], message: str, dataset: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=f"(?s){message}"):
        export_dataset(trainer, dataset, tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())


def test_only_a_trainer_that_reads_parquet_is_exported_in_place(dataset: Path) -> None:
    before = contents(dataset)
    with pytest.raises(UsageError, match="needs files of its own"):
        export_dataset("omnigen2", dataset)
    with pytest.raises(UnknownConfig, match="dimoo-codes"):
        export_dataset("dimoo", dataset, format="codes")
    assert contents(dataset) == before


@pytest.mark.parametrize(
    "options",
    [
        {"ranks": "$(touch mine)", "num_workers": 1},
        {"ranks": -1, "num_workers": 1},
        {"ranks": 1, "num_workers": 1, "more": 1},
        {"ranks": 1},
        None,
        [1],
    ],
)
def test_options_that_no_export_has_written_do_not_reach_a_launch_script(
    options: object, dataset: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    export_dataset("bagel", dataset, out, ranks=2)
    told = json.loads((out / EXPORT).read_text())
    told["identity"]["options"] = options
    (out / EXPORT).write_text(json.dumps(told))
    before = contents(out)
    with pytest.raises(NotAnExport, match="xport again"):
        relocate_export(out)
    assert contents(out) == before


def test_no_trainer_can_take_the_name_of_an_argument() -> None:
    assert export_dataset.__kwdefaults__.keys() <= TAKEN
