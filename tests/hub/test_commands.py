"""The commands around the Hub as a person runs them: what they print, and how they end."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mico_150k.card.file import License, write_card
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder

from ..commands import Mico, runner
from . import Hub
from .repository import Entry

pytest.importorskip("huggingface_hub", minversion="2.0", reason="push needs it")

NAME = "user/mico-150k"
SCRIPTS = Path(__file__).parent.parent.parent / "scripts"


@pytest.fixture
def folder(dataset: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(dataset, tmp_path / "mico-150k"))


@pytest.fixture
def mico(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Mico:
    """Runs the command line beside the folder."""
    return runner(folder.parent, monkeypatch, capsys)


def test_push_then_check_then_push_again(hub: Hub, folder: Path, mico: Mico) -> None:
    unstated = mico("push", "mico-150k", NAME, "--config", "bagel")
    assert unstated.returncode == 2
    assert "--license" in unstated.stderr

    planned = mico("push", "mico-150k", NAME, "--config", "bagel",
        "--license", "cc-by-nc-4.0", "--dry-run", "--json",
    )  # fmt: skip
    assert planned.returncode == 0, planned.stderr
    assert json.loads(planned.stdout)["files"] == 2
    assert "at 1 Gbit/s" in planned.stderr
    assert not hub.repositories

    assert "license:" not in (folder / layout.CARD).read_text()

    pushed = mico("push", "mico-150k", NAME, "--config", "bagel", "--license", "cc-by-nc-4.0")
    assert pushed.returncode == 0, pushed.stderr
    assert "license: cc-by-nc-4.0" in (folder / layout.CARD).read_text()
    last = pushed.stderr.strip().splitlines()[-1]
    assert last.startswith("done: 2 shards sent")
    assert f"/datasets/{NAME}" in last

    for name in (NAME, f"hf://datasets/{NAME}"):
        checked = mico("check", "mico-150k", "--remote", name)
        assert checked.returncode == 0, checked.stderr
        assert "2 with the size and SHA-256 of the manifest" in checked.stdout
        assert checked.stderr.strip().endswith(f"{NAME}: all is well")

    again = mico("push", "mico-150k", f"hf://datasets/{NAME}", "--config", "bagel", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["files"] == 0
    assert "nothing to send" in again.stderr


def test_what_differs_on_the_hub_is_listed_and_the_exit_status_is_1(
    hub: Hub, folder: Path, mico: Mico
) -> None:
    write_card(DatasetFolder(folder), License("cc-by-4.0"))
    assert mico("push", "mico-150k", NAME).returncode == 0
    repository = hub.repositories[NAME]
    tree = repository.tree()
    shard = layout.shard_name(0)
    other = tree[f"blip3o/{shard}"]
    card = hub.content(tree[layout.CARD]).replace(b"num_examples: 24", b"num_examples: 25", 1)
    repository.commit(
        "main",
        {
            f"omnigen2/{shard}": Entry(tree[f"omnigen2/{shard}"].size, other.sha256),
            f"dimoo/{shard}": other,
            "bagel/train-00009.parquet": other,
            layout.CARD: Entry(len(card), content=card),
        },
        "by hand",
        delete=(f"blip3o/{shard}",),
    )
    found = mico("check", "mico-150k", "--remote", NAME, "--json")
    assert found.returncode == 1
    said = {(f["where"], f["what"]) for f in json.loads(found.stdout)["findings"] if f["fault"]}
    assert (f"blip3o/{shard}", "is missing on the Hub") in said
    unknown = "is on the Hub, but not part of this dataset"
    assert ("bagel/train-00009.parquet", unknown) in said
    assert any(where == f"dimoo/{shard}" and "bytes on the Hub" in what for where, what in said)
    assert any(where == f"omnigen2/{shard}" and "SHA-256" in what for where, what in said)
    assert ("README.md", "says 25 rows of default, train; there are 24") in said
    assert any(where == "dimoo" and "load_dataset fails" in what for where, what in said)
    assert ("blip3o", "load_dataset returns no row") in said


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("command", "token", "status", "said"),
    [
        (
            ("check", "mico-150k", "--remote", "user/nothing"),
            "hf_write",
            1,
            "does not exist on the Hub",
        ),
        (("check", "mico-150k", "--remote", "nothing"), "hf_write", 2, "with its owner"),
        (("check", "mico-150k", "--remote", NAME), "hf_nonsense", 1, "hf auth login"),
        (("check", "mico-150k", "--remote", "hf://datasets/user"), "hf_write", 2, "an owner and"),
        (("push", "mico-150k", f"hf://datasets/{NAME}@x"), "hf_write", 2, "a revision cannot be"),
        (("push", "mico-150k", f"hf://datasets/{NAME}/x"), "hf_write", 2, "a path in a"),
        (("push", "mico-150k", f"hf://{NAME}"), "hf_write", 2, "is not a dataset repository"),
        (("push", "mico-150k", "hf://buckets/user/x"), "hf_write", 2, "it is a bucket"),
        (("push", "mico-150k", NAME), "hf_read", 1, "may only read"),
        (("push", "nowhere", NAME), "hf_write", 1, "nowhere: there is no such folder"),
        (
            ("card", "mico-150k", "--license", "Mine!"),
            "hf_write",
            2,
            "not a license that the Hub knows",
        ),
        (("card", "mico-150k", "--license", "other"), "hf_write", 2, "--license-name"),
        (("card", "mico-150k", "--license-name", "x"), "hf_write", 2, "--license other"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_a_message_and_no_traceback(
    mico: Mico,
    monkeypatch: pytest.MonkeyPatch,
    *,
    command: tuple[str, ...],
    token: str,
    status: int,
    said: str,
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    found = mico(*command)
    assert found.returncode == status, found.stderr
    assert said in " ".join(found.stderr.split())
    assert "Traceback" not in found.stderr
    assert not found.stdout


def test_a_build_to_the_hub(
    hub: Hub, release: Path, folder: Path, mico: Mico, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder.parent / "cache"))
    command = ("build", str(release), "--out", f"hf://datasets/{NAME}", "--config", "bagel")
    unstated = mico(*command)
    assert unstated.returncode == 2
    assert "under which license" in unstated.stderr
    assert NAME not in hub.repositories
    done = mico(*command, "--license", "cc-by-nc-4.0", "--private", "--workers", 2,
                "--max-memory", "64GB", "--tolerance", 0.5, "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "24 rows read, 24 written" in done.stderr
    assert f" in hf://datasets/{NAME}; 2 workers, " in done.stderr
    assert f"shards wait in {folder.parent}/cache/mico-150k/builds/user--mico-150k-" in done.stderr
    made = json.loads(done.stdout)
    assert made["rows"] == 24
    assert made["url"] == f"{hub.endpoint}/datasets/{NAME}"
    tree = hub.repositories[NAME].tree("main")
    card = hub.content(tree[layout.CARD]).decode()
    assert "license: cc-by-nc-4.0" in card
    # The recorded command says nothing of the place.
    assert f"mico build RELEASE --out {layout.DATASET} --config bagel" in card
    assert hub.repositories[NAME].private
    assert not [
        path for path in (folder.parent / "cache" / "mico-150k").rglob("*") if path.is_file()
    ]
    again = mico(*command, "--license", "cc-by-nc-4.0", "--tolerance", 0.5, "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["commit"] == made["commit"]
    assert again.stderr.strip().endswith(f"done: {made['url']} holds this very build already")
    other = mico(*command, "--license", "cc-by-nc-4.0", "--seed", 1)
    assert other.returncode == 1
    assert "is already published" in other.stderr


def test_a_user_and_a_name_are_a_local_folder(hub: Hub, folder: Path, mico: Mico) -> None:
    done = mico("build", "--out", NAME, "--config", "bagel", "--json")
    assert done.returncode == 0, done.stderr
    assert DatasetFolder.is_built(folder.parent / NAME)
    assert not hub.requests


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("hf://buckets/user", "a bucket needs an owner and a name"),
        ("hf://datasets/user", "needs an owner and a name"),
        ("hf://datasets/user/x@next", "a revision cannot be part of it"),
        ("hf://datasets/user/x/data", "it is a path in a repository"),
        ("hf://user/x", "is not a dataset repository"),
        ("hf://datasets/-user/x", "not the name of a repository"),
    ],
)
def test_a_place_on_the_hub_that_is_no_repository_is_refused(
    hub: Hub, release: Path, folder: Path, mico: Mico, out: str, said: str
) -> None:
    before = sorted(folder.parent.iterdir())
    done = mico("build", str(release), "--out", out, "--license", "mit")
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
    assert "reading" not in done.stderr
    assert not hub.requests
    assert sorted(folder.parent.iterdir()) == before


@pytest.mark.parametrize("work", ["", "s3://bucket/x", f"hf://datasets/{NAME}"])
def test_a_work_folder_is_a_folder_of_this_machine(
    hub: Hub, release: Path, mico: Mico, work: str
) -> None:
    out = f"hf://datasets/{NAME}"
    done = mico("build", str(release), "--out", out, "--license", "mit", "--work", work)
    assert done.returncode == 2
    assert "--work" in done.stderr
    assert not hub.requests


def test_card_writes_the_license_and_keeps_what_was_added(folder: Path, mico: Mico) -> None:
    path = folder / layout.CARD
    path.write_text(path.read_text().replace("about -->\n", "about -->\nHello.\n", 1))
    done = mico("card", "mico-150k", "--license", "cc-by-nc-4.0")
    assert done.returncode == 0, done.stderr
    assert "license cc-by-nc-4.0, kept: about" in done.stderr
    assert "Hello." in path.read_text()
    assert "license: cc-by-nc-4.0" in path.read_text()


Script = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def script(hub: Hub, release: Path, tmp_path: Path) -> Script:
    """Starts the script in an empty folder, in a group of processes of its own."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_OFFLINE": "0",
    }

    def start(*arguments: str) -> subprocess.Popen[str]:
        path = str(SCRIPTS / "push_to_hub.py")
        words = (str(release), NAME, "--out", "made", *arguments, "--config", "omnigen2")
        return subprocess.Popen(
            [sys.executable, path, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=tmp_path,
            start_new_session=True,
        )

    return start


@pytest.mark.parametrize(
    ("role", "license", "said"),
    [
        ("write", "CC BY", "not a license that the Hub knows"),
        ("write", "other", "needs a name"),
        ("read", "mit", "may only read"),
    ],
)
def test_the_script_looks_at_the_account_and_the_license_before_it_builds(
    hub: Hub, script: Script, role: str, license: str, said: str
) -> None:
    hub.accounts["hf_write"].role = role
    with script("--license", license) as done:
        out, err = done.communicate()
    assert done.returncode == 1
    assert said in err
    assert "BuildResult" not in out
    assert "Traceback" not in err
    assert not hub.repositories


@pytest.fixture
def heeding_ctrl_c() -> Iterator[None]:
    """A job in the background of a shell ignores it, and so does all that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeding_ctrl_c")
def test_ctrl_c_ends_the_script_and_its_command_with_one_line(hub: Hub, script: Script) -> None:
    with script("--license", "mit") as running:
        hub.fail("POST .*/preupload/", act=lambda: os.killpg(running.pid, signal.SIGINT))
        out, err = running.communicate()
    assert running.returncode == 130
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "stopped; re-run the same line to resume"
    assert "BuildResult" in out


def test_one_script_builds_checks_pushes_and_verifies(hub: Hub, script: Script) -> None:
    license = ("--license", "other", "--license-name", "mine", "--license-link", "LICENSE")
    with script(*license, "--tag", "v1") as done:
        out, err = done.communicate()
    assert done.returncode == 0, err
    assert out.startswith("<BuildResult made: 24 of 24 rows in ")
    assert out.count("returns a row") == 2  # of both configurations, from the Hub
    assert "fault=True" not in out
    card = hub.content(hub.repositories[NAME].tree("main")[layout.CARD]).decode()
    assert "license: other\nlicense_name: mine\nlicense_link: LICENSE\n" in card
    assert set(hub.repositories[NAME].tags) == {"v1"}


SCRIPT_KILLS = 5


@pytest.mark.slow
def test_a_script_that_is_killed_five_times_ends_with_the_same_tree(
    hub: Hub, script: Script, tmp_path: Path
) -> None:
    license = ("--license", "cc-by-nc-4.0")
    with script(*license) as done:
        assert done.wait() == 0
    expected = held(hub)
    del hub.repositories[NAME]
    shutil.rmtree(tmp_path / "made")
    chance = random.Random(0)
    for _ in range(SCRIPT_KILLS):
        with script(*license) as running:
            # What it asks the Hub for tells how far it is: it has looked, and sends or checks.
            asked = chance.randrange(2, 24)
            hub.fail(".*", skip=asked, act=lambda: os.killpg(running.pid, signal.SIGKILL))
            running.communicate()
        hub.faults.clear()
    with script(*license) as done:
        assert done.wait() == 0
    assert held(hub) == expected


def held(hub: Hub) -> dict[str, bytes]:
    """The repository's files with their content."""
    tree = hub.repositories[NAME].tree("main")
    return {path: hub.content(entry) for path, entry in tree.items()}
