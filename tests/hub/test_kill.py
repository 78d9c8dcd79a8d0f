"""A push that is killed anywhere is finished by the next one, as if nothing had been."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mico_150k.card.text import CardText
from mico_150k.dataset import layout
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.hub.placeholder import is_placeholder

from . import Fault, Hub
from .folders import build, local
from .repository import Tree

pytest.importorskip("huggingface_hub", minversion="2.0", reason="push needs it")

pytestmark = pytest.mark.slow

KILLS = 20
REPOSITORIES = 5
STREAMED_KILLS = 8

Mico = Callable[..., int]


@pytest.fixture
def mico(hub: Hub, tmp_path: Path) -> Iterator[tuple[Mico, list[int]]]:
    """Runs the command line in a process of its own; its exit status. And who runs now."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(tmp_path / "home"),
        "HF_TOKEN": "hf_write",
        "HF_HUB_OFFLINE": "0",
    }
    running: list[int] = []
    script = Path(__file__).parent.parent / "hub" / "forks.py"
    with (
        (tmp_path / "talk").open("w") as talk,
        subprocess.Popen(
            [sys.executable, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=talk,
            text=True,
            env=environment,
        ) as forks,
    ):
        assert forks.stdin
        assert forks.stdout
        stdin, stdout = forks.stdin, forks.stdout

        def run(*arguments: str) -> int:
            stdin.write(json.dumps(arguments) + "\n")
            stdin.flush()
            running[:] = [int(stdout.readline())]
            return int(stdout.readline())

        yield run, running
        stdin.close()


@pytest.fixture(scope="module")
def folder(samples: Any, tmp_path_factory: pytest.TempPathFactory) -> DatasetFolder:
    return build(samples, tmp_path_factory.mktemp("kill"), "bagel")


@pytest.fixture(scope="module")
def older(samples: Any, tmp_path_factory: pytest.TempPathFactory) -> DatasetFolder:
    """Another state of it: most shards differ, and some are no more."""
    return build(samples[3:], tmp_path_factory.mktemp("older"), "bagel")


@dataclass(frozen=True)
class Way:
    """How a push reaches its readers: with about how many requests, in how many commits."""

    revision: str
    published: bool
    requests: int
    commits: int


WAYS = {
    "first": Way("main", published=False, requests=25, commits=3),
    "pull request": Way("main", published=True, requests=30, commits=1),
    "branch": Way("next", published=True, requests=30, commits=3),
}


def check_readers(tree: Tree, hub: Hub, *states: dict[str, str]) -> None:
    """Whether what is there is one whole state, or stops whoever reads it."""
    shards = {path: e.sha256 for path, e in tree.items() if path.endswith(".parquet")}
    card = tree.get(layout.CARD)
    if card is None:
        assert not shards
    elif not is_placeholder(CardText(hub.content(card).decode())):
        assert shards in states


@pytest.mark.parametrize("name", WAYS)
def test_killed_at_any_point_and_run_again_the_tree_is_the_same(
    hub: Hub,
    folder: DatasetFolder,
    older: DatasetFolder,
    mico: tuple[Mico, list[int]],
    name: str,
) -> None:
    run, running = mico
    way = WAYS[name]
    rng = random.Random(7)
    killed = 0
    expected = local(folder)
    for number in range(REPOSITORIES):
        to = (f"user/mico-{number}", "--revision")
        before = 2
        if way.published:
            for revision in dict.fromkeys(("main", way.revision)):
                assert run("push", str(older.path), *to, revision) == 0
            before = len(hub.repositories[to[0]].refs[way.revision])
        for _ in range(KILLS // REPOSITORIES):
            hub.faults = [kill_at(rng, way.requests, running)]
            killed += run("push", str(folder.path), *to, way.revision) == -signal.SIGKILL
            if to[0] in hub.repositories:
                tree = hub.repositories[to[0]].tree(way.revision)
                check_readers(tree, hub, local(older), expected)
        hub.faults = []
        assert run("push", str(folder.path), *to, way.revision) == 0
        repository = hub.repositories[to[0]]
        tree = repository.tree(way.revision)
        shards = {path: e.sha256 for path, e in tree.items() if path.endswith(".parquet")}
        assert shards == expected
        assert set(tree) == {
            *expected, layout.CARD, layout.MANIFEST, layout.REPORT, ".gitattributes"
        }  # fmt: skip
        # Not a commit more than a push that nobody disturbs makes.
        assert len(repository.refs[way.revision]) - before == way.commits
        assert [pull.status for pull in repository.pulls] == ["merged"] * (name == "pull request")
    # A run that has less to do than the point it was to be killed at ends well.
    assert killed >= KILLS * 0.7


@pytest.mark.parametrize("workers", [1, 2])
def test_a_build_to_the_hub_is_killed_at_any_point_and_resumes(
    hub: Hub,
    mico: tuple[Mico, list[int]],
    source: Path,
    tmp_path: Path,
    workers: int,
) -> None:
    run, running = mico
    rng = random.Random(8 + workers)
    build = ("build", str(source), "--config", "bagel", "--config", "sample", "--shard-mb", "1")
    assert run(*build, "--out", str(tmp_path / "whole"), "--license", "mit") == 0
    assert run("push", str(tmp_path / "whole"), "user/made") == 0
    expected = digests(hub, "user/made")
    del hub.repositories["user/made"]
    shards = local(DatasetFolder(tmp_path / "whole"))
    command = (
        *build, "--out", "hf://datasets/user/made", "--license", "mit",
        "--work", str(tmp_path / "work"), "--workers", str(workers),
    )  # fmt: skip
    killed = 0
    for _ in range(STREAMED_KILLS):
        hub.faults = [kill_at(rng, 20, running)]
        killed += run(*command) == -signal.SIGKILL
        if "user/made" in hub.repositories:
            check_readers(hub.repositories["user/made"].tree(), hub, shards)
    hub.faults = []
    assert run(*command) == 0
    assert digests(hub, "user/made") == expected
    assert not (tmp_path / "work").exists()
    assert killed >= STREAMED_KILLS / 2


def digests(hub: Hub, name: str) -> dict[str, str]:
    """SHA-256 of every file of a repository."""
    return {
        path: hashlib.sha256(hub.content(entry)).hexdigest()
        for path, entry in hub.repositories[name].tree().items()
    }


def kill_at(rng: random.Random, requests: int, running: list[int]) -> Fault:
    """A request at which whoever runs is killed: before it is answered, or after its work."""
    return Fault(
        r"^\w+ /(api|datasets)/",
        status=0,
        skip=rng.randrange(requests),
        after=rng.random() < 0.5,
        act=lambda: os.kill(running[0], signal.SIGKILL),
    )
