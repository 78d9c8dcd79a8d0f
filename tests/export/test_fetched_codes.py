"""Codes of a dataset on the Hub: training's files come of them as of a folder here."""

import json
import shutil
from pathlib import Path

import pytest

from mico_150k.core.errors import BrokenFile, UnknownConfig
from mico_150k.dataset import codes, layout
from mico_150k.dataset.folder import DatasetFolder

from ..hub import Hub
from ..hub.pushing import NAME, push, write_there
from ..pretokenize.material import add_codes, contents
from .test_codes_export import export

pytest.importorskip("huggingface_hub", minversion="2.0", reason="push needs it")


@pytest.fixture
def built(small: DatasetFolder, tmp_path: Path) -> DatasetFolder:
    """A dataset of its own, with a licence in its card."""
    return DatasetFolder(Path(shutil.copytree(small.path, tmp_path / "mico-150k")))


@pytest.mark.usefixtures("hub")
def test_training_s_files_are_made_of_the_dataset_there_as_here(
    built: DatasetFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codes, "ROWS_A_SHARD", 9)
    push(built)
    with pytest.raises(UnknownConfig, match="dimoo-codes"):
        export(NAME, tmp_path / "to")
    add_codes(built)
    push(built)
    made = []
    for number, dataset in enumerate((built, NAME)):
        to = tmp_path / f"to{number}"
        export(dataset, to)
        made.append({name: data for name, data in contents(to).items() if name not in _NAMED})
    assert made[0] == made[1]
    assert len(built.files(layout.CODES)) > 1


_NAMED = {"export.json", "START.md"}
"""What names the dataset as it was given."""


@pytest.mark.usefixtures("hub")
def test_what_is_fetched_is_compared(built: DatasetFolder, tmp_path: Path, hub: Hub) -> None:
    add_codes(built)
    push(built)
    manifest = json.loads((built.path / layout.MANIFEST).read_text())
    for record in manifest["configs"][layout.CODES].values():
        record["sha256"] = "0" * 64
    write_there(hub, layout.MANIFEST, json.dumps(manifest))
    with pytest.raises(BrokenFile, match="differs from the file in its manifest.json"):
        export(NAME, tmp_path / "again")
    assert not list((tmp_path / "again").rglob("*.parquet*"))
