"""A push that is killed anywhere is finished by the next one, as if nothing had been."""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mico_150k import names
from mico_150k.dataset_folder import DatasetFolder

from .hub import Fault, Hub
from .hub.folders import build, local

pytest.importorskip("huggingface_hub", minversion="2.0", reason="push needs it")

KILLS = 20
REPOSITORIES = 5
PUSH_REQUESTS = 20
"""Of a push of one configuration until all is sent, about."""

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
    script = Path(__file__).parent / "hub" / "forks.py"
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


def test_killed_at_any_point_and_run_again_the_tree_is_the_same(
    hub: Hub, folder: DatasetFolder, mico: tuple[Mico, list[int]]
) -> None:
    run, running = mico
    rng = random.Random(7)
    killed = 0
    expected = local(folder)
    for number in range(REPOSITORIES):
        name = f"user/mico-{number}"
        for _ in range(KILLS // REPOSITORIES):
            point = Fault(
                r"^\w+ /(api|datasets)/",
                status=0,
                skip=rng.randrange(PUSH_REQUESTS),
                after=rng.random() < 0.5,
                act=lambda: os.kill(running[0], signal.SIGKILL),
            )
            hub.faults = [point]
            killed += run("push", str(folder.path), name) == -signal.SIGKILL
        hub.faults = []
        assert run("push", str(folder.path), name) == 0
        tree = hub.repositories[name].tree()
        shards = {path: e.sha256 for path, e in tree.items() if path.endswith(".parquet")}
        assert shards == expected
        assert set(tree) == {
            *expected, names.CARD, names.MANIFEST, names.REPORT, ".gitattributes"
        }  # fmt: skip
        # Not a commit more than a push that nobody disturbs makes.
        assert len(hub.repositories[name].history()) == 2
    # A run that has less to do than the point it was to be killed at ends well.
    assert killed >= KILLS * 0.7
