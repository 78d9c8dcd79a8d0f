"""A smoke test finds nothing wrong where nothing is, and each defect by a line that helps."""

import json
import subprocess
from pathlib import Path

import pytest

from mico_150k.core.errors import CloneRefused, NotAnExport, UnknownConfig, UsageError
from mico_150k.smoke import workspace
from mico_150k.smoke.finding import Outcome
from mico_150k.smoke.run import SmokeTest

from .tiny import CLONE, Tiny, give_model, give_vae, make_tiny, outcomes, tree


@pytest.fixture
def tiny(tmp_path: Path, dataset: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    return make_tiny(tmp_path, dataset, monkeypatch)


@pytest.fixture
def ready(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """The same, with its models."""
    give_model(tiny, monkeypatch)
    give_vae(tiny)
    return tiny


def test_nothing_is_wrong_where_all_is_there(ready: Tiny) -> None:
    findings = {finding.subject: finding for finding in ready.run()}
    assert list(findings) == [
        "clone", "cuda_only", "imports", "train.sh", "rows", "step", "checkpoint", "disk", "GPUs",
        "the model", "the VAE",
    ]  # fmt: skip
    not_right = [name for name, found in findings.items() if found.outcome is not Outcome.RIGHT]
    assert not_right == ["cuda_only", "GPUs"]
    assert findings["imports"].what.startswith("1 package that its code imports")
    assert "takes its 4 options" in findings["train.sh"].what
    assert "reads the first 4" in findings["rows"].what
    assert "stand-in for the tokenizer" in findings["rows"].what
    assert "24 records for steps of 4 (batch 2 × processes 2)" in findings["step"].what
    assert "train.sh starts 2 processes" in findings["GPUs"].what


def test_neither_clone_nor_export_is_written_to(
    ready: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTPUT", str(ready.root / "new"))  # train.sh would make it
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    folders = (ready.clone, ready.export, ready.root / "env", ready.root / "huggingface")
    before = [tree(folder) for folder in folders]
    assert not [finding for finding in ready.run() if finding.is_wrong]
    assert [tree(folder) for folder in folders] == before
    assert sorted(path.name for path in ready.root.iterdir()) == [
        "clone", "env", "export", "huggingface", "known", "model",
    ]  # fmt: skip


def test_what_is_not_there_is_not_checked(tiny: Tiny) -> None:
    findings = tiny.run()
    assert Outcome.WRONG not in outcomes(findings)
    by_subject = {finding.subject: finding for finding in findings}
    model, vae = by_subject["the model"], by_subject["the VAE"]
    assert model.outcome is vae.outcome is Outcome.NOT_CHECKED
    assert "MODEL=PATH" in model.todo
    assert "some/vae is not in the Hub's cache" in vae.what
    for word in ("accept its license", "hf auth login", "hf download some/vae --include 'vae/*'"):
        assert word in vae.todo


def test_a_package_that_is_missing(ready: Tiny) -> None:
    ready.package.unlink()
    wrong = ready.wrong()
    assert "`import needed` (train/run.py, line 2) fails: ModuleNotFound" in wrong["needed"].what
    assert wrong["needed"].todo == "pip install needed==1.2"
    assert "cannot be run" in wrong["train.sh"].what


def test_a_package_of_another_version(ready: Tiny) -> None:
    ready.edit(ready.clone / "train/run.py", "import needed", "from needed import newer")
    wrong = ready.wrong()["needed"]
    assert "cannot import name 'newer' from 'needed'" in wrong.what
    assert "versions" in wrong.todo


def test_a_package_that_ends_python(ready: Tiny) -> None:
    ready.package.write_text("import os\nos.abort()\n")
    wrong = ready.wrong()["imports"]
    assert "Python stopped at `import needed`" in wrong.what
    assert "SIGABRT" in wrong.what


def test_a_package_that_needs_a_gpu_has_a_stand_in(ready: Tiny) -> None:
    script = ready.clone / "train/run.py"
    ready.edit(script, "import needed", "import needed\nfrom cuda_only.layers import Fast\nFast(1)")
    findings = {finding.subject: finding for finding in ready.run()}
    assert findings["cuda_only"].outcome is Outcome.NOT_CHECKED
    assert "pip install cuda-only" in findings["cuda_only"].todo
    assert findings["train.sh"].outcome is findings["rows"].outcome is Outcome.RIGHT


def test_a_download_at_an_import_is_not_checked(ready: Tiny) -> None:
    ready.package.write_text(
        "class LocalEntryNotFoundError(FileNotFoundError):\n    pass\n\n"
        'raise LocalEntryNotFoundError("no cached copy")\n'
    )
    findings = {finding.subject: finding for finding in ready.run()}
    assert findings["needed"].outcome is findings["train.sh"].outcome is Outcome.NOT_CHECKED


@pytest.mark.parametrize("is_importable", [True, False])
def test_a_flag_that_is_misspelled(ready: Tiny, *, is_importable: bool) -> None:
    ready.edit(ready.export / "train.sh", "--batch 2", "--bach 2")
    if not is_importable:  # then the flags' names are compared
        ready.package.unlink()
    found = [finding for finding in ready.run() if finding.is_wrong and "--bach" in finding.what]
    assert [finding.subject for finding in found] == ["train.sh"]


def test_a_launcher_that_does_not_take_its_arguments(ready: Tiny) -> None:
    ready.edit(ready.export / "train.sh", "--num_processes", "--num_procs")
    wrong = ready.wrong()["train.sh"]
    assert "accelerate does not take its arguments" in wrong.what
    assert "--num_procs" in wrong.what


def test_a_launcher_that_is_not_installed(ready: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    ready.python.with_name("accelerate").unlink()
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert ready.wrong()["train.sh"].what == "there is no accelerate"


def test_a_script_that_starts_another(ready: Tiny) -> None:
    ready.edit(ready.export / "train.sh", "train/run.py", "train/go.py")
    assert "does not start train/run.py" in ready.wrong()["train.sh"].what


def test_a_script_that_stops(ready: Tiny) -> None:
    ready.edit(ready.export / "train.sh", 'cd "$TINY"', 'echo "too few rows" >&2; exit 3')
    assert ready.wrong()["train.sh"].what.endswith("starts the trainer: too few rows")


def test_another_export_s_checkpoint(ready: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    own = ready.clone / f"out/mico-{ready.exported.token}" / "step-20"
    own.mkdir(parents=True)
    assert ready.find("checkpoint").what.endswith(f"resumes this export's own: {own}")
    (ready.root / "first" / "step-100").mkdir(parents=True)
    monkeypatch.setenv("OUTPUT", "first")
    wrong = ready.wrong()["checkpoint"]
    assert str(ready.root / "first" / "step-100") in wrong.what
    assert "OUTPUT" in wrong.todo


def test_too_few_rows(ready: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPUS", "13")
    wrong = ready.wrong()["step"]
    assert "a step takes 26 records (batch 2 × processes 13), and the export has 24" in wrong.what
    monkeypatch.setenv("GPUS", "12")
    assert not ready.wrong()


def test_a_model_that_is_missing(ready: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    (ready.root / "model" / "weights.bin").unlink()
    assert "model has no *.bin" in ready.wrong()["the model"].what
    monkeypatch.setenv("MODEL", "nowhere")
    assert "nowhere" in ready.wrong()["train.sh"].what


def test_a_disk_that_is_too_small(ready: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mico_150k.smoke.check_training.free_space", lambda _: 10)
    found = ready.find("disk")
    assert found.outcome is Outcome.NOT_CHECKED  # of this machine, on which nothing is trained
    put_gpu(ready)
    assert "OUTPUT" in ready.wrong()["disk"].todo


def put_gpu(ready: Tiny) -> None:
    """Let the trainer's Python see one."""
    (ready.package.parent / "torch.py").write_text(
        "class cuda:\n    is_available = staticmethod(lambda: True)\n"
        "    device_count = staticmethod(lambda: 1)\n"
        "    get_device_name = staticmethod(lambda n: 'a GPU')\n"
    )


def test_fewer_gpus_than_train_sh_starts(ready: Tiny) -> None:
    put_gpu(ready)
    wrong = ready.wrong()["GPUs"]
    assert "train.sh starts 2 processes, and there are 1 (a GPU)" in wrong.what
    assert wrong.todo.startswith("GPUS=1 ")


def test_rows_that_are_not_the_export_s(ready: Tiny) -> None:
    data = ready.clone / "lib/data.py"
    ready.edit(data, 'for path in row["sources"]]', 'for path in row["sources"][1:]]')
    assert "inputs 1 of 2" in ready.wrong()["rows"].what
    ready.edit(data, 'row["text"]', '"x"')
    assert "row 0: another text" in ready.wrong()["rows"].what


def test_rows_that_cannot_be_read(ready: Tiny) -> None:
    record = json.loads((ready.export / "tiny.jsonl").read_text().splitlines()[1])
    Path(record["target"]).unlink()
    assert "FileNotFoundError" in ready.wrong()["rows"].what


def test_an_export_that_was_moved(ready: Tiny) -> None:
    moved = ready.root / "moved"
    ready.export.rename(moved)
    ready.export.mkdir()
    findings = SmokeTest.prepare("tiny", ready.clone, moved, ready.python).run()
    first = next(iter(findings))
    assert first.is_wrong
    assert first.todo == f"mico relocate {moved}"


def test_a_clone_of_another_commit_is_said(ready: Tiny) -> None:
    git = ["git", "-C", str(ready.clone), "-c", "user.name=x", "-c", "user.email=x"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run([*git, *words], check=True)
    found = ready.find("clone")
    assert found.outcome is Outcome.RIGHT
    assert "00000000 is the one known to work" in found.what


def test_what_is_no_clone_ends_it(ready: Tiny) -> None:
    (ready.clone / "lib/data.py").unlink()
    (found,) = ready.run()
    assert found.is_wrong
    assert "has no lib/data.py" in found.what


def test_a_clone_with_a_dataset_in_it_is_refused(
    ready: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workspace, "MOST_FILES", len(CLONE) - 1)
    with pytest.raises(CloneRefused, match="too many for a clone"):
        ready.run()


def test_what_cannot_be_tested_at_all(ready: Tiny) -> None:
    with pytest.raises(UsageError, match="export for tiny, and not for bagel"):
        SmokeTest.prepare("bagel", ready.clone, ready.export)
    with pytest.raises(NotAnExport):
        SmokeTest.prepare("tiny", ready.clone, ready.clone)
    with pytest.raises(CloneRefused, match="not a folder"):
        SmokeTest.prepare("tiny", ready.root / "none", ready.export)
    with pytest.raises(UsageError, match="--python"):
        SmokeTest.prepare("tiny", ready.clone, ready.export, ready.root / "none")
    (ready.root / "known" / "facts" / "tiny.yaml").unlink()
    with pytest.raises(UnknownConfig, match="no facts about 'tiny'"):
        SmokeTest.prepare("tiny", ready.clone, ready.export)


def test_a_checkpoint_that_train_sh_would_refuse(ready: Tiny) -> None:
    known = ready.root / "known/facts/tiny.yaml"
    ready.edit(known, "gigabytes: 0.001", "gigabytes: 0.001, resumes: false")
    (ready.clone / f"out/mico-{ready.exported.token}/step-20").mkdir(parents=True)
    assert "train.sh would stop" in ready.wrong()["checkpoint"].what
