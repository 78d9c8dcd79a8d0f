"""`smoke_test`: whether a training would start, as `mico smoke` says it."""

from collections.abc import Iterator
from pathlib import Path

from mico_150k.smoke.finding import Finding
from mico_150k.smoke.run import SmokeTest


def smoke_test(
    trainer: str, clone: str | Path, *, export: str | Path, python: str | Path = ""
) -> Iterator[Finding]:
    """Check that a training would start, before a GPU is needed.

    It runs the export's train.sh up to its launch, the trainer's own parser on what that gives, and
    its dataset class on the first rows, all on a copy of the clone. Variables of train.sh, such as
    `MODEL` and `GPUS`, come from the environment. Nothing is downloaded, and neither clone nor
    export is written to.

    Args:
        trainer: The trainer's name, such as `"bagel"`.
        clone: A clone of the trainer's repository.
        export: The folder that `mico export` has written for it.
        python: The Python of the trainer's environment; `python` on PATH by default.

    Yields:
        What was checked, with its outcome; one that `is_wrong` would stop the training.

    Raises:
        UsageError: There is no such trainer, clone or Python, or the export is for another trainer.
        NotAnExport: The folder has no finished export.
    """
    yield from SmokeTest.prepare(trainer, clone, export, python).run()
