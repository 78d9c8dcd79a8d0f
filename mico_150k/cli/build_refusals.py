"""What `mico build` refuses of its options before it reads anything."""

from pathlib import Path

import typer

from mico_150k.build.output import refuse_file, refuse_misread
from mico_150k.cli.refine import OF_A_DATASET
from mico_150k.cli.unused import is_given, refuse, refuse_others
from mico_150k.core.errors import OutputRefused, UsageError
from mico_150k.core.pattern import misread
from mico_150k.io.storage import is_url

_OF_ANY_SOURCE = {"source", "out", "tolerance", "seed", "overwrite", "as_json"}
_OF_A_SHARE = ("units", "finish")
_OF_WORKERS = ("workers", "max_memory")
_OF_WORK = (*_OF_WORKERS, "executor", "address")


def refuse_of_dataset(context: typer.Context, dataset: str) -> None:
    """Raise `UsageError` for options without effect where the source is a dataset folder."""
    of_a_dataset = {
        option.name
        for option in context.command.params
        if getattr(option, "rich_help_panel", "") == OF_A_DATASET
    }
    refuse_others(context, {*_OF_ANY_SOURCE, *of_a_dataset}, f"a release; {dataset} is built.")
    if not is_given(context, "bench"):
        refuse(context, ("mark", "exact", "tolerance"), "--bench: what is read and found of it.")
    if not is_given(context, "validation"):
        refuse(context, ("max_loss",), "--validation: how many rows such a split may cost.")
        if not is_given(context, "sample"):
            refuse(context, ("seed",), "--sample and --validation.")


def refuse_of_release(context: typer.Context, source: str, *, is_ray: bool) -> None:
    """Raise `UsageError` for options without effect where the source is a release."""
    of_a_dataset = [
        option.name or ""
        for option in context.command.params
        if getattr(option, "rich_help_panel", "") == OF_A_DATASET
    ]
    refuse(
        context,
        of_a_dataset,
        f"a dataset folder, and are answered by its index; {source} is none. Build it first, and "
        f"then refine that:\nmico build {source} --out mico-150k && "
        "mico build mico-150k --out clean …",
    )
    if is_given(context, "push"):
        refuse(
            context,
            (*_OF_A_SHARE, *_OF_WORK, "overwrite", "recheck", "as_json"),
            "a build without --push, which is one by this process, from its beginning to its end.",
        )
    else:
        refuse(context, ("keep", "private"), "--push.")
    if is_given(context, "units"):
        refuse(context, ("finish", "overwrite"), "a build that no other machine has a part in.")
    if is_given(context, "finish"):
        refuse(context, (*_OF_WORK, "overwrite"), "a build that reads: --finish writes no shard.")
    if is_given(context, "overwrite"):
        refuse(context, ("recheck",), "a build that goes on: --overwrite keeps no shard.")
    if is_ray:
        refuse(context, _OF_WORKERS, "--executor local; Ray knows its nodes.")
    else:
        refuse(context, ("address",), "--executor ray.")


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
