"""Damaged and hostile dataset folders: every command says what is wrong, and touches nothing else.

Each mutation is made to a copy of a real dataset, and each command runs on it in this process. A
command may do its work where the damage does not concern it. It never ends in a traceback, never
waits, and never changes a file outside of what it was told to write.
"""

import contextlib
import io
import json
import os
import re
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash

from mico_150k.build.build import Build, BuildOptions
from mico_150k.cli import main
from mico_150k.dataset import layout
from mico_150k.io.files import sha256
from mico_150k.refine.options import RefineOptions
from mico_150k.refine.refinement import Refinement
from mico_150k.sources import open_source

from ..factories import encode, picture, write_bench, write_release

SECONDS = 30
"""A command that takes longer waits for something."""
BAD_REPLY = "Traceback"

Mutation = Callable[[Path], None]
SHARD = layout.shard_name(0)


@pytest.fixture(scope="module")
def whole(samples: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A refined dataset, with a benchmark, a validation split, and rows that were left out."""
    root = tmp_path_factory.mktemp("whole")
    source = write_release(root / "release", samples)
    bench = write_bench(root / "bench", samples[:2])
    options = BuildOptions(configs=("default", "bagel", "sample"), shard_bytes=400_000)
    Build.prepare(open_source(str(source)), root / "built", options).run()
    asked = RefineOptions(bench=str(bench), exact=True, validation=2, max_loss=1)
    Refinement.prepare(root / "built", root / "mico-150k", asked).run()
    assert (root / "mico-150k" / layout.QUARANTINE).exists()
    return root / "mico-150k"


def manifest_of(folder: Path) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads((folder / layout.MANIFEST).read_text())
    return plain


def edit_json(name: str, change: Callable[[dict[str, Any]], object]) -> Mutation:
    """Change a JSON file in place."""

    def mutate(folder: Path) -> None:
        plain = json.loads((folder / name).read_text())
        change(plain)
        (folder / name).write_text(json.dumps(plain))

    return mutate


def of_manifest(change: Callable[[dict[str, Any]], object]) -> Mutation:
    return edit_json(layout.MANIFEST, change)


def of_record(config: str, **values: Any) -> Mutation:
    def change(plain: dict[str, Any]) -> None:
        next(iter(plain["configs"][config].values())).update(values)

    return of_manifest(change)


def written_over(name: str, data: bytes) -> Mutation:
    def mutate(folder: Path) -> None:
        (folder / name).unlink()  # or another name of the file would change as well
        (folder / name).write_bytes(data)

    return mutate


def signed(folder: Path, name: str) -> None:
    """Make the manifest's record of a file right: its maker would."""
    config, _, file = name.partition("/")
    plain = manifest_of(folder)
    plain["configs"][config][file]["bytes"] = (folder / name).stat().st_size
    plain["configs"][config][file]["sha256"] = sha256(folder / name)
    (folder / layout.MANIFEST).write_text(json.dumps(plain))


def of_parquet(name: str, change: Callable[[list[dict[str, Any]]], object]) -> Mutation:
    """Change rows of a Parquet file, with the same columns, and sign it."""

    def mutate(folder: Path) -> None:
        table = pq.read_table(folder / name)
        rows = table.to_pylist()
        change(rows)
        (folder / name).unlink()
        pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), folder / name)
        signed(folder, name)

    return mutate


def of_index(change: Callable[[list[dict[str, Any]]], object]) -> Mutation:
    return of_parquet(f"index/{SHARD}", change)


def in_row(place: int, **values: Any) -> Mutation:
    return of_index(lambda rows: rows[place].update(values))


def first_of(column: str, value: Any) -> Mutation:
    """Another first value in a list of row 1."""
    return of_index(lambda rows: rows[1][column].__setitem__(0, value))


def without_column(column: str) -> Mutation:
    def mutate(folder: Path) -> None:
        path = folder / "index" / SHARD
        table = pq.read_table(path).drop_columns([column])
        path.unlink()
        pq.write_table(table, path)
        signed(folder, f"index/{SHARD}")

    return mutate


