"""What `mico build` refuses of its options before it reads anything."""

from pathlib import Path

import typer

from mico_150k.cli.refine import OF_A_DATASET
from mico_150k.errors import OutputRefused, UsageError
from mico_150k.output import refuse_file, refuse_misread
from mico_150k.pattern import misread
from mico_150k.sources.storage import is_url

_OF_ANY_SOURCE = {"source", "out", "tolerance", "seed", "overwrite", "as_json"}


def refuse_of_release(context: typer.Context, dataset: str) -> None:
    """Raise `UsageError` for options that a dataset folder has no use for, by their names."""
    given = [
        option.opts[0]
        for option in context.command.params
        if option.name not in _OF_ANY_SOURCE
        and getattr(option, "rich_help_panel", "") != OF_A_DATASET
        and _is_given(context, option.name)
    ]
    if given:
        are = "is" if len(given) == 1 else "are"
        msg = f"{', '.join(given)} {are} for a release; {dataset} is built."
        raise UsageError(msg)


def checked_out(out: str, *, as_folder: bool) -> str:
    """The folder that is meant: a shell leaves the ~ of --out=~/x as it is.

    Raises `UsageError` for what `load_dataset` would not find, or a URL where none will do.
    """
    if is_url(out) and as_folder:
        msg = (
            f"--out {out}: --units, --finish, --overwrite, --recheck, --push and a source that is "
            "a dataset folder need a folder of this machine."
        )
        raise UsageError(msg)
    if not out:
        msg = "--out '' names no folder."
        raise UsageError(msg)
    if is_url(out):
        if why := misread(out):
            msg = f"--out {out}: `load_dataset` {why}. Choose another."
            raise OutputRefused(msg)
        return out
    folder = Path(out).expanduser() if out.startswith("~/") else Path(out)
    refuse_file(folder)
    refuse_misread(folder)
    return str(folder)


def _is_given(context: typer.Context, name: str | None) -> bool:
    # By its name: the class is click's, or a copy of it within typer, as the version has it.
    found = context.get_parameter_source(name or "")
    return found is not None and found.name == "COMMANDLINE"
