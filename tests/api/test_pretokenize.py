"""`pretokenize_dataset` and `mico pretokenize` make the same codes."""

import shutil
from pathlib import Path

import pytest

import mico_150k
from mico_150k.core.errors import UsageError
from mico_150k.dataset.folder import DatasetFolder

from ..commands import DONE, runner
from ..folders import contents
from ..pretokenize.material import VQ_EXTRA, write_vq


@pytest.mark.slow
def test_pretokenize_dataset(
    small: DatasetFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("diffusers", reason=VQ_EXTRA)
    write_vq(tmp_path / "vq")
    for name in ("said", "made"):
        shutil.copytree(small.path, tmp_path / name)
    options = ("--device", "cpu", "--sizes", "2:96,64", "--output-size", 128)
    mico = runner(tmp_path, monkeypatch, capsys)
    assert mico("pretokenize", "said", "--vq", "vq", *options).returncode == DONE
    counted: list[tuple[int, int]] = []
    made = mico_150k.pretokenize_dataset(
        tmp_path / "made", str(tmp_path / "vq"), device="cpu", sizes="2:96,64", output_size=128,
        on_encoded=lambda done, total: counted.append((done, total)),
    )  # fmt: skip
    assert counted[-1] == (made.encodings, made.encodings)
    said = contents(tmp_path / "said" / "dimoo-codes")
    assert contents(tmp_path / "made" / "dimoo-codes") == said


@pytest.mark.parametrize(
    ("wrong", "said"), [({"device": "cuda:0,cpu"}, "of one kind"), ({"dtype": "int8"}, "--dtype")]
)
def test_what_cannot_be_is_refused(small: DatasetFolder, wrong: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        mico_150k.pretokenize_dataset(small.path, "vq", **wrong)  # type: ignore[arg-type]
