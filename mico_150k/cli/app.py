"""The commands of `mico`."""

from typing import Annotated, Any

import typer

from mico_150k.cli.build import build
from mico_150k.cli.card import card
from mico_150k.cli.check import check
from mico_150k.cli.command import Command, Group
from mico_150k.cli.export import export, relocate
from mico_150k.cli.inspect import inspect
from mico_150k.cli.patch import patch
from mico_150k.cli.pretokenize import pretokenize
from mico_150k.cli.preview import preview
from mico_150k.cli.push import push
from mico_150k.cli.refine import refine
from mico_150k.cli.terminal import show_text
from mico_150k.version import __version__

_ORDER = (
    "inspect", "build", "refine", "check", "preview", "export", "patch", "pretokenize", "push",
    "card", "relocate",
)  # fmt: skip


class _InOrder(Group):
    """Lists the commands in the order in which people need them; typer puts groups last."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 - click's, or a copy
        """The names for the help."""
        return sorted(super().list_commands(ctx), key=_ORDER.index)


app = typer.Typer(
    name="mico",
    cls=_InOrder,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help='Build, check, publish and train on MICo-150K: `load_dataset("mico-150k", "bagel")`.',
)


def _show_version(asked: bool) -> None:
    if asked:
        show_text(f"mico-150k {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    """The options of `mico` itself."""
    del version


app.command(cls=Command)(inspect)
app.command(cls=Command)(build)
app.command(cls=Command)(refine)
app.command(cls=Command)(check)
app.command(cls=Command)(preview)
app.add_typer(export, name="export")
app.command(cls=Command)(patch)
app.command(cls=Command)(pretokenize)
app.command(cls=Command)(push)
app.command(cls=Command)(card)
app.command(cls=Command)(relocate)
