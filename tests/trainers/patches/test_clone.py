"""A patch makes its edits in all files or in none, once, and as a diff that git takes."""

import os
import subprocess
from pathlib import Path

import pytest
from mico_150k.builders import TRAINERS

import mico_150k.trainers.patches
from mico_150k.core.errors import CloneRefused, UnknownConfig
from mico_150k.trainers.patches import PATCHES, get_patch
from mico_150k.trainers.patches.clone import make_changes, plan_changes
from mico_150k.trainers.patches.edit import Edit, Patch

from ...clones import CLONES, contents, write_clone


def git(clone: Path, *arguments: str, given: bytes = b"") -> bytes:
    command = ["git", "-C", str(clone), "-c", "core.autocrlf=false", *arguments]
    return subprocess.run(command, input=given, check=True, capture_output=True).stdout


def patched(clone: Path, model: str) -> list[str]:
    changes = plan_changes(get_patch(model), clone)
    make_changes(changes)
    return [change.file for change in changes]


def diff(clone: Path, model: str) -> bytes:
    return "".join(change.diff for change in plan_changes(get_patch(model), clone)).encode()


def test_each_trainer_has_a_patch_and_its_name_is_its_configurations() -> None:
    files = {path.stem for path in Path(mico_150k.trainers.patches.__path__[0]).glob("[a-z]*.py")}
    assert set(PATCHES) == set(CLONES) == files - {"clone", "edit"}
    assert set(PATCHES) <= set(TRAINERS)
    with pytest.raises(UnknownConfig, match=", ".join(PATCHES)):
        get_patch("flux")


@pytest.mark.parametrize("model", CLONES)
def test_a_second_run_changes_nothing(model: str, tmp_path: Path) -> None:
    clone = write_clone(tmp_path, model)
    before = contents(clone)
    changed = patched(clone, model)
    assert sorted(changed) == sorted(get_patch(model).files)
    after = contents(clone)
    assert {name for name in before if before[name] != after[name]} == set(changed)
    assert patched(clone, model) == []
    assert contents(clone) == after


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("model", CLONES)
def test_git_applies_the_diff_and_takes_it_back(model: str, ends: str, tmp_path: Path) -> None:
    clone = write_clone(tmp_path / "clone", model)
    for path in clone.rglob("*.*"):
        path.write_bytes(path.read_bytes().replace(b"\n", ends.encode()))
    before = contents(clone)
    git(clone, "init", "--quiet")
    found = diff(clone, model)
    assert contents(clone) == before, "a diff changes nothing"
    git(clone, "apply", given=found)
    applied = contents(clone)
    git(clone, "apply", "-R", given=found)
    assert contents(clone) == before
    patched(clone, model)
    assert contents(clone) == applied
    assert diff(clone, model) == b""


def test_odd_ends_of_lines_and_of_the_file_stay_in_the_diff(tmp_path: Path) -> None:
    clone = write_clone(tmp_path, "bagel")
    info = clone / "data/dataset_info.py"
    info.write_text(info.read_text().replace("{},", "{}, # one\x0cline\u2028still\x85so"))
    git(clone, "init", "--quiet")
    found = diff(clone, "bagel")
    assert b"\\ No newline at end of file" in found
    git(clone, "apply", given=found)
    git(clone, "apply", "-R", given=found)


def test_a_patch_that_is_half_there_is_completed(tmp_path: Path) -> None:
    clone = write_clone(tmp_path, "bagel")
    original = contents(clone)
    patched(clone, "bagel")
    whole = contents(clone)
    name = "data/dataset_info.py"
    (clone / name).write_bytes(original[name])
    assert patched(clone, "bagel") == [name]
    assert contents(clone) == whole


@pytest.mark.parametrize("model", CLONES)
def test_a_clone_that_looks_different_is_refused_with_the_place_and_left_alone(
    model: str, tmp_path: Path
) -> None:
    clone = write_clone(tmp_path, model)
    last = get_patch(model).edits[-1]
    path = clone / last.file
    path.write_text(path.read_text().replace(last.old, "something else\n"))
    before = contents(clone)
    with pytest.raises(CloneRefused) as refused:
        plan_changes(get_patch(model), clone)
    assert str(path) in str(refused.value)
    assert last.old in str(refused.value)
    assert contents(clone) == before


