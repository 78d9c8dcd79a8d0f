"""Two nodes of a Ray cluster on this machine: the same bytes, also where one of them is lost."""

import subprocess
import sys
from pathlib import Path

import pytest

from mico_150k.build import Build, BuildOptions
from mico_150k.sources import open_source

from ..factories import cases, write_release
from ..folders import contents

pytest.importorskip("ray", reason="the extra `ray` is large, and not in `test`")

OPTIONS = BuildOptions(configs=("bagel", "default", "sample"), shard_bytes=60_000)

ON_TWO_NODES = """
import os, sys, tempfile, time
from pathlib import Path
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
from ray.cluster_utils import Cluster
from mico_150k.build import Build, BuildOptions
from mico_150k.executors.ray import RayCluster
from mico_150k.executors.sending import Sending
from mico_150k.remote_folder import RemoteFolder
from mico_150k.sources import open_source
from mico_150k.unit import UnitBuilder

source, out, lost, mark = sys.argv[1:]
mark = Path(mark)
memory = 4 << 30
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

import mico_150k.build
mico_150k.build.UnitBuilder = {"task": Mortal, "node": Slow}.get(lost, UnitBuilder)
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
    remote = RemoteFolder.open(out, folder)
    executor = Sending(executor, remote)
build = Build.prepare(open_source(source), folder, options, out)
build.run(executor=executor, outlet=remote, on_progress=on_progress)
if remote:
    remote.publish()
assert seen == sorted(seen) and seen[-1] == 32, seen
print("nodes", len(cluster.list_all_nodes()))
"""


@pytest.mark.parametrize(
    ("lost", "scheme"), [("nothing", ""), ("task", ""), ("node", ""), ("nothing", "file://")]
)
def test_two_nodes_make_the_same_bytes(tmp_path: Path, lost: str, scheme: str) -> None:
    source = write_release(tmp_path / "r", cases(8), rows_per_file=8)
    Build.prepare(open_source(str(source)), tmp_path / "whole", OPTIONS).run()
    mark = tmp_path / "died"
    script = tmp_path / "nodes.py"
    script.write_text(ON_TWO_NODES)
    done = subprocess.run(
        [
            sys.executable,
            str(script),
            str(source),
            f"{scheme}{tmp_path / 'out'}",
            lost,
            str(mark),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert f"nodes {1 if lost == 'node' else 2}" in done.stdout
    assert mark.exists() == (lost != "nothing")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
