"""Whose the work folder is: what differs decides, and where codes are there, what made them."""

from pathlib import Path
from typing import Any

import pytest

from mico_150k.core.errors import OutputRefused
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.pretokenize.workspace import Workspace, made_with

IDENTITY: dict[str, Any] = {
    "version": 1, "vq_sha256": "a" * 64, "device": "cuda", "dtype": "fp32", "batch": 64,
    "threads": 0, "sizes": "3:512,320", "output_size": 512, "records": "b" * 64,
    "versions": {"torch": "2.13.0"},
}  # fmt: skip
MADE = made_with(IDENTITY)


def claim(folder: Path, present: dict[str, Any] | None, **how: Any) -> bool:
    workspace = Workspace.of(DatasetFolder(folder), present)
    with workspace.held():
        return workspace.claim({**IDENTITY, **how}, overwrite=False)


@pytest.mark.parametrize(
    "present", [MADE, {**MADE, "device": "cpu", "batch": 1, "threads": 8, "versions": {}}]
)
def test_these_very_codes_are_not_made_again(present: dict[str, Any], tmp_path: Path) -> None:
    assert not claim(tmp_path, present)
    assert not (tmp_path / ".pretokenize" / "work.json").exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [("dtype", "bf16"), ("crop", "none"), ("first_token", 0), ("vq_sha256", "c" * 64),
     ("batch", 1), ("sizes", "512"), ("output_size", 256)],
)  # fmt: skip
def test_codes_that_are_made_otherwise_are_refused_and_what_differs_is_said(
    key: str, value: object, tmp_path: Path
) -> None:
    with pytest.raises(OutputRefused, match=f"has codes (.|\\n)*what differs is {key}\\."):
        claim(tmp_path, {**MADE, key: value})


def test_other_work_that_was_begun_is_refused_unless_the_codes_are_there(tmp_path: Path) -> None:
    assert claim(tmp_path, None, dtype="bf16")
    assert claim(tmp_path, None, dtype="bf16"), "it resumes"
    with pytest.raises(OutputRefused, match="has begun codes (.|\\n)*what differs is dtype"):
        claim(tmp_path, None)
    assert not claim(tmp_path, MADE)
