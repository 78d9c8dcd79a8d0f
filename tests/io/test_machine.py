"""What the machine has."""

import os
from pathlib import Path

import pytest

from mico_150k.core.errors import UsageError
from mico_150k.io.machine import cores, free_memory, gigabytes, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("12GB", 12 * 10**9), ("800 mb", 8 * 10**8), ("1.5GiB", 3 << 29), ("77", 77), ("2T", 2e12)],
)
def test_sizes_as_people_write_them(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "12 boxes", "1e9", "nan", "0", "0GB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=f"^--max-memory {text} .*12GB"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 kB"), (12, "12 bytes"), (999, "999 bytes"), (1000, "1 kB"), (340e6, "340 MB"),
     (1.2e9, "1.2 GB"), (1.5e12, "1.5 TB")],
)  # fmt: skip
def test_a_size_is_told_in_a_unit_that_suits_it(size: float, said: str) -> None:
    assert gigabytes(size) == said


def test_there_are_cores_and_memory() -> None:
    assert cores() >= 1
    assert free_memory() > 1 << 20


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Without Slurm, and with as many cores as no test asks for."""
    for name in list(os.environ):
        if name.startswith("SLURM_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    return monkeypatch


@pytest.mark.usefixtures("plain")
def test_a_containers_limit_counts(tmp_path: Path) -> None:
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    mount = "30 23 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate\n"
    (tmp_path / "proc/self/mountinfo").write_text(mount)
    free = free_memory(tmp_path)
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("1000\n")
    assert free_memory(tmp_path) > free / 2
    (group / "memory.max").write_text("5000\n")
    assert free_memory(tmp_path) == 4000
    assert cores(tmp_path) == 64
    (group / "cpu.max").write_text("250000 100000\n")
    assert cores(tmp_path) == 3


def test_slurms_limits_count(tmp_path: Path, plain: pytest.MonkeyPatch) -> None:
    plain.setenv("SLURM_CPUS_ON_NODE", "16")
    assert cores(tmp_path) == 16
    plain.setenv("SLURM_CPUS_PER_TASK", "4")
    assert cores(tmp_path) == 4
    plain.setenv("SLURM_MEM_PER_CPU", "8")
    assert free_memory(tmp_path) == 32 << 20
    plain.setenv("SLURM_MEM_PER_NODE", "20")
    assert free_memory(tmp_path) == 20 << 20


@pytest.mark.parametrize("said", ["0", "", "all", "4(x2)"])
def test_what_slurm_leaves_open_is_no_limit(
    tmp_path: Path, plain: pytest.MonkeyPatch, said: str
) -> None:
    for name in ("CPUS_PER_TASK", "CPUS_ON_NODE", "MEM_PER_NODE", "MEM_PER_CPU"):
        plain.setenv(f"SLURM_{name}", said)
    assert cores(tmp_path) == 64
    assert free_memory(tmp_path) > 1 << 30


def test_more_than_the_machine_has_is_not_believed(
    tmp_path: Path, plain: pytest.MonkeyPatch
) -> None:
    plain.setenv("SLURM_CPUS_ON_NODE", "500")
    plain.setenv("SLURM_MEM_PER_NODE", str(1 << 40))
    assert cores(tmp_path) == 64
    assert free_memory(tmp_path) < 1 << 60


def test_a_system_without_affinity_counts_all_cores(plain: pytest.MonkeyPatch) -> None:
    plain.delattr(os, "sched_getaffinity", raising=False)
    plain.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1


@pytest.mark.usefixtures("plain")
def test_without_a_word_from_the_kernel_all_memory_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meminfo = tmp_path / "proc/meminfo"
    meminfo.parent.mkdir()
    assert free_memory(tmp_path) > 1 << 20
    meminfo.write_text("MemAvailable:\n")
    assert free_memory(tmp_path) > 1 << 20

    def silent(_: str) -> int:
        raise ValueError

    monkeypatch.setattr("mico_150k.io.machine.os.sysconf", silent)
    assert free_memory(tmp_path) > 1 << 40
