"""`check --remote`: everything that differs from what a push makes is named."""

import shutil
import signal
from pathlib import Path

import pytest

from mico_150k.api.check import check_dataset
from mico_150k.api.push import push_dataset
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.hub.repository import Repository
from mico_150k.hub.verify import check_remote
from mico_150k.inspection.check import Finding

from ..factories import encode, picture
from . import Hub
from .folders import write_quarantine
from .pushing import (
    NAME,
    QUICK,
    TWO,
    edit_there,
    push,
    small_file,
    write_there,
)

pytest.importorskip("huggingface_hub", minversion="2.0", reason="push needs it")

pytestmark = pytest.mark.usefixtures("hub")


@pytest.fixture
def pushed(small: DatasetFolder, tmp_path: Path) -> DatasetFolder:
    """A dataset that is on the Hub, with a picture and a quarantine."""
    copy = DatasetFolder(Path(shutil.copytree(small.path, tmp_path / "mico-150k")))
    (copy.path / layout.ASSETS).mkdir()
    (copy.path / layout.ASSETS / layout.PLOTS).write_bytes(encode(picture()))
    write_quarantine(copy.path)
    push(copy)
    return copy


def check(folder: DatasetFolder) -> tuple[set[tuple[str, str]], list[Finding]]:
    """What is wrong, and all that was found."""
    findings = list(check_remote(Repository(NAME, QUICK), "main", folder))
    return {(found.where, found.what) for found in findings if found.fault}, findings


def test_after_a_push_nothing_differs(pushed: DatasetFolder) -> None:
    faults, findings = check(pushed)
    assert not faults
    said = {found.where: found.what for found in findings}
    assert said["README.md"] == "with the expected text"
    small = "manifest.json, report.json, quarantine.jsonl, assets/plots.png"
    assert said[small] == "with the same content as the local files"


def test_a_repository_is_checked_by_its_id_and_no_shard_is_fetched_whole(
    hub: Hub, pushed: DatasetFolder
) -> None:
    hub.sent = 0
    findings = list(check_dataset(NAME))
    assert not [found for found in findings if found.fault]
    (files,) = [found.what for found in findings if found.where == layout.MANIFEST]
    assert files.endswith("each with its SHA-256")
    shards = [path for config in pushed.configs for path in pushed.files(config)]
    assert hub.sent < sum(path.stat().st_size for path in shards)


@pytest.mark.usefixtures("hub", "pushed")
def test_a_shard_that_was_changed_on_the_hub_is_found_by_its_id(hub: Hub) -> None:
    write_there(hub, "default/train-00000.parquet", "PAR1")
    found = {(one.where, one.fault) for one in check_dataset(f"hf://datasets/{NAME}")}
    assert ("default/train-00000.parquet", True) in found


def test_push_dataset_is_what_the_command_does(small: DatasetFolder) -> None:
    made = push_dataset(small.path, NAME, configs=TWO, license="mit")
    assert repr(made).startswith(f"<PushResult {made.url} at {made.commit[:8]}: ")
    again = push_dataset(small.path, f"hf://datasets/{NAME}", configs=TWO)
    assert (again.commit, again.files) == (made.commit, 0)
    assert not [found for found in check_dataset(small.path, remote=NAME) if found.fault]


def test_some_configurations_of_a_build_are_compared_as_they_were_pushed(
    small: DatasetFolder,
) -> None:
    push(small, configs=TWO)
    faults, findings = check(small)
    assert not faults
    assert ("default", "not on the Hub, and not in its card") in {
        (found.where, found.what) for found in findings
    }
    push(small, configs=("default",))
    assert not check(small)[0]


def test_another_build_is_told_by_what_differs(
    small: DatasetFolder, smaller: DatasetFolder
) -> None:
    push(small, configs=TWO)
    faults, _ = check(smaller)
    (what,) = [what for where, what in faults if where == layout.MANIFEST]
    assert what.startswith("on the Hub differs in ")
    assert {"build", "rows", "shards"} <= set(what.partition(" in ")[2].split(", "))


