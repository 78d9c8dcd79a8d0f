"""Cases of a dataset folder or an export: every command that reads one is run on it."""

import random
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from fuzzing import base, folders, victim
from fuzzing.cases import Case, Command, mico
from fuzzing.faults import LEAK, RAW_HTML, Fault
from fuzzing.values import MARK
from mico_150k.card.file import read_card
from mico_150k.core.errors import MicoError
from mico_150k.dataset.folder import DatasetFolder
from mico_150k.hub import preflight
from mico_150k.hub.content import Content
from mico_150k.hub.target import Publication


def run(case: Case) -> None:
    """Mutate a dataset folder or an export, and run all that reads it."""
    rng, folder = case.rng, case.folder
    if rng.randrange(6) == 0:
        trainer = rng.choice(base.TRAINERS)
        if not case.make(f"exports/{trainer}", "exported", folders.mutate_export):
            return
        shutil.copytree(case.setting.base / "dataset", folder / "dataset")
        case.run(*_on_export(trainer))
    else:
        if not case.make(rng.choice(["dataset", "dataset", "split"]), "dataset", folders.mutate):
            return
        case.run(*_on_dataset(rng))
    card = folder / "dataset" / "README.md"
    found = victim.leaks([folder / "out", folder / "exported", card])
    case.result.faults += [Fault(LEAK, where) for where in found]
    if "readme" not in case.result.how and _has_raw_html(card):
        case.result.faults.append(Fault(RAW_HTML, "in README.md", "card"))


def _on_export(trainer: str) -> Iterator[Command]:
    kind = base.FORMATS.get(trainer, ())
    again = ("export", trainer, "dataset", "--out", "exported", *kind)
    yield "relocate", mico("relocate", "exported")
    yield "relocate --images", mico("relocate", "exported", "--images", "out", "--json")
    yield "export again", mico(*again)
    yield "export --overwrite", mico(*again, "--overwrite")


def _on_dataset(rng: random.Random) -> Iterator[Command]:
    yield "inspect", mico("inspect", "dataset")
    yield "inspect --json", mico("inspect", "dataset", "--json")
    yield "check", mico("check", "dataset")
    yield "check --no-hashes", mico("check", "dataset", "--no-hashes", "--json")
    yield "preview", mico("preview", "dataset", "--out", "out/page.html", "--rows", 5)
    for trainer in base.TRAINERS:
        to = ("--out", f"out/{trainer}", *base.FORMATS.get(trainer, ()))
        yield f"export {trainer}", mico("export", trainer, "dataset", *to)
    refine = ("refine", "dataset", "--json")
    where = ("--where", "num_inputs <= 2")
    yield "refine --where", mico(*refine, *where, "--out", "out/where")
    yield "refine --sample", mico(*refine, "--sample", rng.choice([1, 5]), "--out", "out/sample")
    validation = ("--validation", 2, "--max-loss", 1)
    yield "refine --validation", mico(*refine, *validation, "--out", "out/validation")
    yield "push", _publish
    yield "export --in-place", mico("export", "bagel", "dataset", "--in-place")
    yield "card", mico("card", "dataset", "--overwrite")


def _publish() -> None:
    """What `mico push` does here: what would be sent, and the checks of it. No Hub is asked."""
    folder = DatasetFolder(Path("dataset"))
    try:
        card = read_card(folder)
        sent = Publication.of_folder(folder, "somebody/name", (), card, Content())
        for number, content in enumerate(sent.small.values()):
            path = Path("out", "push", str(number))
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        preflight.check_folder(folder, sent, sent.missing_shards({}))
    except (MicoError, OSError, pa.ArrowException) as error:
        sys.exit(f"mico: {error}")


def _has_raw_html(card: Path) -> bool:
    """Whether the mutations' HTML stands in a card outside of its header and of code."""
    if card.is_symlink() or not card.is_file():
        return False
    text = card.read_bytes()[: victim.LARGEST_SEARCHED].decode(errors="replace")
    body = text.partition("\n---\n")[2]
    return MARK[:10] in re.sub(r"`[^`]*`", "", body)
