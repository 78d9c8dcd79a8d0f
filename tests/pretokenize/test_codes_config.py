"""`dimoo-codes` in a dataset folder: loaded, checked and sent as any configuration."""

import os
import shutil
from pathlib import Path

import pytest
from datasets import load_dataset

from mico_150k.card.file import write_card
from mico_150k.core.errors import NotADataset, OutputRefused
from mico_150k.dataset import codes, layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.inspection.check import Finding, check_dataset
from mico_150k.pretokenize import add_config as codes_config
from mico_150k.pretokenize.add_config import CodesConfig
from mico_150k.refine.options import RefineOptions
from mico_150k.refine.refinement import Refinement

from ..hub import Hub
from ..hub.pushing import NAME, push, remote
from .material import MADE_WITH, add_codes, contents, ids, make_codes

pytest.importorskip("huggingface_hub", minversion="2.0", reason="push needs it")


def faults(built: DatasetFolder) -> list[Finding]:
    return [found for found in check_dataset(built) if found.fault]


def test_load_dataset_gives_the_codes_of_every_row(built: DatasetFolder, tmp_path: Path) -> None:
    add_codes(built)
    rows = load_dataset(
        str(built.path), layout.CODES, split="train", cache_dir=str(tmp_path / "cache")
    )
    assert rows["id"][:] == ids(built)
    assert rows[0]["codes"][0] == [10, 11, 12, 13, 14, 15]
    assert (rows[0]["columns"], rows[0]["rows"], rows[0]["sizes"]) == ([3, 2], [2, 4], [96, 96])
    assert "uint16" in str(rows.features["codes"])
    streamed = load_dataset(str(built.path), layout.CODES, split="train", streaming=True)
    assert next(iter(streamed)) == rows[0]


def test_the_manifest_tells_files_checkpoint_and_sizes_and_check_compares_them(
    built: DatasetFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codes, "ROWS_A_SHARD", 9)
    add_codes(built)
    assert not faults(built)
    records = built.manifest["configs"][layout.CODES]
    assert list(records) == [path.name for path in built.files(layout.CODES)]
    assert len(records) > 1
    assert sum(record["rows"] for record in records.values()) == built.manifest["rows"]
    assert all(MADE_WITH.items() <= record.items() for record in records.values())
    damaged = built.files(layout.CODES)[1]
    data = bytearray(damaged.read_bytes())
    data[100] ^= 1
    damaged.unlink()  # it is a link
    damaged.write_bytes(data)
    assert [found.where for found in faults(built)] == [f"{layout.CODES}/{damaged.name}"]


def test_the_card_keeps_it_and_what_was_written_by_hand(built: DatasetFolder) -> None:
    card = built.path / layout.CARD
    card.write_text(card.read_text().replace("about -->\n", "about -->\nMine.\n", 1))
    add_codes(built)
    text = card.read_text()
    assert "Mine." in text
    assert "license: cc-by-nc-4.0" in text
    assert "Lumina-DiMOO: VQ codes instead of images" in text
    assert "is the same sample in every configuration except `dimoo-codes`." in text
    write_card(built)
    assert card.read_text() == text
    assert not faults(built)


def test_other_codes_take_the_place_of_those_before(
    built: DatasetFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codes, "ROWS_A_SHARD", 9)
    add_codes(built)
    monkeypatch.setattr(codes, "ROWS_A_SHARD", 100)
    add_codes(built, first=7)
    assert not faults(built)
    assert len(built.files(layout.CODES)) == 1
    before = contents(built.path)
    add_codes(built, first=7)
    assert contents(built.path) == before


@pytest.mark.parametrize("step", ["link", "write_atomically", "write_json"])
def test_stopped_at_any_step_the_same_again_ends_in_the_same(
    built: DatasetFolder, step: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    add_codes(DatasetFolder(Path(shutil.copytree(built.path, tmp_path / "other" / "mico-150k"))))

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(codes_config, step, stop)
    with pytest.raises(KeyboardInterrupt):
        add_codes(built)
    monkeypatch.undo()
    assert layout.CODES not in built.manifest["configs"]
    leftover = built.path / layout.CODES / "train-00000.parquet.other.partial"
    leftover.parent.mkdir(exist_ok=True)
    leftover.touch()
    add_codes(built)
    assert not faults(built)
    assert contents(built.path) == contents(tmp_path / "other" / "mico-150k")


def test_a_folder_that_cannot_take_it_is_refused_before_anything_is_encoded(
    built: DatasetFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, _: path != built.path)
    with pytest.raises(OutputRefused, match="is not writable"):
        CodesConfig.prepare(built)
    monkeypatch.undo()
    card = built.path / layout.CARD
    card.write_text(card.read_text().replace("# MICo-150K", "# Mine"))
    with pytest.raises(OutputRefused, match="mico card --overwrite"):
        CodesConfig.prepare(built)
    (built.path / layout.MANIFEST).unlink()
    with pytest.raises(NotADataset):
        CodesConfig.prepare(built)


def test_codes_of_a_dataset_that_has_changed_meanwhile_are_not_added(
    built: DatasetFolder, smaller: DatasetFolder
) -> None:
    config = CodesConfig.prepare(built)
    made = make_codes(built)
    shutil.copy(smaller.path / layout.MANIFEST, built.path)
    with pytest.raises(OutputRefused, match="has changed while its images were encoded"):
        config.add(made)
    assert layout.CODES not in built.configs


def test_a_takedown_leaves_the_codes_out_here_and_on_the_hub(
    hub: Hub, built: DatasetFolder, tmp_path: Path
) -> None:
    add_codes(built)
    push(built)
    gone = ids(built)[3]
    (tmp_path / "remove.txt").write_text(f"{gone}\n")
    options = RefineOptions(remove=tmp_path / "remove.txt")
    Refinement.prepare(built.path, tmp_path / "clean", options).run()
    clean = DatasetFolder(tmp_path / "clean")
    assert layout.CODES not in clean.configs
    assert layout.CODES not in clean.manifest["configs"]
    assert not faults(clean)
    push(clean)
    assert not [path for path in remote(hub) if path.startswith(layout.CODES)]
    add_codes(clean)
    push(clean)
    rows = load_dataset(NAME, layout.CODES, split="train", streaming=True)
    assert [row["id"] for row in rows] == ids(clean) == [i for i in ids(built) if i != gone]


def test_a_push_of_other_configurations_of_the_build_keeps_it_on_the_hub(
    hub: Hub, built: DatasetFolder, small: DatasetFolder
) -> None:
    add_codes(built)
    push(built)
    sent = remote(hub)
    assert f"{layout.CODES}/train-00000.parquet" in sent
    push(small)
    assert remote(hub) == sent
    assert next(iter(load_dataset(NAME, layout.CODES, split="train", streaming=True)))["codes"]