@pytest.mark.parametrize(
    ("name", "before", "after", "said"),
    [
        (layout.MANIFEST, '"seed": 0', '"seed": 1', "on the Hub differs in build"),
        (layout.MANIFEST, "\n", "\n\n", "on the Hub differs in formatting"),
        (layout.MANIFEST, "{", "", "on the Hub is not a manifest of mico-150k"),
        (layout.REPORT, '"rows": 24', '"rows": 25', "differs on the Hub from the local file"),
        (layout.QUARANTINE, "hoi/7", "hoi/8", "differs on the Hub from the local file"),
        (
            layout.CARD,
            "24 rows were read",
            "25 rows were read",
            "was changed on the Hub outside of",
        ),
        (layout.CARD, "default: true", "default: false", "was changed on the Hub outside of its"),
        (
            layout.CARD,
            "num_examples: 24",
            "num_examples: 7",
            "says 7 rows of default, train; there",
        ),
    ],
)
def test_a_small_file_that_was_changed_is_a_fault(
    hub: Hub, pushed: DatasetFolder, name: str, before: str, after: str, said: str
) -> None:
    edit_there(hub, name, (before, after))
    faults, _ = check(pushed)
    assert [what for where, what in faults if where == name and what.startswith(said)]


def test_a_picture_that_was_changed_is_a_fault_and_what_people_add_is_told(
    hub: Hub, pushed: DatasetFolder
) -> None:
    write_there(hub, f"{layout.ASSETS}/{layout.PLOTS}", "no picture")
    write_there(hub, "notes.txt", "hi")
    write_there(hub, "raw/x.parquet", "hi")
    about = "<!-- by hand: about -->\n"
    edit_there(hub, layout.CARD, (about, f"{about}Theirs.\n"))
    faults, findings = check(pushed)
    assert faults == {(f"{layout.ASSETS}/{layout.PLOTS}", "differs on the Hub from the local file")}
    told = {(found.where, found.what) for found in findings}
    assert ("notes.txt, raw/x.parquet", "added by hand, not part of this dataset") in told


@pytest.mark.parametrize(
    "path", ["bagel/notes.txt", "index/x.parquet", "bagel/train-00099.parquet", "bench/a/b.json"]
)
def test_a_foreign_file_in_a_configurations_folder_is_a_fault(
    hub: Hub, pushed: DatasetFolder, path: str
) -> None:
    write_there(hub, path, "hi")
    assert (path, "is on the Hub, but not part of this dataset") in check(pushed)[0]


def test_what_was_left_out_here_and_is_there_is_a_fault(
    hub: Hub, pushed: DatasetFolder, small: DatasetFolder
) -> None:
    faults, _ = check(small)
    for path in (layout.QUARANTINE, f"{layout.ASSETS}/{layout.PLOTS}"):
        assert (path, "is on the Hub, but not part of this dataset") in faults
    assert small_file(hub, layout.QUARANTINE) == (pushed.path / layout.QUARANTINE).read_text()


def test_an_unfinished_push_is_told(hub: Hub, pushed: DatasetFolder) -> None:
    hub.repositories[NAME].commit("main", {}, "gone", delete=(layout.MANIFEST,))
    assert check(pushed)[0] == {(layout.MANIFEST, "is missing on the Hub: no push has finished")}


def test_a_script_named_like_the_repository_is_a_fault_and_does_not_run(
    hub: Hub, pushed: DatasetFolder
) -> None:
    write_there(hub, "mico-150k.py", "raise SystemExit\n")
    faults, _ = check(pushed)
    assert any(where == "mico-150k.py" and "named like the repository" in w for where, w in faults)
    assert signal.alarm(0) == 0, "`datasets` before 4 was let ask whether to run the script"
