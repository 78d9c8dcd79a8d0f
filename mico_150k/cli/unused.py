"""Options that would have no effect are refused, by their names, before anything is read."""

from collections.abc import Collection

import typer

from mico_150k.core.errors import UsageError


def is_given(context: typer.Context, name: str) -> bool:
    """Whether the command line has an option or argument, with whatever value."""
    # By its name: the class is click's, or a copy of it within typer, as the version has it.
    found = context.get_parameter_source(name)
    return found is not None and found.name == "COMMANDLINE"


def refuse(context: typer.Context, options: Collection[str], purpose: str) -> None:
    """Raise `UsageError` where any of these is given; `purpose` is what they are for.

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
    """Raise `UsageError` where any is given but these; `purpose` is what the others are for."""
    others = [option.name for option in context.command.params if option.name]
    refuse(context, [name for name in others if name not in options], purpose)
