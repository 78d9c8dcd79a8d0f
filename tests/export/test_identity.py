"""An export's identity: written out key by key, so that renaming a class changes nothing."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from mico_150k.builders import TRAINERS

from mico_150k.core.identity import json_sha256
from mico_150k.dataset.reader import Dataset
from mico_150k.dataset.selection import Selection
from mico_150k.export import job
from mico_150k.export.job import ExportJob, ExportOptions
from mico_150k.export.limits import Fitted

from ..renaming import renamed

IDENTITY_SHA256 = "01ee868e949e8bc15ea0616624573af4fbeec77434473c3afd17e20ec1aff486"
SELECTION = Selection(where="num_inputs <= 3", limit=2)


def identity(monkeypatch: pytest.MonkeyPatch, options: Any, fitted: Any) -> dict[str, Any]:
    monkeypatch.setattr(job, "__version__", "0")
    index = {"train-00000.parquet": {"sha256": "ab"}}
    dataset = Dataset.of_folder(Path("mico-150k"), {"configs": {"index": index}})
    return ExportJob(dataset, TRAINERS["blip3o"], fitted, options, Path("out")).identity()


def fitted() -> Fitted:
    return Fitted(pa.table({"id": ["hoi/1", "hoi/2"]}), (1, 2), 2, 0, {}, {})


def test_an_export_has_the_identity_that_it_had(monkeypatch: pytest.MonkeyPatch) -> None:
    found = identity(monkeypatch, ExportOptions(SELECTION), fitted())
    assert (found["version"], found["versions"]) == (2, {"mico-150k": "0"})
    assert json_sha256(found) == IDENTITY_SHA256


def test_renamed_classes_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Selection.to_dict(renamed(SELECTION))
    options = renamed(ExportOptions(SimpleNamespace(to_dict=lambda: plain)))  # type: ignore[arg-type]
    assert json_sha256(identity(monkeypatch, options, renamed(fitted()))) == IDENTITY_SHA256


def test_other_rows_are_another_export(monkeypatch: pytest.MonkeyPatch) -> None:
    other = Fitted(pa.table({"id": ["hoi/1"]}), (1,), 1, 0, {}, {})
    found = identity(monkeypatch, ExportOptions(SELECTION), other)
    assert json_sha256(found) != IDENTITY_SHA256
