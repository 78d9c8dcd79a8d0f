"""What the machine has."""

from pathlib import Path

import pytest

from mico_150k.core.errors import UsageError
from mico_150k.io import machine
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


def test_a_containers_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    free = free_memory()
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("1000\n")
    assert free_memory() > free / 2
    (tmp_path / "memory.max").write_text("5000\n")
    assert free_memory() == 4000


def test_without_a_word_from_the_kernel_all_memory_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meminfo = tmp_path / "meminfo"
    monkeypatch.setattr(machine, "_MEMINFO", meminfo)
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    assert free_memory() > 1 << 20
    meminfo.write_text("MemAvailable:\n")
    assert free_memory() > 1 << 20

    def silent(_: str) -> int:
        raise ValueError

    monkeypatch.setattr("mico_150k.io.machine.os.sysconf", silent)
    assert free_memory() > 1 << 40
