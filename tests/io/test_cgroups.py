"""Limits of control groups, in each layout that containers and clusters have."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mico_150k.io.cgroups import cores, free_memory

UNLIMITED = 9223372036854771712
"""What version 1 has without a limit."""

System = Callable[[str, str, dict[str, object]], Path]


@pytest.fixture
def system(tmp_path: Path) -> System:
    """Makes a tree of `/proc/self/cgroup`, `/proc/self/mountinfo`, and files of /sys/fs/cgroup."""

    def make(cgroup: str, mountinfo: str, files: dict[str, object]) -> Path:
        own = {"proc/self/cgroup": cgroup, "proc/self/mountinfo": mountinfo}
        groups = {f"sys/fs/cgroup/{name}": value for name, value in files.items()}
        for name, value in (own | groups).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{value}\n")
        return tmp_path

    return make


V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
SLURM = "/system.slice/slurmstepd.scope/job_7/step_0/user/task_0"


def test_version_2_and_every_ancestor_counts(system: System) -> None:
    job = "system.slice/slurmstepd.scope/job_7"
    here = system(
        f"0::{SLURM}",
        V2,
        {
            f"{job}/memory.max": 8000,
            f"{job}/memory.current": 1000,
            f"{job}/cpu.max": "400000 100000",
            f"{job}/step_0/memory.max": "max",
            f"{job}/step_0/memory.current": 900,
            f"{job}/step_0/user/task_0/memory.max": 9000,
            f"{job}/step_0/user/task_0/memory.current": 500,
            f"{job}/step_0/user/task_0/cpu.max": "600000 100000",
            "job_8/memory.max": 1,  # another's
            "job_8/memory.current": 1,
        },
    )
    assert free_memory(here) == 7000
    assert cores(here) == 4


def test_version_2_in_a_container_with_a_namespace_of_its_own(system: System) -> None:
    """Docker, Podman, Kubernetes: its group looks like the root."""
    files = {
        "memory.max": 5000,
        "memory.current": 3000,
        "memory.stat": "anon 1000\nfile 2000\ninactive_file 1500\nactive_file 500",
        "cpu.max": "150000 100000",
    }
    here = system("0::/", V2, files)
    assert free_memory(here) == 2000 + 1500
    assert cores(here) == 2


def test_memory_above_which_a_group_is_slowed_down_counts(system: System) -> None:
    """MemoryHigh of systemd."""
    here = system(
        "0::/run.scope",
        V2,
        {
            "run.scope/memory.max": "max",
            "run.scope/memory.high": 600,
            "run.scope/memory.current": 100,
        },
    )
    assert free_memory(here) == 500


V1 = """\
33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup systemd rw,xattr,name=systemd"""


def test_version_1_and_every_ancestor_counts(system: System) -> None:
    here = system(
        "9:name=systemd:/other\n4:memory:/slurm/uid_0/job_7/step_0\n1:cpu,cpuacct:/slurm/job_7",
        V1,
        {
            "memory/memory.limit_in_bytes": UNLIMITED,
            "memory/memory.usage_in_bytes": 50000,
            "memory/slurm/uid_0/job_7/memory.limit_in_bytes": 8000,
            "memory/slurm/uid_0/job_7/memory.usage_in_bytes": 5000,
            "memory/slurm/uid_0/job_7/memory.stat": "inactive_file 1\ntotal_inactive_file 2000",
            "memory/slurm/uid_0/job_7/step_0/memory.limit_in_bytes": 8000,
            "memory/slurm/uid_0/job_7/step_0/memory.usage_in_bytes": 100,
            "cpu,cpuacct/cpu.cfs_quota_us": -1,
            "cpu,cpuacct/cpu.cfs_period_us": 100000,
            "cpu,cpuacct/slurm/job_7/cpu.cfs_quota_us": 300000,
            "cpu,cpuacct/slurm/job_7/cpu.cfs_period_us": 100000,
        },
    )
    assert free_memory(here) == 5000
    assert cores(here) == 3


def test_version_1_in_a_container_that_sees_only_its_own_part(system: System) -> None:
    """Docker with version 1: the group has the host's path, and is mounted as the top."""
    here = system(
        "4:memory:/docker/ab12\n1:cpu,cpuacct:/docker/ab12",
        V1.replace(" / /sys", " /docker/ab12 /sys"),
        {
            "memory/memory.limit_in_bytes": 4000,
            "memory/memory.usage_in_bytes": 1000,
            "cpu,cpuacct/cpu.cfs_quota_us": 50000,
            "cpu,cpuacct/cpu.cfs_period_us": 100000,
            "systemd/memory.limit_in_bytes": 1,  # no controller is there
            "systemd/memory.usage_in_bytes": 1,
        },
    )
    assert free_memory(here) == 3000
    assert cores(here) == 1


def test_version_1_with_a_tree_of_version_2_beside_it(system: System) -> None:
    """The hybrid layout of systemd: version 2 is there, and has no controllers."""
    here = system(
        "4:memory:/job\n0::/job",
        f"{V1}\n41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw",
        {
            "memory/job/memory.limit_in_bytes": 4000,
            "memory/job/memory.usage_in_bytes": 1000,
            "unified/job/cgroup.procs": 1,
        },
    )
    assert free_memory(here) == 3000
    assert cores(here) is None


@pytest.mark.parametrize(("own", "root"), [("/../../other", "/"), ("/elsewhere", "/pod")])
def test_a_group_that_cannot_be_seen_has_the_limits_of_what_can(
    system: System, own: str, root: str
) -> None:
    here = system(
        f"0::{own}",
        V2.replace(" / /sys", f" {root} /sys"),
        {
            "memory.max": 4000,
            "memory.current": 1000,
            "cpu.max": "200000 100000",
            "../../other/memory.max": 1,  # where the path would lead as that of a file
            "../../other/memory.current": 1,
        },
    )
    assert free_memory(here) == 3000
    assert cores(here) == 2


def test_a_mount_with_a_space_in_its_path(system: System) -> None:
    here = system(
        "0::/a b",
        V2.replace("/sys/fs/cgroup", r"/sys/fs/cgroup/my\040groups"),
        {"my groups/a b/memory.max": 400, "my groups/a b/memory.current": 100},
    )
    assert free_memory(here) == 300


def test_a_group_that_uses_more_than_its_limit_has_nothing_free(system: System) -> None:
    here = system("0::/", V2, {"memory.max": 400, "memory.current": 500, "memory.stat": "odd"})
    assert free_memory(here) == 0


@pytest.mark.parametrize("cpu", ["", "max", "0 0", "x y", "max 100000"])
@pytest.mark.parametrize("memory", ["", "max", "odd"])
def test_what_says_nothing_is_no_limit(system: System, cpu: str, memory: str) -> None:
    here = system("0::/", V2, {"memory.max": memory, "memory.current": 5, "cpu.max": cpu})
    assert free_memory(here) is None
    assert cores(here) is None


def test_a_system_without_control_groups_has_no_limit(system: System, tmp_path: Path) -> None:
    assert free_memory(tmp_path / "gone") is None
    here = system("odd", "odd\n31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw", {})
    assert free_memory(here) is None
    assert cores(here) is None
