"""The fuzz script sees what it looks for: each kind of fault is planted once, and must be counted.

Commands are replaced by what stands here, each case's by its number; nothing is mutated.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc"),
]

SCRIPTS = Path(__file__).parent.parent.parent / "scripts"

PLANTED = '''
import faulthandler, os, shutil, sys, time
from pathlib import Path

sys.path.insert(0, sys.argv.pop(1))
import pyarrow as pa
import pyarrow.parquet as pq
import fuzz
from fuzzing import base, datasets, folders, parquet
from fuzzing.values import MARK

real, run_dataset = base.run_mico, datasets.run


def succeed(*arguments):
    """`mico` as it is, where its end is not the child's."""
    try:
        real(*arguments)
    except SystemExit as end:
        assert not end.code


def rewritten(change):
    """What changes the rows that a build has written."""
    def run(*arguments):
        succeed(*arguments)
        if arguments[0] == "build":
            path, = Path("out/built/default").glob("*.parquet")
            table = pq.ParquetFile(path).read()
            rows = table.to_pylist()
            change(rows)
            pq.write_table(pa.Table.from_pylist(rows, table.schema), path)
    return run


def exchange(rows):
    rows[0]["instruction"], rows[1]["instruction"] = rows[1]["instruction"], rows[0]["instruction"]


def turn(rows):
    row = next(row for row in rows if row["num_inputs"] > 1)
    row["input_images"].reverse()
    for name in ("widths", "heights", "formats", "digests", "actions"):
        row[name][:-1] = row[name][-2::-1]


def double(rows):
    rows[1] = rows[0]


def spoil(rows):
    rows[0]["output_image"]["bytes"] += b" "


def use_memory(*arguments):
    held = b"x" * 1_300_000_000
    time.sleep(60)


def card(*arguments):
    Path("dataset/README.md").write_text(f"---\\na: 1\\n---\\n{MARK}\\n")


PLANTS = [
    real,
    lambda *arguments: faulthandler._sigsegv(),
    lambda *arguments: sys.exit(7),
    lambda *arguments: time.sleep(600),
    use_memory,
    lambda *arguments: 1 / 0,
    lambda *arguments: sys.exit(1),
    lambda *arguments: print("x" * 5000, file=sys.stderr),
    lambda *arguments: Path("victim/settings.json").write_text("yours"),
    lambda *arguments: (succeed(*arguments), shutil.copy("victim/notes.txt", "out")),
    rewritten(exchange),
    rewritten(turn),
    rewritten(double),
    rewritten(list.pop),
    rewritten(spoil),
]


def planted(*arguments):
    kind, _, number = Path.cwd().name.partition("-")
    if Path.cwd().parent.name != "cases":
        real(*arguments)
    elif kind == "parquet":
        PLANTS[int(number)](*arguments)
    elif number == "0" and arguments[0] == "card":
        card()


base.run_mico = planted
datasets.run = lambda case: case.result.number < 2 and run_dataset(case)
parquet.mutate = folders.mutate = lambda path, rng: "nothing"
folders.mutate_export = folders.mutate
sys.argv += ["--cases", str(len(PLANTS))]
fuzz.main()
'''
FOUND = {
    1: "crash: SIGSEGV",
    2: "crash: exit status 7",
    3: "hang",
    4: "memory",
    5: "traceback: ZeroDivisionError",
    6: "silent failure",
    7: "flood of text",
    8: "write outside: victim/settings.json",
    9: "leak: out/notes.txt",
    10: "wrong rows: another instruction",
    11: "wrong rows",
    12: "wrong rows: an id twice",
    13: "wrong rows: the report says",
    14: "wrong rows: a digest",
}


def environment() -> dict[str, str]:
    """Without what coverage or pytest would have a child do at its end."""
    return {**os.environ, "PYTHONPATH": ""}


def faults(printed: str) -> dict[str, list[str]]:
    """Case → the faults that were listed with it."""
    found: dict[str, list[str]] = {}
    listed = re.findall(r"^ *\d+ × (.*)\n +(.*); .*$", printed, re.MULTILINE)
    for fault, cases in listed:
        for case in cases.removesuffix(" …").split(", "):
            found.setdefault(case, []).append(fault)
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[str]]:
    script = tmp_path_factory.mktemp("fuzz") / "planted.py"
    script.write_text(PLANTED)
    command = [sys.executable, str(script), str(SCRIPTS), "--only", "parquet", "dataset"]
    command += ["--jobs", "2", "--seconds", "20", "--memory-gb", "1.2", "--at", str(script.parent)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, env=environment(), check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert not list(script.parent.glob("mico-fuzz-*"))
    return faults(done.stdout)


@pytest.mark.parametrize("case", FOUND)
def test_a_planted_fault_is_counted_by_its_name(found: Mapping[str, list[str]], case: int) -> None:
    assert any(fault.startswith(FOUND[case]) for fault in found[f"parquet {case}"])


def test_html_in_a_card_is_counted(found: Mapping[str, list[str]]) -> None:
    assert found["dataset 0"] == ["raw HTML: in README.md"]


def test_nothing_is_said_of_what_is_right(found: Mapping[str, list[str]]) -> None:
    assert {"parquet 0", "dataset 1"}.isdisjoint(found)


def test_a_case_is_the_same_whenever_it_is_run_alone(tmp_path: Path) -> None:
    def run(*options: str) -> dict[str, object]:
        command = [sys.executable, str(SCRIPTS / "fuzz.py"), "--only", "manifest", "image"]
        command += ["--seed", "5", "--at", str(tmp_path), "--json", *options]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=600, env=environment(), check=False
        )
        assert done.returncode in {0, 1}, done.stderr
        return {
            f"{case['kind']} {case['number']}": (case["how"], case["faults"])
            for case in json.loads(done.stdout)
        }

    some, one = run("--cases", "3"), run("--case", "2")
    assert len(some) == 6
    assert all(how for how, _ in map(tuple, some.values()))
    assert one == {case: some[case] for case in one}
