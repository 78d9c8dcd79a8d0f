"""Cases of a release or of manifests: inspected, built, and the result judged."""

import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fuzzing import base, images, manifests, oracle, parquet, victim
from fuzzing.cases import IMAGE, MANIFEST, PARQUET, Case, Command, Mutate, mico
from fuzzing.child import Limits, call
from fuzzing.faults import LEAK, UNJUDGED, WRONG_ROWS, Fault

LAYOUTS = {
    PARQUET: base.LAYOUTS,
    MANIFEST: base.STYLES,
    IMAGE: ("structs", "numbered", "bagel", "paged", "beside", "omnigen2"),
}
VERIFY = ("structure", "structure", "structure", "decode", "header")
JUDGING = Limits(120, 6 * 10**9)


def run(case: Case) -> None:
    """Mutate a source, run what reads it, and compare what was built with it."""
    rng, kind = case.rng, case.result.kind
    layout, verify, looks = rng.choice(LAYOUTS[kind]), rng.choice(VERIFY), rng.randrange(4)
    if not case.make(layout, "in", _MUTATE[kind]):
        return
    case.result.how += f", --verify {verify}"
    look: list[Command] = []
    if looks == 0:
        look.append(("inspect", mico("inspect", "in")))
    elif looks == 1:
        look.append(("inspect --images", mico("inspect", "in", "--images", "--json")))
    options = ("--tolerance", 1, "--workers", 1, "--verify", verify, "--json")
    configs = ("--config", "default", "--config", "bagel")
    build = mico("build", "in", "--out", "out/built", *configs, *options)
    if case.run(*look, ("build", build))[-1].status:
        return
    if looks == 2:
        ended = case.run(("check of the build", mico("check", "out/built")))
        if ended[0].status == 1:
            why = "a build's result does not pass mico check"
            case.result.faults.append(Fault(WRONG_ROWS, why, "check"))
    _judge(case, layout, decode=verify == "decode")


def _judge(case: Case, layout: str, *, decode: bool) -> None:
    folder, result = case.folder, case.result
    verdict = folder / "log" / "verdict.json"

    def judge() -> None:
        good = base.read_rows(case.setting.base)
        found = [*oracle.judge(folder / "in", folder / "out/built", layout, good, decode=decode)]
        found += [(LEAK, where) for where in victim.leaks([folder / "out"])]
        verdict.write_text(json.dumps(found))

    ended = call(judge, folder, JUDGING, folder / "log" / "judge", teardown=False)
    if ended.status:
        why = f"by the judge: {ended.over or ended.stderr[-200:]}"
        result.faults.append(Fault(UNJUDGED, why, "build"))
        return
    found = [Fault(what, where, "build") for what, where in json.loads(verdict.read_text())]
    result.judged += not any(fault.what == UNJUDGED for fault in found)
    result.faults += list(dict.fromkeys(found))


def _parquet(source: Path, rng: random.Random) -> str:
    return parquet.mutate(rng.choice(sorted(source.rglob("*.parquet"))), rng)


def _manifest(source: Path, rng: random.Random) -> str:
    return manifests.mutate(rng.choice(sorted(source.rglob("rows.*"))), rng)


def _image(source: Path, rng: random.Random) -> str:
    """Mutate some images of a source, in one of its tables or in files."""
    hows = []
    path = rng.choice(sorted(source.rglob("part-0.parquet")) or sorted(source.rglob("rows.*")))
    if path.suffix != ".parquet":
        for image in rng.sample(sorted(path.parent.glob("images/*.img")), 3):
            data, how = images.mutate(image.read_bytes(), rng)
            image.write_bytes(data)
            hows.append(how)
        return "+".join(hows)
    table = pq.ParquetFile(path).read()
    for _ in range(rng.choice([1, 2, 4])):
        name = rng.choice([name for name in table.column_names if "image" in name])
        cells = table[name].to_pylist()
        row = rng.randrange(len(cells))
        cells[row], how = _with_image(cells[row], rng)
        hows.append(how)
        column = pa.array(cells, table.schema.field(name).type)
        table = table.set_column(table.column_names.index(name), name, column)
    pq.write_table(table, path)
    return "+".join(hows)


def _with_image(cell: Any, rng: random.Random) -> tuple[Any, str]:
    """The same cell with one of its images mutated."""
    if isinstance(cell, list) and cell:
        place = rng.randrange(len(cell))
        new, how = _with_image(cell[place], rng)
        return [*cell[:place], new, *cell[place + 1 :]], how
    if isinstance(cell, dict) and cell["bytes"] is not None:
        data, how = images.mutate(cell["bytes"], rng)
        return {**cell, "bytes": data}, how
    if isinstance(cell, bytes):
        return images.mutate(cell, rng)
    return cell, "nothing"


_MUTATE: dict[str, Mutate] = {PARQUET: _parquet, MANIFEST: _manifest, IMAGE: _image}
