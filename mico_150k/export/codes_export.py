"""What trains Lumina-DiMOO, of codes that were made elsewhere: no GPU, and not one picture."""

import shlex
from collections.abc import Callable
from pathlib import Path

from mico_150k.builders.dimoo import CODES, LAUNCH_SCRIPT, DimooTrainer
from mico_150k.card.markdown import markdown_template
from mico_150k.core.errors import OutputRefused
from mico_150k.core.trainer import LAUNCH
from mico_150k.dataset.codes import CodesFolder
from mico_150k.export.codes_records import RecordOptions
from mico_150k.export.codes_source import find_codes
from mico_150k.export.folder import EXPORT, START, WORK, ExportFolder
from mico_150k.export.pickles import FILES, PicklesResult, check_disk, write_pickles
from mico_150k.io.files import write_atomically
from mico_150k.io.hold import hold


def export_codes(
    location: str,
    to: Path,
    options: RecordOptions,
    *,
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> PicklesResult:
    """Write the pickles and records of the codes there, a launch script and START.md.

    An export of pictures keeps those that it has. Raises `OutputRefused`, `UsageError`, and what
    `find_codes` does.
    """
    to = to.absolute()
    with ExportFolder(to).held(), hold(to / CODES, (FILES,)):
        is_export = (to / EXPORT).exists()
        if not is_export and not overwrite:
            _refuse_others(to)
        codes = find_codes(location, to / CODES)
        check_disk(codes, to / CODES)
        made = write_pickles(
            codes, to / CODES, options, overwrite=overwrite, on_progress=on_progress
        )
        if not is_export:
            write_atomically(to / LAUNCH, LAUNCH_SCRIPT.encode())
            (to / LAUNCH).chmod(0o755)
            write_atomically(to / START, _start(codes, to, options, made).encode())
        return made


def _refuse_others(to: Path) -> None:
    there = {path.name for path in to.iterdir()} - {WORK, CODES}
    if any((to / CODES).iterdir()):
        there -= {LAUNCH, START}
    if there:
        msg = (
            f"{to} holds files that no export has written, such as {min(there)}.\n"
            "Choose another folder with --to, or write over what is in it with --overwrite."
        )
        raise OutputRefused(msg)


def _start(codes: CodesFolder, to: Path, options: RecordOptions, made: PicklesResult) -> str:
    trainer = DimooTrainer()
    return markdown_template("mico_150k.export", "START-codes.md").render(
        trainer=trainer,
        codes=codes,
        options=options,
        made=made,
        root=to,
        steps=[
            (text, commands.replace("{root}", shlex.quote(str(to))))
            for text, commands in trainer.steps
            if not commands.startswith("mico pretokenize")
        ],
    )
