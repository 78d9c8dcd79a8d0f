"""A build in shares, as on many machines with one folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from mico_150k.build.build import Build, BuildOptions
from mico_150k.build.partition import Partition
from mico_150k.core.errors import OutputRefused, ShardsMissing, TooManySkipped, UsageError
from mico_150k.core.progress import Progress
from mico_150k.dataset import layout
from mico_150k.sources import open_source

from ..factories import Case, cases, write_release
from ..folders import contents

OPTIONS = BuildOptions(shard_bytes=60_000)


@pytest.fixture(scope="module")
def whole(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "out"
    prepare(source, folder).run()
    return folder


def prepare(source: Path, out: Path, options: BuildOptions = OPTIONS) -> Build:
    return Build.prepare(open_source(str(source)), out, options)


@pytest.mark.parametrize("shares", [1, 3, 50])
def test_shares_together_are_the_whole_plan_and_no_unit_is_in_two(
    source: Path, shares: int
) -> None:
    plan = prepare(source, Path("unused")).plan
    taken = [unit for n in range(1, shares + 1) for unit in Partition(n, shares).take(plan)]
    assert len(taken) == len(plan.units)
    assert set(taken) == set(plan.units)


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "a/b", "1/2/3", "-1/2"])
def test_a_share_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="3/8"):
        Partition.parse(text)


def test_shares_in_any_order_and_then_the_end_are_the_same_bytes(
    source: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for number in (3, 1, 2):
        result = prepare(source, out).run_partition(Partition(number, 3))
        assert result.resumed == 0
        assert result.shards > 0
        assert not (out / layout.MANIFEST).exists()
    assert prepare(source, out).complete().report.rows == 32
    assert contents(out) == contents(whole)
    assert prepare(source, out).complete().report.rows == 32


def test_the_end_names_what_is_missing_and_touches_nothing(
    source: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    prepare(source, out).run_partition(Partition(2, 2))
    not_ours = out / "bagel" / "train-00099.parquet.elsewhere.partial"
    not_ours.touch()
    with pytest.raises(ShardsMissing, match=r"shards are missing: train-0.*\n.*--partition"):
        prepare(source, out).complete()
    with pytest.raises(ShardsMissing, match=r"--partition I/N` for 1/2 \(not begun\): "):
        prepare(source, out).complete()
    assert not_ours.exists()
    # Another number of shares goes on with what is there.
    assert prepare(source, out).run_partition(Partition(1, 1)).resumed > 0
    prepare(source, out).complete()
    # Nobody writes a shard any more once all are there: what was left of one is swept.
    assert contents(out) == contents(whole)


def test_the_end_of_nothing_is_an_error_and_leaves_nothing(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ShardsMissing):
        prepare(source, tmp_path / "out").complete()
    assert not (tmp_path / "out").exists()


def test_rows_lost_by_all_shares_together_count_at_the_end(tmp_path: Path) -> None:
    samples = cases(4)
    broken = [
        Case(case.task, case.id, case.instruction, case.inputs, case.output[:-20])
        if case.id == 0
        else case
        for case in samples
    ]
    source = write_release(tmp_path / "r", broken, rows_per_file=1)
    out = tmp_path / "out"
    for number in (1, 2, 3, 4):
        prepare(source, out).run_partition(Partition(number, 4), tolerance=1.0)
    with pytest.raises(TooManySkipped, match="4 of 16 rows.*\n.*truncated"):
        prepare(source, out).complete(tolerance=0.2)
    assert prepare(source, out).complete(tolerance=0.3).report.rows == 12


AT_ONCE = """
import sys
from pathlib import Path
from mico_150k.build.build import Build, BuildOptions
from mico_150k.core.errors import OutputRefused
from mico_150k.build.partition import Partition
from mico_150k.sources import open_source
source, out, share, seed = sys.argv[1:]
options = BuildOptions(shard_bytes=60_000, seed=int(seed))
build = Build.prepare(open_source(source), Path(out), options)
print("ready", flush=True)
sys.stdin.readline()
try:
    build.run_partition(Partition.parse(share))
except OutputRefused:
    print("refused")
"""


def at_once(source: Path, out: Path, *shares: tuple[str, int]) -> list[str]:
    """What processes say that begin at the same moment."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", AT_ONCE, str(source), str(out), share, str(seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for share, seed in shares
    ]
    for process in started:
        assert process.stdout is not None
        process.stdout.readline()
    for process in started:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate()[0] for process in started]
    assert [process.returncode for process in started] == [0] * len(started)
    return [words.strip() for words in said]


@pytest.mark.slow
def test_shares_that_begin_at_once_claim_the_folder_together(
    source: Path, whole: Path, tmp_path: Path
) -> None:
    assert at_once(source, tmp_path / "out", *[(f"{n}/3", 0) for n in (1, 2, 3)]) == [""] * 3
    prepare(source, tmp_path / "out").complete()
    assert contents(tmp_path / "out") == contents(whole)


def test_of_two_different_builds_that_begin_at_once_one_is_refused(
    source: Path, tmp_path: Path
) -> None:
    said = at_once(source, tmp_path / "out", ("1/1", 0), ("1/1", 7))
    assert sorted(said) == ["", "refused"]


def test_the_same_share_begun_twice_spoils_nothing(
    source: Path, whole: Path, tmp_path: Path
) -> None:
    prepared = prepare(source, tmp_path / "out")
    prepared.run_partition(Partition(1, 1))
    assert (
        prepare(source, tmp_path / "out").run_partition(Partition(1, 1)).resumed
        == prepared.plan.shards
    )
    prepare(source, tmp_path / "out").complete()
    assert contents(tmp_path / "out") == contents(whole)


def test_while_a_share_is_built_others_may_be_but_not_the_whole(
    source: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"

    def begin_others(_: Progress) -> None:
        if not (out / layout.INDEX).exists():
            prepare(source, out).run_partition(Partition(2, 2))
            for other in (prepare(source, out).run, prepare(source, out).complete):
                with pytest.raises(OutputRefused, match="`mico build`, process .* is writing"):
                    other()

    prepare(source, out).run_partition(Partition(1, 2), on_progress=begin_others)
    prepare(source, out).complete()
    assert contents(out) == contents(whole)


def test_a_share_of_a_finished_build_has_nothing_to_do(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "out").run()
    result = prepare(source, tmp_path / "out").run_partition(Partition(1, 2))
    assert result.resumed == result.shards
    assert not (tmp_path / "out" / layout.WORK).exists()


def test_a_share_of_another_build_is_refused(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "out").run_partition(Partition(1, 2))
    other = BuildOptions(shard_bytes=60_000, seed=3)
    with pytest.raises(OutputRefused, match="seed|plan"):
        prepare(source, tmp_path / "out", other).run_partition(Partition(2, 2))
