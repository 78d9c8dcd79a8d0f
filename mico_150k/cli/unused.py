"""Refuses options that would have no effect, before anything is read."""

from collections.abc import Collection, Sequence

import typer

from mico_150k.core.errors import UsageError


def is_given(context: typer.Context, name: str) -> bool:
    """Return whether the command line has an option or argument, with any value."""
    # Compare the name: depending on the version, the class is click's or typer's copy of it.
    found = context.get_parameter_source(name)
    return found is not None and found.name == "COMMANDLINE"


def refuse(context: typer.Context, options: Collection[str], purpose: str) -> None:
    """Raise `UsageError` if any of these is given; `purpose` is what they are for.

    `options` are named as the command's parameters.
    """
    named = [
        "/".join([*option.opts[:1], *option.secondary_opts[:1]])
        for option in context.command.params
        if option.name in options and is_given(context, option.name)
    ]
    if named:
        are = "is" if len(named) == 1 else "are"
        msg = f"{', '.join(named)} {are} for {purpose}"
        raise UsageError(msg)


def refuse_others(context: typer.Context, options: Collection[str], purpose: str) -> None:
    """Raise `UsageError` if any other is given; `purpose` is what the others are for."""
    others = [option.name for option in context.command.params if option.name]
    refuse(context, [name for name in others if name not in options], purpose)


_REFINE = "a dataset is derived by `mico refine DATASET --out FOLDER {}`."
_LICENSE = "say --license."
_GONE = {
    **{
        f"build {option}": _REFINE.format(new)
        for option, new in (
            ("--bench", "--benchmark MICO_BENCH"), ("--mark", "--benchmark MICO_BENCH --mark"),
            ("--exact", "--benchmark MICO_BENCH --exact"), ("--validation", "--validation ROWS"),
            ("--max-loss", "--validation ROWS --max-loss SHARE"), ("--where", "--where SQL"),
            ("--sample", "--sample ROWS"), ("--remove", "--remove LIST"),
        )
    },
    "refine --bench": "say --benchmark.",
    "build --units": "say --partition I/N.",
    "build --address": "say --ray-address.",
    "build --licence": _LICENSE,
    "build --licence-name": "`mico card` and `mico push` take --license-name.",
    "build --licence-link": "`mico card` and `mico push` take --license-link.",
    "build --license-name": "`mico card` and `mico push` take it.",
    "build --license-link": "`mico card` and `mico push` take it.",
    **{
        f"{command} {option.replace('license', 'licence')}": f"say {option}."
        for command in ("card", "push")
        for option in ("--license", "--license-name", "--license-link")
    },
    "pretokenize --ray": "say --executor ray --ray-address ADDRESS.",
    "export --codes": "say `mico export dimoo DATASET --out DIR --format codes`.",
    "export --from": "say `mico export TRAINER DATASET --out DIR`.",
    "export --to": "say `mico export TRAINER DATASET --out DIR`.",
    "export --workers": "say `mico export bagel DATASET --out DIR --ranks N --num-workers N`.",
    "build --push": "say `mico build SOURCE --out hf://datasets/USER/NAME`, which keeps no shard "
    "here; to keep them, `mico build SOURCE --out FOLDER` and then `mico push FOLDER USER/NAME`.",
    "build --keep": "--out hf://datasets/USER/NAME keeps no shard here; to keep them, `mico build "
    "SOURCE --out FOLDER` and then `mico push FOLDER USER/NAME`.",
    "pretokenize --add": "codes always become the dataset's configuration: remove it.",
    "pretokenize --to": "codes become the dataset's configuration; `mico export dimoo DATASET "
    "--out DIR` writes what training reads.",
    **dict.fromkeys(
        (
            "pretokenize --max-seq-len", "pretokenize --over-limit", "pretokenize --seed",
            "pretokenize --system-prompt", "pretokenize --tokenizer",
        ),
        "it is `mico export dimoo`'s now, which writes the records.",
    ),
    **dict.fromkeys(
        ("pretokenize --threads", "pretokenize --readers", "pretokenize --actors"),
        "the number follows from the cores and GPUs that are there: remove it.",
    ),
}  # fmt: skip
"""The options of version 0.1 by command, and their replacements."""


def refuse_old(arguments: Sequence[str]) -> None:
    """Raise `UsageError` if a command line has a removed option."""
    for word in arguments[1:]:
        option = word.partition("=")[0]
        if instead := _GONE.get(f"{arguments[0]} {option}"):
            msg = f"{option} is no longer an option: {instead}"
            raise UsageError(msg)