def no_text_in(column: str) -> Mutation:
    """A text column that holds bytes which are no UTF-8."""

    def mutate(folder: Path) -> None:
        path = folder / "index" / SHARD
        table = pq.read_table(path)
        place = table.column_names.index(column)
        values = [b"\xff\xfe" for _ in range(table.num_rows)]
        bad = pa.array(values, pa.binary()).view(pa.string())
        path.unlink()
        pq.write_table(table.set_column(place, table.schema.field(place), bad), path)
        signed(folder, f"index/{SHARD}")

    return mutate


def more_files(*names: str) -> Mutation:
    """Files that no manifest names."""

    def mutate(folder: Path) -> None:
        for name in names:
            (folder / name).write_bytes(b"")

    return mutate


def replaced_by(name: str, make: Callable[[Path], object]) -> Mutation:
    """Something else in the place of a file."""

    def mutate(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return mutate


def fifo(path: Path) -> None:
    os.mkfifo(path)


def socket_at(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket must be short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(here)


def link_out(path: Path) -> None:
    secret = path.parents[len(path.parts) - len(path.parent.parts)] / "secret"
    secret.write_bytes(b"my private key")
    path.symlink_to(secret)


def link_to_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def path_in_a_format(folder: Path) -> None:
    """The index, the first image and the manifest fit each other: only the format is odd."""
    payload = encode(picture(3), "PNG")
    for config, column in (("default", "input_images"), ("bagel", "image_list")):
        path = folder / config / SHARD
        table = pq.read_table(path)
        rows = table.to_pylist()
        image = {"bytes": payload, "path": None}
        rows[0][column][0] = payload if config == "bagel" else image
        path.unlink()
        pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
        signed(folder, f"{config}/{SHARD}")

    def change(rows: list[dict[str, Any]]) -> None:
        rows[0]["formats"][0] = "x/../../../../victim"
        rows[0]["digests"][0] = xxhash.xxh3_128_hexdigest(payload)

    of_index(change)(folder)


def swap(rows: list[dict[str, Any]]) -> None:
    rows[0], rows[2] = rows[2], rows[0]


MARKUP = "<img src=x onerror=alert(1)><!-- by hand: about -->\n[a](javascript:b) {{ 7*7 }} \x1b[31m"

MUTATIONS: dict[str, Mutation] = {
    # The manifest as a text.
    "manifest-empty": written_over(layout.MANIFEST, b""),
    "manifest-no-utf8": written_over(layout.MANIFEST, b'{"format": "mico-150k/2\xff"}'),
    "manifest-deep": written_over(layout.MANIFEST, b'{"a":' * 150_000),
    "manifest-deep-list": of_manifest(lambda m: m.update(source=json.loads("[" * 400 + "]" * 400))),
    "manifest-list": written_over(layout.MANIFEST, b"[]"),
    "manifest-nan": of_manifest(lambda m: m.update(rows=float("nan"))),
    "manifest-half-character": of_manifest(lambda m: m["source"][0].update(name="a\ud800")),
    # Its values.
    "no-configs": of_manifest(lambda m: m.update(configs={})),
    "no-build": of_manifest(lambda m: m.pop("build")),
    "no-source": of_manifest(lambda m: m.pop("source")),
    "no-rows": of_manifest(lambda m: m.pop("rows")),
    "no-versions": of_manifest(lambda m: m["build"].pop("versions")),
    "no-seed": of_manifest(lambda m: m["build"].update(options={"shard_bytes": 1})),
    "shard-bytes-0": of_manifest(lambda m: m["build"]["options"].update(shard_bytes=0)),
    "versions-markup": of_manifest(lambda m: m["build"]["versions"].update(pyarrow=MARKUP)),
    "commands-a-number": of_manifest(lambda m: m.update(commands=[["mico", 7]])),
    "commands-markup": of_manifest(lambda m: m.update(commands=[["mico", MARKUP, "```", "\u202e"]])
    ),
    "rows-negative": of_manifest(lambda m: m.update(rows=-1)),
    "rows-true": of_manifest(lambda m: m.update(rows=True)),
    "rows-huge": of_manifest(lambda m: m.update(rows=10**400)),
    "left-out-odd": of_manifest(lambda m: m.update(skipped={"<b>": 1})),
    "removed-a-text": of_manifest(lambda m: m.update(removed={"a": 1})),
    "shards-odd": of_manifest(lambda m: m.update(shards=[{"name": "../x", "rows": 1}])),
    "record-more": of_record("bagel", colour="red"),
    "record-null": of_record("default", rows=None),
    "record-hash": of_record("default", sha256="../../x"),
    "record-size": of_record("bagel", bytes=2**70),
    "record-list": of_manifest(lambda m: m["configs"]["bagel"].update({SHARD: [1]})),
    "config-path": of_manifest(lambda m: m["configs"].update({"../up": m["configs"]["bagel"]})),
    "config-nul": of_manifest(lambda m: m["configs"].update({"a\0b": m["configs"]["bagel"]})),
    "file-path": of_manifest(lambda m: m["configs"]["bagel"].update({"../../x.parquet": {}})),
    "file-split": of_manifest(
        lambda m: m["configs"]["bagel"].update({"else-00000.parquet": m["configs"]["bagel"][SHARD]})
    ),
    "file-newline": of_manifest(
        lambda m: m["configs"]["bagel"].update({f"{SHARD}\n": m["configs"]["bagel"][SHARD]})
    ),
    # The index.
    "index-row-negative": in_row(0, row=-5),
    "index-row-gap": in_row(0, row=3),
    "index-row-huge": in_row(-1, row=2**31 - 1),
    "index-shard-negative": in_row(0, shard=-1),
    "index-shard-huge": in_row(-1, shard=2**31 - 1),
    "index-shard-missing": in_row(-1, shard=77),
    "index-unsorted": of_index(swap),
    "index-reversed": of_index(lambda rows: rows.reverse()),
    "index-twice": of_index(lambda rows: rows[1].update(id=rows[0]["id"])),
    "index-shorter": of_index(lambda rows: rows.pop()),
    "index-empty": of_index(lambda rows: rows.clear()),
    **{
        f"index-null-{column}": in_row(1, **{column: None})
        for column in ("id", "source_id", "task", "subtask", "num_inputs", "instruction", "widths",
                       "heights", "formats", "digests", "actions", "shard", "row", "overlap")
    },
    **{
        f"index-null-in-{column}": first_of(column, None)
        for column in ("widths", "formats", "digests", "actions")
    },
    **{
        f"index-short-{column}": of_index(lambda rows, name=column: rows[1][name].pop())
        for column in ("widths", "heights", "formats", "digests", "actions")
    },
    "index-inputs-0": in_row(1, num_inputs=0),
    "index-inputs-huge": in_row(1, num_inputs=2**31 - 1),
    "index-inputs-negative": in_row(1, num_inputs=-1),
    "index-height-0": first_of("heights", 0),
    "index-width-negative": first_of("widths", -(2**31)),
    "index-pixels": of_index(lambda rows: rows[1].update(
        widths=[2**31 - 1] * len(rows[1]["widths"]), heights=[2**31 - 1] * len(rows[1]["heights"]))
    ),
    "index-task": in_row(1, task="painting"),
    "index-task-markup": in_row(1, task=MARKUP, id=f"{MARKUP}/1", source_id="1"),
    "index-format-markup": first_of("formats", MARKUP),
    "index-format-nul": first_of("formats", "a\0b"),
    "index-digest-path": first_of("digests", "../../../../victim"),
    "index-digest-newline": first_of("digests", "0" * 32 + "\n"),
    "index-action": first_of("actions", "sharpened"),
    "index-action-markup": first_of("actions", f"alpha+{MARKUP}"),
    "index-no-column": without_column("overlap"),
    "index-no-text": no_text_in("instruction"),
    "index-no-parquet": written_over(f"index/{SHARD}", b"PAR1 not really PAR1"),
    "path-in-a-format": path_in_a_format,
    # Shards and the small files.
    "shard-cut": lambda folder: os.truncate(folder / "default" / SHARD, 1000),
    "shard-of-other-columns": lambda folder: shutil.copy(
        folder / "bagel" / SHARD, folder / "default" / SHARD
    ),
    "shard-fewer-images": of_parquet(
        f"default/{SHARD}", lambda rows: rows[0]["input_images"].pop()
    ),
    "shard-null-image": of_parquet(
        f"default/{SHARD}", lambda rows: rows[0].update(output_image={"bytes": None, "path": "/x"})
    ),
    "sample-shuffled": of_parquet(f"sample/{SHARD}", lambda rows: rows.reverse()),
    "bench-no-parquet": written_over("bench/test-00000.parquet", b"PAR1"),
    "readme-latin1": written_over(layout.CARD, "---\nlicense: mit\n---\nCaf\xe9".encode("latin-1")),
    "readme-yaml-deep": written_over(layout.CARD, b"---\na: " + b"[" * 100_000 + b"\n---\n"),
    "readme-yaml-bomb": written_over(
        layout.CARD,
        ("---\na0: &a0 [x]\n" + "".join(
            f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
        ) + "configs: *a11\n---\n").encode(),
    ),
    "readme-yaml-circle": written_over(layout.CARD, b"---\nconfigs: &a [*a]\n---\n"),
    "readme-sections": written_over(layout.CARD, b"<!-- by hand: a -->\n" * 50_000),
    "report-no-json": written_over(layout.REPORT, b"{"),
    "report-list": written_over(layout.REPORT, b"[]"),
    "report-more": edit_json(layout.REPORT, lambda r: r.update(colour=1)),
    "report-less": edit_json(layout.REPORT, lambda r: r.pop("duplicates")),
    "report-cause": edit_json(
        layout.REPORT, lambda r: next(iter(r["images"].values()))["re_encoded"].update({MARKUP: 1})
    ),
    "report-task": edit_json(layout.REPORT, lambda r: r["tasks"].update({MARKUP: 0})),
    "report-rows": edit_json(layout.REPORT, lambda r: r.update(rows=MARKUP)),
    "report-bench": edit_json(layout.REPORT, lambda r: r.update(bench={"cases": "many"})),
    "quarantine-no-json": written_over(layout.QUARANTINE, b"{\n"),
    "quarantine-deep": written_over(layout.QUARANTINE, b"[" * 100_000 + b"\n"),
    "quarantine-list": written_over(layout.QUARANTINE, b"[1]\n"),
    "quarantine-no-utf8": written_over(layout.QUARANTINE, b'{"id": "\xff"}\n'),
    "quarantine-odd": written_over(layout.QUARANTINE, b'{"task": ["hoi"], "reason": {}}\n'),
    # Something else in a file's place.
    **{
        f"{make.__name__}-{name.partition('.')[0].replace('/', '-')}": replaced_by(name, make)
        for make in (fifo, link_out)
        for name in (
            layout.MANIFEST, layout.CARD, layout.REPORT, layout.QUARANTINE, f"index/{SHARD}",
            f"default/{SHARD}", f"bagel/{SHARD}", f"sample/{SHARD}", "bench/test-00000.parquet",
        )
    },
    "more-no-utf8": more_files("bagel/train-\udcff.parquet", "index/\udcfe"),
    "socket-manifest": replaced_by(layout.MANIFEST, socket_at),
    "device-shard": replaced_by(f"default/{SHARD}", link_to_device),
    "device-quarantine": replaced_by(layout.QUARANTINE, link_to_device),
    "folder-report": replaced_by(layout.REPORT, Path.mkdir),
    "folder-index": replaced_by(f"index/{SHARD}", Path.mkdir),
}  # fmt: skip

COMMANDS: dict[str, list[str]] = {
    "inspect": ["inspect", "mico-150k"],
    "check": ["check", "mico-150k"],
    "preview": ["preview", "mico-150k", "--out", "page.html", "--rows", "3"],
    "card": ["card", "mico-150k"],
    "omnigen2": ["export", "omnigen2", "mico-150k", "--out", "exported"],
    "bagel": ["export", "bagel", "mico-150k", "--out", "shards"],
    "in-place": ["export", "bagel", "mico-150k", "--in-place"],
    "refine": ["refine", "mico-150k", "--out", "refined", "--where", "num_inputs > 2"],
    "remove": ["refine", "mico-150k", "--out", "without", "--remove", "list.txt"],
}
UNSEEN = {"commands-markup", "shard-fewer-images", "shard-null-image", "sample-shuffled"}
"""What `mico check` is content with: it opens no image, and a command may have any words."""


@pytest.fixture
def place(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a copy of the dataset, a victim beside, and a home of its own."""
    work = tmp_path / "a" / "b" / "work"
    work.mkdir(parents=True)
    shutil.copytree(whole, work / "mico-150k", copy_function=shutil.copyfile)
    (work / "list.txt").write_text(f"{first_id(whole)}\n")
    monkeypatch.chdir(work)
    return work


def first_id(folder: Path) -> str:
    return str(pq.read_table(folder / "index" / SHARD, columns=["id"])["id"][0])


def outside(work: Path) -> dict[str, bytes]:
    """What lies beside the folder that commands work in."""
    top = work.parent.parent
    return {
        str(path.relative_to(top)): path.read_bytes()
        for path in top.rglob("*")
        if not path.is_relative_to(work) and path.is_file()
    }


@contextlib.contextmanager
def no_waiting() -> Iterator[None]:
    """Raise TimeoutError in what waits, also for a FIFO."""

    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def mico(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """How a command ends and what it says. What it cannot explain is raised."""
    monkeypatch.setattr(sys, "argv", ["mico", *arguments])
    said = io.StringIO()
    monkeypatch.setattr("mico_150k.cli.terminal._talk.file", said)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0), said.getvalue()
    return 0, said.getvalue()


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_every_command_says_what_is_wrong_with_a_hostile_folder(
    mutation: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    MUTATIONS[mutation](place / "mico-150k")
    victims = [place / "victim", place.parent / "victim", place.parent.parent / "victim"]
    for victim in victims:
        victim.write_text("mine")
    before = outside(place)
    wrong = []
    for name, arguments in COMMANDS.items():
        with no_waiting():
            status, said = mico(arguments, monkeypatch)
        last = said.strip().splitlines()[-3:]
        unexplained = any(f"{kind}Error:" in line for kind in PROGRAMMING for line in last)
        if status not in {0, 1, 2} or BAD_REPLY in said or unexplained or "\x1b[31m" in said:
            wrong.append((name, status, said[-600:]))
        if name == "check" and status == 0 and mutation not in UNSEEN:
            wrong.append((name, status, "all is well"))
    assert not wrong
    assert outside(place) == before
    assert {victim.read_text() for victim in victims} == {"mine"}
    card = place / "mico-150k" / layout.CARD
    if card.is_file() and not card.is_symlink():
        outside_of_code = re.sub(r"(?ms)^(`{3,})sh$.*?^\1$", "", card.read_text(errors="replace"))
        assert "<img" not in outside_of_code
        assert "<!-- by hand: about -->\n[a]" not in card.read_text(errors="replace")


PROGRAMMING = ("Key", "Type", "Attribute", "Index", "Recursion", "Value", "Runtime", "Unicode",
               "UnicodeDecode", "UnicodeEncode", "JSONDecode", "ZeroDivision", "Undefined",
               "StopIteration", "Timeout", "Memory", "Overflow", "FileNotFound",
               "IsADirectory")  # fmt: skip


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("command", COMMANDS)
def test_the_dataset_itself_passes_every_command(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, said = mico(COMMANDS[command], monkeypatch)
    if command == "in-place":  # bagel reads every file in a folder: validation is one too many
        assert "of another split" in said
    else:
        assert status == 0, said