def test_a_line_that_only_begins_as_expected_is_not_taken_for_it(tmp_path: Path) -> None:
    clone = write_clone(tmp_path, "omnigen2")
    options = clone / "options/ft.yml"
    options.write_text(options.read_text().replace("512 * 512]", "512 * 512] # mine"))
    with pytest.raises(CloneRefused, match="0 times"):
        plan_changes(get_patch("omnigen2"), clone)


def test_a_line_that_stands_twice_is_refused(tmp_path: Path) -> None:
    clone = write_clone(tmp_path, "dimoo")
    train = clone / "train/train.py"
    train.write_text(train.read_text() * 2)
    with pytest.raises(CloneRefused, match="2 times"):
        plan_changes(get_patch("dimoo"), clone)


@pytest.mark.parametrize(
    ("model", "file", "pasted"),
    [
        ("bagel", "data/interleave_datasets/edit_dataset.py",
         "class MultiInputEditDataset(InterleavedBaseIterableDataset, Other):\n    pass\n"),
        ("bagel", "data/dataset_info.py", "MORE = {\n    'mico-150k': {\n    }\n}\n"),
        ("blip3o", "blip3o/data/dataset.py", "# elif 'mico' in dataset_path.lower():\n"),
        ("dimoo", "train/train.py", '# if isinstance(data_item["user_image"], list) and\n'),
    ],
)  # fmt: skip
def test_the_guides_own_lines_are_named_where_they_were_pasted(
    model: str, file: str, pasted: str, tmp_path: Path
) -> None:
    clone = write_clone(tmp_path, model)
    with (clone / file).open("a") as opened:
        opened.write("\n" + pasted)
    with pytest.raises(CloneRefused, match=r"line \d+: .* by hand"):
        plan_changes(get_patch(model), clone)


def test_another_folder_is_no_clone(tmp_path: Path) -> None:
    with pytest.raises(CloneRefused, match="is not a folder; .* ByteDance-Seed/Bagel"):
        plan_changes(get_patch("bagel"), tmp_path / "nowhere")
    write_clone(tmp_path, "dimoo")
    with pytest.raises(CloneRefused, match="is .* a clone of VectorSpaceLab/OmniGen2"):
        plan_changes(get_patch("omnigen2"), tmp_path)


def test_all_files_change_or_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = write_clone(tmp_path, "bagel")
    before = contents(clone)
    replace = Path.replace
    done: list[Path] = []

    def fails_at_the_second(self: Path, target: Path) -> Path:
        if done:
            raise PermissionError(13, "not allowed", str(target))
        done.append(target)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fails_at_the_second)
    with pytest.raises(CloneRefused, match="not allowed"):
        patched(clone, "bagel")
    assert done
    assert contents(clone) == before


def test_a_file_keeps_its_mode(tmp_path: Path) -> None:
    clone = write_clone(tmp_path, "dimoo")
    (clone / "train/train.py").chmod(0o755)
    patched(clone, "dimoo")
    assert (clone / "train/train.py").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("what", ["a link out", "a FIFO", "a folder"])
def test_only_a_clone_s_own_files_are_read_and_changed(tmp_path: Path, what: str) -> None:
    clone, elsewhere = tmp_path / "clone", tmp_path / "mine.py"
    clone.mkdir()
    elsewhere.write_text("import os\n")
    if what == "a FIFO":
        os.mkfifo(clone / "train.py")
    elif what == "a folder":
        (clone / "train.py").mkdir()
    else:
        (clone / "train.py").symlink_to(elsewhere)
    patch = Patch("x", "a/b", (Edit("train.py", "import os", "import os\nimport sys"),))
    with pytest.raises(CloneRefused, match="train.py"):
        plan_changes(patch, clone)


def test_a_link_within_a_clone_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real.py").write_text("import os\n")
    (tmp_path / "train.py").symlink_to("real.py")
    patch = Patch("x", "a/b", (Edit("train.py", "import os", "import os\nimport sys"),))
    make_changes(plan_changes(patch, tmp_path))
    assert (tmp_path / "train.py").is_symlink()
    assert (tmp_path / "real.py").read_text() == "import os\nimport sys\n"
