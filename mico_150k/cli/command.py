"""A command whose help shows words for its values in place of Python types."""

from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

_METAVARS = {
    "batch_size": "IMAGES",
    "clone": "CLONE",
    "config": "NAME",
    "dataset": "DATASET",
    "device": "DEVICE,…",
    "dtype": "fp32|bf16",
    "folder": "FOLDER",
    "images": "FOLDER",
    "license_link": "URL",
    "license_name": "NAME",
    "limit": "ROWS",
    "max_inputs": "INPUTS",
    "max_loss": "SHARE",
    "max_seq_len": "TOKENS",
    "num_workers": "PROCESSES",
    "output_size": "PIXELS",
    "ranks": "GPUS",
    "revision": "REVISION",
    "rows": "ROWS",
    "sample": "ROWS",
    "seed": "NUMBER",
    "shard_mb": "MIB",
    "tag": "TAG",
    "tolerance": "SHARE",
    "vq": "FOLDER|ID",
    "workers": "PROCESSES",
}
"""Words by parameter name, for declarations without their own."""


class _Words:
    """Shows words in place of types in the help of a command or a group."""

    def get_params(self, ctx: Any) -> list[Any]:  # noqa: ANN401 - click's, or a copy
        """Return all parameters, including `--help`, each with its word."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc] # the other base's
        for parameter in parameters:
            if parameter.metavar is None:
                is_flag = getattr(parameter, "is_flag", False)
                parameter.metavar = "" if is_flag else _METAVARS.get(str(parameter.name))
            if parameter.param_type_name == "argument" and hasattr(parameter, "display_type_rich"):
                # Its name is its metavar: newer versions of typer add the type to that.
                parameter.display_type_rich = lambda ctx: None  # noqa: ARG005
        return parameters


class Command(_Words, TyperCommand):
    """A command of `mico`."""


class Group(_Words, TyperGroup):
    """`mico` itself, or a command that has subcommands."""


def make_typer(*, add_completion: bool = False, **attributes: Any) -> typer.Typer:  # noqa: ANN401
    """Make the typer application that turns functions into commands.

    Args:
        add_completion: Whether there are options to install a shell's completion.
        attributes: Other arguments for typer.
    """
    return typer.Typer(
        add_completion=add_completion,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        **attributes,
    )
