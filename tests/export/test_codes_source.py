"""Codes of a dataset, here or on the Hub: training's files come of them as of a codes folder."""

import json
from pathlib import Path

import pytest

from mico_150k.core.errors import BrokenFile, NotADataset, UnknownConfig
from mico_150k.dataset import codes, layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.export.codes_export import export_codes
from mico_150k.export.codes_records import RecordOptions

from ..hub import Hub
from ..hub.pushing import NAME, push, write_there
from ..pretokenize.material import add_codes, contents

pytest.importorskip("huggingface_hub", minversion="2.0", reason="push needs it")


@pytest.mark.usefixtures("hub")
def test_training_s_files_are_made_of_the_dataset_as_of_the_codes(
    built: DatasetFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codes, "ROWS_A_SHARD", 9)
    with pytest.raises(NotADataset, match="no dimoo-codes in it"):
        export_codes(str(built.path), tmp_path / "to", RecordOptions())
    push(built)
    with pytest.raises(UnknownConfig, match="dimoo-codes"):
        export_codes(NAME, tmp_path / "to", RecordOptions())
    add_codes(built)
    push(built)
    made = []
    for number, location in enumerate((built.path, f"{built.path}-codes", NAME)):
        to = tmp_path / f"to{number}"
        export_codes(str(location), to, RecordOptions())
        made.append(contents(to))
    fetched = {name for name in made[2] if layout.CODES in name}
    assert len(fetched) == len(built.files(layout.CODES)) > 1
    assert made[0] == made[1] == {k: v for k, v in made[2].items() if k not in fetched}


@pytest.mark.usefixtures("hub")
def test_what_is_fetched_is_compared_and_not_fetched_twice(
    built: DatasetFolder, tmp_path: Path, hub: Hub
) -> None:
    add_codes(built)
    push(built)
    export_codes(NAME, tmp_path / "to", RecordOptions())
    fetched = tmp_path / "to" / "codes" / layout.CODES / "train-00000.parquet"
    before = contents(tmp_path / "to"), fetched.stat().st_mtime_ns
    (fetched.with_name("train-00001.parquet.killed.partial")).touch()
    export_codes(NAME, tmp_path / "to", RecordOptions())
    assert (contents(tmp_path / "to"), fetched.stat().st_mtime_ns) == before
    manifest = json.loads((built.path / layout.MANIFEST).read_text())
    manifest["configs"][layout.CODES][fetched.name]["sha256"] = "0" * 64
    write_there(hub, layout.MANIFEST, json.dumps(manifest))
    with pytest.raises(BrokenFile, match="not the file that its manifest.json tells of"):
        export_codes(NAME, tmp_path / "again", RecordOptions())
    assert not list((tmp_path / "again").rglob("*.parquet*"))
