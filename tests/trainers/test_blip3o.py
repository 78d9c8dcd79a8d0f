"""`BLIP3o-MICo.json` as the patched clone loads it, and what the clone would do to bad rows."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mico_150k.core.errors import ExportRefused
from mico_150k.trainers.blip3o import is_mico, load_mico
from mico_150k.trainers.patches import get_patch
from mico_150k.trainers.patches.clone import make_changes, plan_changes

from ..clones import write_clone


def row(inputs: int = 2, text: str = "Put it on “the” table.", **more: Any) -> dict[str, Any]:
    images = [f"/images/it’s {number}.png" for number in range(inputs)]
    return {"input_images": images, "output_image": "out/a b.png", "instruction": text, **more}


def write(folder: Path, rows: Any) -> Path:
    path = folder / "BLIP3o-MICo.json"
    path.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    return path


@pytest.mark.slow
def test_the_patched_clone_loads_the_export_and_goes_its_own_way_for_others(
    tmp_path: Path,
) -> None:
    clone = write_clone(tmp_path / "clone", "blip3o")
    make_changes(plan_changes(get_patch("blip3o"), clone))
    path = write(tmp_path, [row(1), row(4)])
    script = f"""if True:
        from blip3o.data.dataset import LazySupervisedMixDataset
        names = ["mico", {str(path)!r}, "/mico/metaquery", "/mico/shards/*.tar"]
        found = LazySupervisedMixDataset(names, [1, 3, 1, 1]).tables
        print(len(found[0]), len(found[1]), found[2:])
    """
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=clone, check=False, capture_output=True, text=True,
        env={"PATH": "", "HOME": str(tmp_path), "MICO_150K_DATA": str(tmp_path)},
    )  # fmt: skip
    assert not done.returncode, done.stderr
    assert done.stdout.splitlines()[-1] == "2 6 ['another', 'tar files']"
    assert "loaded MICo-150K with  2  samples" in done.stdout


def test_the_columns_are_those_of_the_clones_other_branches(tmp_path: Path) -> None:
    table = load_mico(str(write(tmp_path, [row(2), row(3)])))
    assert table[1] == {
        "image_path": str(tmp_path / "out/a b.png"),
        "input_images_paths": [f"/images/it’s {number}.png" for number in range(3)],
        "input_images": [],
        "txt": "Put it on “the” table.",
        "type": "X2I_nano_banana",
        "image": None,
    }


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("mico", True),
        ("MICo", True),
        ("/a/b/BLIP3o-MICo.json", True),
        ("/home/mico/nano_banana/a.jsonl", False),
        ("/data/mico/*.tar", False),
        ("", False),
    ],
)
def test_only_our_own_names_are_ours(name: str, ours: bool) -> None:
    assert is_mico(name) is ours


@pytest.mark.parametrize(
    "bad",
    [row(5), row(0), row(text="Put <image> there."), {"input_images": []}, "text"],
)
def test_what_the_clone_would_cut_or_break_is_an_error_with_its_row(
    bad: Any, tmp_path: Path
) -> None:
    with pytest.raises(ExportRefused, match=r"BLIP3o-MICo.json, row 1: "):
        load_mico(str(write(tmp_path, [row(), bad])))


def test_a_missing_export_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MICO_150K_DATA", raising=False)
    with pytest.raises(ExportRefused, match="set MICO_150K_DATA"):
        load_mico("mico")
    monkeypatch.setenv("MICO_150K_DATA", str(tmp_path))
    with pytest.raises(ExportRefused, match="BLIP3o-MICo.json: no such file"):
        load_mico("mico")
