"""Two nodes of a Ray cluster on this machine: the same bytes, also where one of them fails."""

import re
import subprocess
import sys
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from mico_150k.build.build import Build, BuildOptions
from mico_150k.sources import open_source

from ..factories import cases, write_release
from ..folders import contents

pytest.importorskip("ray", reason="the extra `ray` is large, and not in `test`")

pytestmark = pytest.mark.slow

OPTIONS = BuildOptions(configs=("bagel", "default", "sample"), shard_bytes=60_000)

ON_TWO_NODES = """
import os, sys, tempfile, time
from pathlib import Path
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
import ray
from ray.cluster_utils import Cluster
from mico_150k.build.build import Build, BuildOptions
from mico_150k.core.errors import DiskTooSmall
from mico_150k.build.executors import KEEP_HERE
from mico_150k.build.ray import RayCluster
from mico_150k.build.sending import UploadExecutor
from mico_150k.build.upload import RemoteFolder
from mico_150k.io.places import RemoteUrl
from mico_150k.sources import open_source
from mico_150k.build.worker import UnitBuilder

source, out, lost, mark = sys.argv[1:]
mark = Path(mark)
memory = (100 << 20) if lost == "fit" else (4 << 30)
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "memory": memory})
second = cluster.add_node(num_cpus=1, memory=memory)

class Mortal(UnitBuilder):
    # The first task that has finished a shard dies, once.
    def build(self, unit, finished, on_group):
        for record in super().build(unit, finished, on_group):
            yield record
            try:
                mark.touch(exist_ok=False)
            except FileExistsError:
                continue
            os.kill(os.getpid(), 9)

class Slow(UnitBuilder):
    # There is time to lose a node in the midst of its work.
    def build(self, unit, finished, on_group):
        for record in super().build(unit, finished, on_group):
            yield record
            time.sleep(1)

class Full(UnitBuilder):
    # A disk that is full: that of the node that comes first, or of both.
    def build(self, unit, finished, on_group):
        node = ray.get_runtime_context().get_node_id()
        try:
            with mark.open("x") as file:
                file.write(node)
        except FileExistsError:
            pass
        time.sleep(0.5)
        if lost == "disks" or mark.read_text() == node:
            raise DiskTooSmall("the disk is full")
        yield from super().build(unit, finished, on_group)

import mico_150k.build.build
mico_150k.build.build.UnitBuilder = {
    "task": Mortal, "node": Slow, "disk": Full, "disks": Full
}.get(lost, UnitBuilder)
options = BuildOptions(configs=("bagel", "default", "sample"), shard_bytes=60_000)
seen = []

def on_progress(done):
    seen.append(done.rows)
    if lost == "node" and not mark.exists():
        mark.touch()
        cluster.remove_node(second, allow_graceful=False)

executor, remote = RayCluster(cluster.address), None
folder = Path(out)
if "://" in out:
    folder = Path(tempfile.mkdtemp())
    remote = RemoteFolder.open(RemoteUrl(out), folder)
    executor = UploadExecutor(executor, remote)
build = Build.prepare(open_source(source), folder, options, out)
build.run(executor=executor, sink=remote or KEEP_HERE, on_progress=on_progress)
if remote:
    remote.publish()
assert seen == sorted(seen) and seen[-1] == 32, seen
print("nodes", len(cluster.list_all_nodes()))
"""


def run_on_two_nodes(source: Path, out: str, lost: str, mark: Path) -> CompletedProcess[str]:
    """Build in a process of its own, where something fails."""
    script = mark.with_name("nodes.py")
    script.write_text(ON_TWO_NODES)
    return subprocess.run(
        [sys.executable, str(script), str(source), out, lost, str(mark)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.parametrize(
    ("lost", "scheme"),
    [("nothing", ""), ("task", ""), ("node", ""), ("disk", ""), ("nothing", "file://")],
)
def test_two_nodes_make_the_same_bytes(tmp_path: Path, lost: str, scheme: str) -> None:
    source = write_release(tmp_path / "r", cases(8), rows_per_file=8)
    Build.prepare(open_source(str(source)), tmp_path / "whole", OPTIONS).run()
    mark = tmp_path / "died"
    done = run_on_two_nodes(source, f"{scheme}{tmp_path / 'out'}", lost, mark)
    assert done.returncode == 0, done.stderr
    assert f"nodes {1 if lost == 'node' else 2}" in done.stdout
    assert mark.exists() == (lost != "nothing")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("lost", "error"),
    [
        ("disks", r"NodesFailed: .*parquet could not be built.*(\n +[\d.]+: the disk is full){2}"),
        ("fit", r"MemoryTooSmall: .*parquet needs .* and no node .* more than 105 MB"),
    ],
)
def test_what_no_node_can_build_ends_with_the_reason(tmp_path: Path, lost: str, error: str) -> None:
    source = write_release(tmp_path / "r", cases(2), rows_per_file=8)
    done = run_on_two_nodes(source, str(tmp_path / "out"), lost, tmp_path / "mark")
    assert done.returncode == 1
    assert re.search(error, done.stderr), done.stderr
